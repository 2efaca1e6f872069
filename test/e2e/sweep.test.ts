import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { RunManifest } from "../../src/run/manifest.js";
import type { SweepTable } from "../../src/run/sweep/table.js";
import { cmcr, expectRefusal, jsonLines, run, start, succeed, Workplace } from "./support/cli.js";
import { isRunning, within } from "./support/processes.js";
import { change, writeExperiment, writeWorld } from "./support/world.js";

const LIMIT_MS = 240_000;

const place = new Workplace();
const env = place.env;

/** The experiment's lines are short, so that a variant takes a second; its name is told from the sweep's. */
const SWEEP = `version: 1
name: small
experiment: tiny.yaml
seeds: [3, 4]
set: { connect: { epochs: 3 } }
variants:
  - { name: full }
  - { name: random pairs, set: { connect.consistency: false } }
  - { name: no noise, set: { connect.completion: false } }
grid: { connect.loss.intra.weight: [0, 1] }
metrics: [{ task: sound-image, metric: mAP }, { task: sound-class, metric: top1 }]
`;
const NAMES = ["full", "random pairs", "no noise", "loss.intra.weight=0", "loss.intra.weight=1"];

beforeAll(async () => {
  await writeWorld(place.folder("emb"));
  writeExperiment(place.path);
  writeFileSync(place.file("small.yaml"), SWEEP);
});
afterAll(() => {
  place.remove();
});

function tableOf(folder: string): SweepTable {
  return JSON.parse(readFileSync(join(folder, "table.json"), "utf8")) as SweepTable;
}

function manifests(folder: string): readonly RunManifest[] {
  return readdirSync(join(folder, "runs"))
    .filter((name) => name !== ".store")
    .flatMap((name) => {
      const path = join(folder, "runs", name, "manifest.json");
      return existsSync(path) ? [JSON.parse(readFileSync(path, "utf8")) as RunManifest] : [];
    });
}

/** How often each output was made over all runs of a sweep: stage and key to count. */
function makings(folder: string): ReadonlyMap<string, number> {
  const made = new Map<string, number>();
  for (const { outputs } of manifests(folder)) {
    for (const { stage, key, fromStore } of outputs) made.set(`${stage} ${key}`, (made.get(`${stage} ${key}`) ?? 0) + (fromStore ? 0 : 1));
  }
  return made;
}

const lastLine = (stdout: string): string => stdout.trimEnd().split("\n").at(-1) ?? "";

