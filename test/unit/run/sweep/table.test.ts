import { parse } from "csv-parse/sync";
import { describe, expect, it } from "vitest";

import { bootstrap, meanStatistic, pairedDifference } from "../../../../src/evaluate/bootstrap.js";
import type { CompiledSweep } from "../../../../src/config/sweepCompile.js";
import { sameItems, sweepTable, type SweepTable, type TableVariant, type VariantResult } from "../../../../src/run/sweep/table.js";
import { signed, tableCsv, tableMarkdown } from "../../../../src/run/sweep/tableFiles.js";
import { sweepText } from "../../../../src/run/sweep/tableText.js";
import { experimentOf, result, threeVariants, values } from "./samples.js";

const FULL = values(0.6, 200, 1);
// The same items, each a little worse, though far less than items differ.
const LESS = FULL.map((value, index) => value - 0.02 - 0.005 * Math.sin(index));
const BASELINES = { chance: values(0.01, 200, 3), pivot: values(0.3, 200, 4), ridge: values(0.5, 200, 5) };

type Finished = Readonly<Record<string, VariantResult | { readonly failed: string } | null>>;

function tableOf(finished: Finished, sweep: CompiledSweep = threeVariants()): SweepTable {
  const variants = sweep.variants.map(({ name, folder, changes, experiment }): TableVariant => {
    const found = finished[name] ?? null;
    const failed = found !== null && "failed" in found ? found.failed : undefined;
    return {
      name,
      folder: `runs/${folder}`,
      changes: Object.fromEntries(changes.map(({ path, value }) => [path, value])),
      status: failed !== undefined ? "failed" : found === null ? "pending" : "complete",
      seconds: found === null ? null : 12.5,
      ...(failed === undefined ? {} : { error: failed }),
      experiment,
      result: found !== null && "metrics" in found ? found : null,
    };
  });
  return sweepTable({ sweep: sweep.name, reference: sweep.reference, metrics: sweep.metrics, variants });
}

const all = (): Finished => ({ full: result({ own: FULL, baselines: BASELINES }), "no completion": result({ own: LESS }), "other | test": result({ own: values(0.6, 150, 2) }) });
const row = (table: SweepTable, name: string) => table.variants.find((variant) => variant.name === name)?.results[0];

