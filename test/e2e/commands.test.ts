import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";

import { TEMPLATE_NAMES } from "../../src/config/templates.js";
import { writeNpy } from "../../src/data/npy.js";
import { cmcr, expectRefusal, jsonLines, runNames, start, succeed, Workplace } from "./support/cli.js";
import { isRunning } from "./support/processes.js";
import type { Estimates } from "./support/runFolder.js";
import { startWorker } from "./support/sharedWorker.js";
import { writeExperiment, writeWorld } from "./support/world.js";

const place = new Workplace();
const { env } = place;
const options = { env, cwd: place.path };

beforeAll(async () => {
  await writeWorld(place.folder("emb"));
  writeExperiment(place.path);
});
afterAll(() => {
  place.remove();
});

describe("validate", () => {
  it("prints what would run, with its counts, and starts no worker", async () => {
    // A worker could not start: there would be no place for its socket.
    const { stdout, stderr } = await succeed(["validate", "tiny.yaml"], { ...options, env: { TMPDIR: place.file("nowhere") } });
    for (const part of ["tiny, seed 3", "sight: precomputed embeddings, 24 dimensions", "captions: 600 text", "40 steps", "sound-image", "sound-class"]) expect(stdout).toContain(part);
    expect(stderr).toBe("");
    expect(runNames(place.file("runs"))).toEqual([]);
  });

  it("gives the compiled experiment as JSON, with --set and its warnings", async () => {
    const { stdout } = await succeed(["validate", "tiny.yaml", "--json", "--set", "connect.epochs=12"], options);
    const [line, ...others] = jsonLines(stdout);
    expect(others).toEqual([]);
    expect(line).toMatchObject({ event: "valid", warnings: [expect.stringContaining("--set replaces 10 (tiny.yaml:32:11) by 12")], experiment: { connect: { epochs: 12 } } });
  });
});

describe("schema and init", () => {
  it("print a JSON Schema that knows the fields", async () => {
    const schema = JSON.parse((await succeed(["schema"])).stdout) as { properties: Record<string, unknown>; required: string[] };
    expect(schema).toMatchObject({ $schema: "https://json-schema.org/draft/2020-12/schema", type: "object", additionalProperties: false });
    expect(Object.keys(schema.properties)).toEqual(["version", "name", "seed", "seeds", "folders", "worker", "spaces", "data", "connect", "evaluate"]);
  });

  it("name every template in the help", async () => {
    const { stdout } = await succeed(["init", "--help"]);
    for (const name of TEMPLATE_NAMES) expect(stdout).toContain(`${name} (`);
  });

  it("write files that are right as they are: the quickstart is valid, the other lacks only its data", async () => {
    expect((await succeed(["init", "--template", "quickstart", "--out", "new.yaml"], options)).stdout).toBe("new.yaml");
    expect((await succeed(["validate", "new.yaml"], options)).stdout).toContain("quickstart");
    const { stdout } = await succeed(["init"], options);
    expect(parse(stdout)).toMatchObject({ version: 1, connect: { method: "cmcr" } });
    expect(stdout).toContain("# ");
    writeFileSync(place.file("own.yaml"), stdout);
    const outcome = await cmcr(["validate", "own.yaml"], options);
    expectRefusal(outcome, 3, "own.yaml:");
    for (const line of outcome.stderr.trimEnd().split("\n")) expect(line).toMatch(/expected a readable file, found none|^ {2}own\.yaml/);
  });
});