describe("a sweep", () => {
  let folder = "";
  let stdout = "";
  let stderr = "";

  beforeAll(async () => {
    ({ stdout, stderr } = await succeed(["sweep", place.file("small.yaml"), "--out", place.file("first"), "--parallel", "2"], { env, limitMs: LIMIT_MS }));
    folder = lastLine(stdout);
  }, LIMIT_MS);

  it("runs two variants at a time, and prints its folder last", () => {
    expect(folder).toBe(place.file("first", "small"));
    expect(stderr).toContain("2 at a time on cpu");
    const begun = stderr.split("\n").filter((line) => line.endsWith(": begins"));
    expect(begun.map((line) => line.replace(": begins", ""))).toEqual(NAMES);
    expect(stderr.indexOf("random pairs: begins")).toBeLessThan(stderr.indexOf("1/5 variants"));
  });

  it("makes each output once, whichever variants want it", () => {
    const runs = manifests(folder);
    expect(runs).toHaveLength(5);
    expect([...makings(folder).values()].every((count) => count === 1)).toBe(true);
    const count = (stage: string) => runs.flatMap(({ outputs }) => outputs).filter((output) => output.stage === stage && !output.fromStore).length;
    // Seven views; two memories for the queries, and at random once with each of two seeds; a training for each variant and seed.
    expect([count("encode"), count("enhance"), count("connect")]).toEqual([7, 2 + 4, 10]);
  });

  it("has a table as JSON, CSV, Markdown and on the terminal, with the same numbers", () => {
    const table = tableOf(folder);
    expect(table).toMatchObject({ complete: true, reference: "full", sweep: "small" });
    expect(table.variants.map(({ name, status }) => [name, status])).toEqual(NAMES.map((name) => [name, "complete"]));
    const [full, random] = table.variants;
    const metrics = JSON.parse(readFileSync(join(folder, "runs", "full", "metrics.json"), "utf8")) as { tasks: { results: Record<string, Record<string, unknown>> }[] };
    expect(full?.results[0]?.estimate).toEqual(metrics.tasks[0]?.results["cmcr"]?.["mAP"]);
    expect(full?.results[0]?.estimate).toMatchObject({ seeds: [expect.any(Number), expect.any(Number)], std: expect.any(Number) });
    expect(random?.results.every(({ difference, estimate }, index) => Math.abs((difference?.value ?? NaN) - ((estimate?.value ?? NaN) - (full?.results[index]?.estimate?.value ?? NaN))) < 1e-9)).toBe(true);
    expect(table.baselines.length).toBeGreaterThan(0);
    const rows = parse(readFileSync(join(folder, "table.csv"), "utf8")) as string[][];
    expect(rows.slice(1, 6).map(([name]) => name)).toEqual(NAMES);
    expect(rows[1]?.[rows[0]?.indexOf("sound-image mAP") ?? -1]).toBe(String(full?.results[0]?.estimate?.value));
    const value = full?.results[0]?.estimate?.value.toFixed(3) ?? "none";
    expect(readFileSync(join(folder, "table.md"), "utf8")).toContain(`| full | ${value} ±`);
    expect(stdout).toMatch(new RegExp(`^full +${value}`, "m"));
    for (const line of stdout.split("\n").slice(0, -2)) expect(line.length).toBeLessThanOrEqual(100);
  });

  it("leaves runs that can be used as any run", async () => {
    const no = join(folder, "runs", "no-noise");
    const embedded = place.file("joint.npy");
    await succeed(["project", no, "--space", "sight", place.file("emb", "images.npy"), "--out", embedded], { env, limitMs: LIMIT_MS });
    expect(existsSync(embedded)).toBe(true);
    const { stderr: said } = await succeed(["evaluate", no, "--task", "sound-image"], { env, limitMs: LIMIT_MS });
    // The store of the sweep is found from the run's folder.
    expect(said).toContain("encode: images in sight: from the store");
    const again = await run([join(no, "experiment.yaml"), "--out", place.file("first"), "--name", "again", ...paths()], { env, limitMs: LIMIT_MS });
    const made = JSON.parse(readFileSync(join(again, "manifest.json"), "utf8")) as RunManifest;
    expect(made.outputs.filter(({ fromStore }) => !fromStore)).toEqual([]);
  }, LIMIT_MS);

  it("that is complete shows its table when it is gone on with, and runs nothing", async () => {
    const { stdout: said } = await succeed(["sweep", "--resume", folder, "--json"], { env });
    const events = jsonLines(said);
    expect(events.map(({ event }) => event)).toEqual(["sweep", "table", "sweep-done"]);
    expect(events[0]).toMatchObject({ variants: 5, finished: 5 });
    expect(events.at(-1)).toMatchObject({ folder, complete: 5, failed: 0 });
  });
});

/** The experiment's files, as an experiment that lies elsewhere names them. */
function paths(): readonly string[] {
  const file = (name: string): string => place.file("emb", name);
  return [
    ["captions.embeddings", `{ sight: ${file("captions-sight.npy")}, hearing: ${file("captions-hearing.npy")} }`],
    ["images.embeddings.sight", file("images.npy")],
    ["sounds.embeddings.hearing", file("sounds.npy")],
    ["test_images", `{ modality: image, embeddings: { sight: ${file("test-images.npy")} }, labels: ${file("test-images-labels.npy")} }`],
    ["test_sounds", `{ modality: audio, embeddings: { hearing: ${file("test-sounds.npy")} }, labels: ${file("test-sounds-labels.npy")} }`],
    ["prompts", `{ modality: text, embeddings: { sight: ${file("prompts.npy")} }, labels: ${file("prompts-labels.npy")} }`],
  ].flatMap(([field, value]) => ["--set", `data.${field}=${value}`]);
}

describe("a sweep after a run", () => {
  it("encodes nothing, by default beside it", async () => {
    const cwd = place.folder("beside");
    await run([place.file("tiny.yaml"), "--set", "connect.epochs=3"], { env, cwd, limitMs: LIMIT_MS });
    const { stdout } = await succeed(["sweep", place.file("small.yaml"), "--set", "seeds=[3]", "--set", "evaluate.1.baselines=[chance]"], { env, cwd, limitMs: LIMIT_MS });
    const folder = lastLine(stdout);
    expect(folder).toBe(join(cwd, "sweeps", "small"));
    const encoded = manifests(folder).flatMap(({ outputs }) => outputs.filter(({ stage }) => stage === "encode"));
    expect(encoded.length).toBe(5 * 7);
    expect(encoded.every(({ fromStore }) => fromStore)).toBe(true);
  }, LIMIT_MS);
});

/** Enough variants and epochs that a signal meets some at work and some that wait. */
const LONG = change(SWEEP, "epochs: 3", "epochs: 30").replace("name: small", "name: long");

interface Progress {
  readonly event: string;
  readonly variant?: string;
  readonly stage?: string;
  readonly pid?: number;
  readonly status?: string;
}