describe("a sweep's table", () => {
  it("has each variant's value and its paired difference to the reference, equal to the bootstrap's own", () => {
    const table = tableOf(all());
    expect(table).toMatchObject({ complete: true, reference: "full", metrics: [{ task: "sound-image", metric: "mAP", reverse: false }] });
    const drawn = bootstrap(FULL.length, { full: meanStatistic(FULL), less: meanStatistic(LESS) }, { resamples: 200, seed: 0 });
    const expected = pairedDifference(drawn.less, drawn.full);
    const less = row(table, "no completion");
    expect(less?.estimate?.value).toBeCloseTo(drawn.less.value, 12);
    expect(less?.difference?.value).toBeCloseTo(expected.value, 12);
    expect(less?.difference?.ci95[0]).toBeCloseTo(expected.ci95[0], 12);
    expect(less?.difference?.ci95[1]).toBeCloseTo(expected.ci95[1], 12);
    expect(row(table, "full")).toMatchObject({ difference: null, verdict: null });
  });

  it("calls better or worse only what excludes zero: paired, where the intervals themselves overlap", () => {
    const table = tableOf(all());
    const [full, less] = [row(table, "full"), row(table, "no completion")];
    expect(less?.estimate?.ci95[1]).toBeGreaterThan(full?.estimate?.ci95[0] ?? NaN);
    expect(less?.verdict).toBe("worse");
    const same = tableOf({ ...all(), "no completion": result({ own: FULL.map((value, index) => value + (index % 2 === 0 ? 0.01 : -0.01)) }) });
    expect(row(same, "no completion")?.verdict).toBe("undecided");
  });

  it("knows that fewer ranks are better", () => {
    const sweep = threeVariants("metrics: [{ task: sound-image, metric: medianRank }]\n");
    const worse = row(tableOf(all(), sweep), "no completion");
    expect(worse?.difference?.value).toBeGreaterThan(0);
    expect(worse?.verdict).toBe("worse");
  });

  it("gives no difference of other test items, and says so", () => {
    const table = tableOf({ ...all(), "other | test": result({ own: values(0.9) }) });
    expect(row(table, "other | test")).toMatchObject({ difference: null, verdict: null });
    expect(row(table, "other | test")?.estimate).not.toBeNull();
    expect(table.notes).toContain("other | test has other test items than full in sound-image: they cannot be paired, so there is no difference.");
  });

  it("gives no difference of items that were drawn otherwise", () => {
    const table = tableOf({ ...all(), "no completion": result({ own: LESS, resamples: 100 }) });
    expect(row(table, "no completion")).toMatchObject({ difference: null, verdict: null });
    expect(table.notes.join("\n")).toContain("no completion was not drawn as full was in sound-image");
  });

  it("has the best baseline of the reference beside it, chance aside, against the reference", () => {
    const table = tableOf(all());
    expect(table.baselines.map(({ name }) => name)).toEqual(["ridge"]);
    expect(table.baselines[0]?.results[0]?.difference?.value).toBeLessThan(0);
    expect(table.baselines[0]?.results[0]).toMatchObject({ verdict: "worse" });
    const { value, ci95: [low, high] } = table.baselines[0]?.results[0]?.difference ?? { value: NaN, ci95: [NaN, NaN] };
    expect(low).toBeLessThan(value);
    expect(high).toBeGreaterThan(value);
    const lucky = result({ own: FULL, baselines: { ...BASELINES, chance: values(0.55, 200, 3) } });
    expect(tableOf({ ...all(), full: lucky }).baselines.map(({ name }) => name)).toEqual(["ridge"]);
  });

  it("of an unfinished sweep has what there is, and says what is missing", () => {
    const table = tableOf({ full: null, "no completion": result({ own: LESS }), "other | test": { failed: "the loss is not finite at step 3" } });
    expect(table.complete).toBe(false);
    expect(row(table, "no completion")).toMatchObject({ difference: null });
    expect(row(table, "full")?.estimate).toBeNull();
    expect(table.notes).toEqual([
      "2 of 3 variants are not finished.",
      "other | test failed: the loss is not finite at step 3",
      "full, the reference, is not finished: there are no differences yet.",
    ]);
  });

  it("says how many of many differences would exclude zero by chance", () => {
    const grid = `grid: { connect.epochs: [${Array.from({ length: 20 }, (_, index) => index + 1).join(", ")}] }\n`;
    const sweep = threeVariants(grid);
    const finished = Object.fromEntries(sweep.variants.map(({ name }) => [name, result({ own: FULL })]));
    expect(tableOf(finished, sweep).notes).toContain("Of 21 differences about 1 would exclude zero at 95 % even if nothing differed.");
  });
});

describe("the same items", () => {
  const sweep = threeVariants("grid: { data.test_images.labels: [emb/a.npy], evaluate.0.ks: [[2]], data.images.embeddings.clip: [emb/b.npy] }\n");
  const base = experimentOf(sweep, "full");

  it("are those of the same sources and labels, whatever is trained or measured on them", () => {
    expect(sameItems(base, experimentOf(sweep, "no completion"), "sound-image")).toBe(true);
    expect(sameItems(base, experimentOf(sweep, "other | test"), "sound-image")).toBe(false);
    expect(sameItems(base, sweep.variants.at(-1)?.experiment ?? base, "sound-image")).toBe(false);
    expect(sameItems(base, base, "no such task")).toBe(false);
  });

  it("are not those of another sample", () => {
    const sampled = { ...base, data: { ...base.data, test_sounds: { ...base.data["test_sounds"], sample: { count: 5, seed: 0 } } } } as typeof base;
    expect(sameItems(base, sampled, "sound-image")).toBe(false);
  });
});