describe("metrics", () => {
  async function metrics(...args: readonly string[]) {
    const { stdout } = await succeed(["metrics", ...args, "--resamples", "50"], options);
    return JSON.parse(stdout) as { readonly task: string; readonly queries: number; readonly gallery: number; readonly results: Estimates; readonly reverse?: Estimates };
  }
  const values = (estimates: Estimates | undefined) => Object.fromEntries(Object.entries(estimates ?? {}).map(([name, { value }]) => [name, value]));

  beforeAll(async () => {
    // Row 1's own item comes second; rows 0 and 2 are tied with a wrong one, which counts against them.
    await writeNpy(place.file("scores.npy"), Float32Array.from([1, 1, 0, 5, 4, 1, 0, 2, 2]), [3, 3]);
    await writeNpy(place.file("wide.npy"), Float64Array.from([0.1, 0.9, 0.2, 0.3, 0.8, 0.1, 0.1, 0.2]), [2, 4]);
    await writeNpy(place.file("labels.npy"), Int32Array.from([1, 2]), [2]);
    writeFileSync(place.file("relevance.json"), "[[1, 3], []]");
    // Of 4 x 4: the left half is hot in both maps.
    const map = Array.from({ length: 16 }, (_, pixel) => (pixel % 4 < 2 ? 1 : 0));
    await writeNpy(place.file("maps.npy"), Float32Array.from([...map, ...map, ...map]), [3, 4, 4]);
    writeFileSync(place.file("boxes.json"), "[[[0, 0, 0.5, 1]], [[0.5, 0, 1, 1]], []]");
    await writeNpy(place.file("nan.npy"), Float32Array.of(0, 1, NaN, 0), [2, 2]);
  });

  it("of retrieval, row i to column i, ties against the method, both ways round", async () => {
    const { task, queries, gallery, results, reverse } = await metrics("retrieval", "--scores", "scores.npy", "--ks", "1,2");
    expect([task, queries, gallery]).toEqual(["retrieval", 3, 3]);
    expect(values(results)).toEqual({ "R@1": 0, "R@2": 1, mAP: 0.5, MRR: 0.5, medianRank: 2 });
    // Columns: 0 ranks row 0 second, 1 ranks its own first, 2 as well.
    expect(values(reverse)).toMatchObject({ "R@1": 2 / 3, "R@2": 1, medianRank: 1 });
    for (const { value, ci95 } of Object.values(results)) {
      expect(ci95[0]).toBeLessThanOrEqual(value);
      expect(ci95[1]).toBeGreaterThanOrEqual(value);
    }
  });

  it("of retrieval by a relevance file: a query with nothing relevant does not count", async () => {
    const { results } = await metrics("retrieval", "--scores", "wide.npy", "--relevance", "relevance.json");
    expect(values(results)).toMatchObject({ "R@1": 1, mAP: 1, medianRank: 1 });
  });

  it("of classification", async () => {
    const { task, queries, gallery, results } = await metrics("classification", "--scores", "wide.npy", "--labels", "labels.npy");
    expect([task, queries, gallery]).toEqual(["classification", 2, 4]);
    // Row 0 is right; row 1's class is tied for the last place.
    expect(values(results)).toEqual({ top1: 0.5, top3: 0.5, top5: 1, meanPerClassRecall: 0.5 });
  });

  it("of localization and counterfactual", async () => {
    const maps = ["--maps", "maps.npy", "--boxes", "boxes.json"];
    const localization = await metrics("localization", ...maps, "--threshold", "0.5");
    expect(values(localization.results)).toMatchObject({ "cIoU@0.5": 0.5, meanCIoU: 0.5 });
    expect(Object.keys(localization.results)).toEqual(["cIoU@0.5", "AUC", "meanCIoU"]);
    // All is predicted, half is true; what but one of two annotators drew counts half: 4 of 4 + 8.
    expect(values((await metrics("localization", ...maps, "--threshold", "0")).results).meanCIoU).toBe(0.5);
    expect(values((await metrics("localization", ...maps, "--threshold", "0", "--consensus", "2")).results).meanCIoU).toBeCloseTo(1 / 3, 12);
    const counterfactual = await metrics("counterfactual", ...maps);
    expect(Object.keys(counterfactual.results)).toEqual(["AP", "maxF1", "LocAcc"]);
  });

  it.each([
    ["no scores", ["retrieval"], 2, "--scores: retrieval needs --scores"],
    ["another task's option", ["retrieval", "--scores", "scores.npy", "--labels", "labels.npy"], 2, "--labels: retrieval has no --labels"],
    ["an unknown task", ["retreival", "--scores", "scores.npy"], 2, 'unknown task "retreival", expected one of retrieval, classification, localization, counterfactual. Did you mean retrieval?'],
    ["cut-offs that fall", ["retrieval", "--scores", "scores.npy", "--ks", "5,1"], 2, '--ks: expected ascending numbers; found "5,1"'],
    ["a cut-off of nothing", ["retrieval", "--scores", "scores.npy", "--ks", "0"], 2, "--ks: expected a whole number from 1 on"],
    ["a seed below 0", ["retrieval", "--scores", "scores.npy", "--seed", "-1"], 2, "--seed: expected a whole number"],
    ["a threshold that is no number", ["localization", "--maps", "maps.npy", "--boxes", "boxes.json", "--threshold", "half"], 2, '--threshold: expected a number; found "half"'],
    ["a consensus of nobody", ["counterfactual", "--maps", "maps.npy", "--boxes", "boxes.json", "--consensus", "0"], 2, "--consensus: expected a whole number from 1 on"],
    ["the same option twice", ["retrieval", "--scores", "scores.npy", "--scores", "wide.npy"], 2, "--scores: expected once, found 2 times"],
    ["a missing file", ["retrieval", "--scores", "nowhere.npy"], 3, "nowhere.npy: there is no such file"],
    ["NaN", ["retrieval", "--scores", "nan.npy"], 3, "nan.npy: row 1 holds a value that is NaN or infinite (element 0 of the row"],
    ["scores that are not square, without relevance", ["retrieval", "--scores", "wide.npy"], 3, "there are 2 queries and 4 gallery items"],
    ["relevance of other rows", ["retrieval", "--scores", "scores.npy", "--relevance", "relevance.json"], 3, "relevance.json: relevance has 2 rows, and there are 3 queries"],
    ["labels of other rows", ["classification", "--scores", "scores.npy", "--labels", "labels.npy"], 3, "labels.npy: there are 2 labels, and 3 rows of scores"],
    ["maps of two dimensions", ["localization", "--maps", "scores.npy", "--boxes", "boxes.json"], 3, "scores.npy: the array has shape (3, 3); (n, h, w) is needed"],
    ["no JSON", ["localization", "--maps", "maps.npy", "--boxes", "tiny.yaml"], 3, "tiny.yaml is not JSON"],
  ] as const)("refuses %s", async (_what, args, code, said) => {
    expectRefusal(await cmcr(["metrics", ...args], options), code, said);
  });
});