/** Starts a sweep with --json and disturbs it at the first event that `when` accepts. */
async function disturbed(args: readonly string[], when: (event: Progress) => boolean, signal: NodeJS.Signals) {
  const child = start(["sweep", ...args, "--json"], { env, limitMs: LIMIT_MS });
  const workers: number[] = [];
  let since: number | undefined;
  for await (const line of child.iterable({ from: "stdout" })) {
    const event = JSON.parse(line) as Progress;
    if (event.event === "worker" && event.pid !== undefined) workers.push(event.pid);
    if (since === undefined && when(event)) {
      since = performance.now();
      child.kill(signal);
    }
  }
  const result = await child;
  if (since === undefined) throw new Error(`the sweep never came to that point:\n${result.stdout}\n${result.stderr}`);
  return { exitCode: result.exitCode, stdout: result.stdout, ms: performance.now() - since, workers };
}

describe("a sweep that is interrupted", () => {
  const folder = (): string => place.file("interrupted", "long");

  it(
    "stops at Ctrl-C with the table so far, goes on, and comes to what an undisturbed one comes to",
    async () => {
      writeFileSync(place.file("long.yaml"), LONG);
      const stopped = await disturbed([place.file("long.yaml"), "--out", place.file("interrupted"), "--parallel", "2"], ({ event, status }) => event === "variant" && status === "complete", "SIGINT");
      expect(stopped.exitCode).toBe(130);
      expect(jsonLines(stopped.stdout).at(-1)).toEqual({
        event: "error",
        code: 130,
        reason: "INTERRUPTED",
        message: `interrupted; go on with: cmcr sweep --resume ${folder()}`,
        path: folder(),
      });
      for (const worker of stopped.workers) expect(isRunning(worker)).toBe(false);
      expect(place.left()).toEqual([]);
      const table = tableOf(folder());
      expect(table.complete).toBe(false);
      expect(table.variants.some(({ status }) => status === "complete")).toBe(true);
      expect(table.variants.some(({ status }) => status === "interrupted" || status === "pending")).toBe(true);
      expect(readFileSync(join(folder(), "table.md"), "utf8")).toContain("# long (incomplete)");

      await succeed(["sweep", "--resume", folder()], { env, limitMs: LIMIT_MS });
      expect(tableOf(folder()).complete).toBe(true);
      expect([...makings(folder()).values()].every((count) => count <= 1)).toBe(true);

      const { stdout } = await succeed(["sweep", place.file("long.yaml"), "--out", place.file("undisturbed"), "--parallel", "1"], { env, limitMs: LIMIT_MS });
      const results = (path: string) => tableOf(path).variants.map(({ name, results: all }) => [name, all]);
      expect(results(folder())).toEqual(results(lastLine(stdout)));
    },
    2 * LIMIT_MS,
  );

  it(
    "can be killed again and again, and completes",
    async () => {
      const out = place.file("killed");
      const killed = join(out, "small");
      const points: ((event: Progress) => boolean)[] = [
        ({ event }) => event === "sweep",
        ({ event, stage }) => event === "stage" && stage === "encode",
        ({ event, stage }) => event === "stage-end" && stage === "enhance",
        ({ event, status }) => event === "variant" && status === "complete",
      ];
      for (const [index, point] of points.entries()) {
        const args = index === 0 ? [place.file("small.yaml"), "--out", out, "--parallel", "2"] : ["--resume", killed];
        const { workers } = await disturbed(args, point, "SIGKILL");
        for (const worker of workers) expect(await within(5_000, () => !isRunning(worker))).toBe(true);
      }
      await succeed(["sweep", "--resume", killed], { env, limitMs: LIMIT_MS });
      expect(tableOf(killed).complete).toBe(true);
      expect(readdirSync(join(killed, "runs")).sort()).toEqual([".store", "full", "loss.intra.weight-0", "loss.intra.weight-1", "no-noise", "random-pairs"]);
      expect(readdirSync(killed).filter((name) => name.startsWith("claim-"))).toEqual([]);
    },
    2 * LIMIT_MS,
  );
});