describe("a table as CSV", () => {
  it("has a row for each variant with what it changes, at full precision, and one for the baseline", () => {
    const table = tableOf(all());
    const [head = [], ...rows] = parse(tableCsv(table)) as string[][];
    const records = rows.map((cells) => Object.fromEntries(cells.map((cell, index) => [head[index] ?? "", cell])));
    expect(records.map(({ variant, status }) => [variant, status])).toEqual([
      ["full", "complete"],
      ["no completion", "complete"],
      ["other | test", "complete"],
      ["ridge", "baseline"],
    ]);
    expect(records[1]).toMatchObject({ "connect.completion": "false", "mAP verdict": "worse", seconds: "12.50", folder: "runs/no-completion" });
    expect(Number(records[1]?.["mAP"])).toBe(row(table, "no completion")?.estimate?.value);
    expect(Number(records[1]?.["mAP minus full"])).toBe(row(table, "no completion")?.difference?.value);
    expect(records[0]).toMatchObject({ "connect.completion": "", "mAP minus full": "", "mAP verdict": "" });
  });

  it("quotes what would break it", () => {
    const table = tableOf({ full: { failed: 'it said "no", twice\nand stopped' } });
    const rows = parse(tableCsv(table)) as string[][];
    expect(rows[1]?.at(-1)).toBe('it said "no", twice\nand stopped');
  });
});

describe("a table as Markdown", () => {
  it("has the same rows, with bars escaped and marks where the interval excludes zero", () => {
    const lines = tableMarkdown(tableOf(all())).split("\n");
    expect(lines[0]).toBe("# ablations");
    const rows = lines.filter((line) => line.startsWith("|"));
    expect(rows).toHaveLength(6);
    for (const line of rows) expect(line.replaceAll("\\|", "").split("|")).toHaveLength(6);
    expect(rows[3]).toMatch(/^\| no completion \| 0\.5\d\d \[0\.\d{3}, 0\.\d{3}\] \| -0\.0\d\d \[-0\.0\d\d, -0\.0\d\d\] ▼ \| 13 \|$/);
    expect(rows[4]).toContain("| other \\| test |");
    expect(rows[5]).toContain("| baseline: ridge |");
  });

  it("is marked where it is incomplete", () => {
    expect(tableMarkdown(tableOf({})).split("\n")[0]).toBe("# ablations (incomplete)");
  });

  it("shows the spread of several seeds, and tells it from the interval", () => {
    const text = tableMarkdown(tableOf({ ...all(), full: result({ own: FULL, seeds: [-0.01, 0, 0.01] }) }));
    expect(text).toMatch(/\| full \| 0\.\d{3} ±0\.010 \[0\.\d{3}, 0\.\d{3}\] \|/);
    expect(text).toContain("Means over 3 seeds, ±: their standard deviation.");
  });
});

describe("a table on a terminal", () => {
  const widths = (text: string): number => Math.max(...text.split("\n").map((line) => line.length));
  const metrics = "metrics: [{ task: sound-image, metric: mAP }, { task: sound-image, metric: medianRank }, { task: sound-image, metric: mAP, reverse: true }]\n";

  it("fits its width: first without intervals, then with cut names, then with fewer metrics, and says so", () => {
    const table = tableOf(all(), threeVariants(metrics));
    const wide = sweepText(table, { width: 200, color: false });
    expect(wide).toContain("mAP, reverse");
    expect(wide).toMatch(/no completion .*-0\.0\d\d \[-0\.0\d\d, -0\.0\d\d\] ▼/);
    for (const width of [120, 90, 70, 50]) {
      const text = sweepText(table, { width, color: false });
      expect(widths(text)).toBeLessThanOrEqual(width);
      expect(text).toMatch(/no completion .*▼/);
    }
    expect(sweepText(table, { width: 60, color: false }).replaceAll("\n", " ")).toContain("The terminal is too narrow for medianRank, mAP, reverse: in table.md.");
  });

  it("has colours only where they are asked for", () => {
    const table = tableOf(all());
    expect(sweepText(table, { width: 120, color: false })).not.toContain("\u001b");
    expect(sweepText(table, { width: 120, color: true })).toContain("\u001b[31m");
  });

  it("says of a variant that is not finished how it stands", () => {
    const text = sweepText(tableOf({ full: result({ own: FULL }), "no completion": { failed: "no" } }), { width: 100, color: false });
    expect(text).toContain("ablations (incomplete)");
    expect(text).toMatch(/^no completion +- +failed$/m);
    expect(text).toMatch(/^other \| test +- +pending$/m);
  });

  it("shows on which side of zero a bound is", () => {
    expect([signed("mAP", -0.0001), signed("mAP", 0.0004), signed("mAP", 0), signed("medianRank", -1.5)]).toEqual(["-0.000", "+0.000", "0.000", "-1.5"]);
  });
});