describe("worker and doctor", () => {
  it("a worker answers at its address, says who it is, and ends at Ctrl-C with its socket", async () => {
    const worker = await startWorker(place, `unix:${place.file("w.sock")}`, [place.path]);
    expect(worker.address).toBe(`unix:${place.file("w.sock")}`);
    const info = jsonLines((await succeed(["worker", "info", "--address", worker.address, "--json"], options)).stdout);
    expect(info).toEqual([
      expect.objectContaining({ protocolVersion: 1, device: expect.stringMatching(/^(cpu|cuda:\d+)$/) as string, encoders: expect.arrayContaining(["builtin"]) as string[], roots: [place.path] }),
    ]);
    expect((await succeed(["worker", "info", "--address", worker.address], options)).stdout).toContain("heads: audio-visual");
    // A second one does not take the first one's socket away.
    expectRefusal(await cmcr(["worker", "start", "--listen", worker.address], options), 4, `the worker cannot start: cannot listen on ${worker.address}`);
    await succeed(["worker", "info", "--address", worker.address], options);
    expect(await worker.stop()).toBe(130);
    expect(isRunning(info[0]?.["pid"] as number)).toBe(false);
    expect(existsSync(place.file("w.sock"))).toBe(false);
  });

  it("doctor lists what there is, as text and as one line of JSON", async () => {
    const { stdout } = await succeed(["doctor", "--json"], options);
    const lines = jsonLines(stdout);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ event: "doctor", ok: true });
    const names = (lines[0]?.["checks"] as { name: string; status: string }[]).map(({ name }) => name);
    for (const name of ["Node.js", "Python", "built-in encoders"]) expect(names).toContain(name);
    expect((await succeed(["doctor"], options)).stdout).toContain("Node.js");
  });

  it("shows its help and version, and ends quietly when nobody reads on", async () => {
    const { stdout } = await succeed(["--help"]);
    for (const name of ["run", "validate", "init", "schema", "evaluate", "metrics", "encode", "project", "worker", "doctor"]) expect(stdout).toMatch(new RegExp(`cmcr ${name}\\b`));
    expect((await succeed(["--version"])).stdout).toBe((JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version);
    const child = start(["schema"]);
    child.stdout.destroy();
    expect((await child).stderr).toBe("");
  });
});