describe("a variant that fails", () => {
  /** A learning rate at which the loss is no number after a few steps. */
  const FAILING = SWEEP.replace("name: small", "name: failing")
    .replace(/grid: .*\n/, "")
    .replace("  - { name: no noise, set: { connect.completion: false } }", '  - { name: too fast, set: { connect.optimizer.lr: 1.0e+30 } }\n  - { name: no noise, set: { connect.completion: false } }');

  it(
    "stops the sweep, with its reason in the table, and is tried again when it goes on",
    async () => {
      writeFileSync(place.file("failing.yaml"), FAILING);
      const out = place.file("failing");
      const outcome = await cmcr(["sweep", place.file("failing.yaml"), "--out", out, "--parallel", "1"], { env, limitMs: LIMIT_MS });
      expectRefusal(outcome, 5, 'the variant "too fast" failed:', "2 of 4 variants are finished", `Go on with: cmcr sweep --resume ${join(out, "failing")}`);
      const table = tableOf(join(out, "failing"));
      expect(table.variants.map(({ status }) => status)).toEqual(["complete", "complete", "failed", "pending"]);
      expect(table.variants[2]?.error).toContain("not finite");
      expect(table.notes.join("\n")).toContain("too fast failed: ");

      const again = await cmcr(["sweep", "--resume", join(out, "failing"), "--keep-going", "--json"], { env, limitMs: LIMIT_MS });
      expect(again.exitCode).toBe(5);
      expect(jsonLines(again.stdout).at(-1)).toMatchObject({ event: "error", code: 5, reason: "NON_FINITE", path: join(out, "failing") });
      expect(tableOf(join(out, "failing")).variants.map(({ status }) => status)).toEqual(["complete", "complete", "failed", "complete"]);
      const events = jsonLines(again.stdout);
      expect(events.filter(({ event, variant }) => event === "stage" && variant === "no noise").map(({ stage }) => stage)).toEqual(["encode", "enhance", "connect", "evaluate"]);
      expect(events.filter(({ event, variant }) => event === "run" && variant === "full")).toEqual([]);
    },
    LIMIT_MS,
  );
});

describe("a wrong sweep", () => {
  const file = (text: string): string => {
    writeFileSync(place.file("wrong.yaml"), text);
    return place.file("wrong.yaml");
  };

  it.each([
    ["a mistake of a variant", change(SWEEP, "connect.completion: false", "connect.completon: false"), 2, /wrong\.yaml:9:49 \(variant "no noise"\) connect\.completon: expected one of the fields .* Did you mean "completion"\?/],
    ["an experiment that is not there", change(SWEEP, "tiny.yaml", "none.yaml"), 2, /wrong\.yaml:3:13 experiment: .*none\.yaml: expected an experiment file, but there is no such file/],
    ["data that one variant names and that are not there", change(SWEEP, "connect.completion: false", "data.images.embeddings.sight: none.npy"), 3, /wrong\.yaml:9:60 \(variant "no noise"\) data\.images\.embeddings\.sight: .*none\.npy/],
    ["a field of its own that is unknown", SWEEP.replace("seeds:", "seed:"), 2, /wrong\.yaml:4:1 seed: expected one of the fields .* Did you mean "seeds"\?/],
  ])("%s is refused before anything runs", async (_what, text, code, message) => {
    const path = file(text);
    for (const command of ["sweep", "validate"]) {
      const outcome = await cmcr([command, path, ...(command === "sweep" ? ["--out", place.file("never")] : [])], { env });
      expectRefusal(outcome, code, message);
    }
    expect(existsSync(place.file("never"))).toBe(false);
  });

  it.each([
    [["sweep"], "name a sweep file"],
    [["sweep", "tiny.yaml"], "expected a sweep, which names an experiment to vary, found an experiment. Run it with: cmcr run tiny.yaml"],
    [["run", "small.yaml"], "expected an experiment, found a sweep. Run it with: cmcr sweep small.yaml"],
    [["sweep", "small.yaml", "--parallel", "0"], '--parallel: expected auto or a whole number of at least 1, found "0"'],
    [["sweep", "small.yaml", "--name", "../x"], "--name: expected letters"],
    [["sweep", "small.yaml", "--set", "connect.epoch=1"], '--set connect.epoch=1 connect.epoch: expected one of the fields'],
    [["sweep", "--resume", "emb"], 'emb is not a sweep: it has no sweep.resolved.json'],
    [["sweep", "--resume", "x", "--name", "y"], "--resume goes on with a sweep as it was begun"],
  ])("%j is refused", async (args, message) => {
    expectRefusal(await cmcr(args, { env, cwd: place.path }), 2, message);
  });

  it("is told of, and a right one described, by validate", async () => {
    const { stdout } = await succeed(["validate", "small.yaml", "--set", "connect.batchSize=100"], { env, cwd: place.path });
    expect(stdout).toContain("sweep       small: 5 variants compared with full");
    expect(stdout).toContain("variant     random pairs: connect.consistency=false\n");
    expect(stdout).toContain("batches of 100");
    const { stdout: json } = await succeed(["validate", "small.yaml", "--json"], { env, cwd: place.path });
    expect(jsonLines(json)[0]).toMatchObject({ event: "valid", sweep: { name: "small", variants: [{ name: "full" }, {}, {}, {}, {}] } });
    rmSync(place.file("never"), { recursive: true, force: true });
  });
});
