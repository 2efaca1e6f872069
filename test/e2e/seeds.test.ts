import { cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { readNpy } from "../../src/data/npy.js";
import type { BootstrapFile } from "../../src/evaluate/bootstrapFile.js";
import type { MetricsFile, TaskMetrics } from "../../src/evaluate/metricsFile.js";
import { runDifference } from "../../src/evaluate/runDifference.js";
import { cmcr, expectRefusal, run, succeed, Workplace } from "./support/cli.js";
import { manifestOf, projectorsOf, sha256 } from "./support/runFolder.js";
import { change, EXPERIMENT, writeExperiment, writeWorld } from "./support/world.js";

const place = new Workplace();
const out = place.file("runs");
const { env } = place;
const SEEDS = [3, 4, 7];
let folder = "";
let single = "";
let told = "";

beforeAll(async () => {
  await writeWorld(place.folder("emb"));
  const { stdout, stderr } = await succeed(["run", writeExperiment(place.path, change(EXPERIMENT, "seed: 3", "seeds: [3, 4, 7]")), "--out", out], { env });
  folder = stdout.trimEnd().split("\n").at(-1) ?? "";
  told = `${stdout}\n${stderr}`;
  single = await run([writeExperiment(place.path, change(EXPERIMENT, "seed: 3", "seed: 4"), "single.yaml"), "--out", out, "--name", "single"], { env });
});
afterAll(() => {
  place.remove();
});

function json<T>(path: string, name: string): T {
  return JSON.parse(readFileSync(join(path, name), "utf8")) as T;
}
const metricsFile = (path: string) => json<MetricsFile>(path, "metrics.json");
const bootstrapFile = (path: string) => json<BootstrapFile>(path, "bootstrap.json");

function task(path: string, name = "sound-image"): TaskMetrics {
  const found = metricsFile(path).tasks.find((each) => each.name === name);
  if (found === undefined) throw new Error(`${path} has no ${name}`);
  return found;
}

/** Names of the evaluation's outputs that were made, and not taken from the store, sorted: two are in hand at a time. */
function measured(path: string): readonly string[] {
  return manifestOf(path).outputs.flatMap(({ stage, output, fromStore }) => (stage === "evaluate" && !fromStore ? [output] : [])).sort();
}

describe("a run with several seeds", () => {
  it("has the projectors and the log of each, the first seed's where they always are", () => {
    const { files, seed, seeds } = json<{ files: Record<string, string>; seed: number; seeds: readonly number[] }>(folder, "manifest.json");
    expect([seed, seeds]).toEqual([3, SEEDS]);
    const projectors = ["projectors.safetensors", "seeds/4/projectors.safetensors", "seeds/7/projectors.safetensors"];
    for (const name of projectors) {
      expect(files[name]).toBe(sha256(join(folder, name)));
      const log = name.replace("projectors.safetensors", "train.jsonl");
      expect(files[log]).toBe(sha256(join(folder, log)));
    }
    expect(new Set(projectors.map((name) => files[name])).size).toBe(3);
    expect(files["bootstrap.json"]).toBe(sha256(join(folder, "bootstrap.json")));
    expect(existsSync(join(folder, "seeds", "3"))).toBe(false);
  });

  it("makes all that no seed changes once, and what a run with one of them needs besides not at all", () => {
    const stages = (path: string) => manifestOf(path).stages.map(({ stage, made, fromStore }) => [stage, made, fromStore]);
    // Three trainings; in each task three measurements of the projectors and one of each baseline.
    expect(stages(folder)).toEqual([["encode", 7, 0], ["enhance", 2, 0], ["connect", 3, 0], ["evaluate", 9, 0]]);
    expect(stages(single)).toEqual([["encode", 0, 7], ["enhance", 0, 2], ["connect", 0, 1], ["evaluate", 0, 5]]);
    expect(projectorsOf(single)).toBe(sha256(join(folder, "seeds", "4", "projectors.safetensors")));
  });

  it("has means over the seeds, with their standard deviation and each value", () => {
    expect(metricsFile(folder)).toMatchObject({ seed: 3, seeds: SEEDS });
    expect(metricsFile(single)).not.toHaveProperty("seeds");
    for (const estimates of [task(folder).results["cmcr"], task(folder).reverse?.["cmcr"], task(folder, "sound-class").results["cmcr"]]) {
      for (const { value, std, seeds = [] } of Object.values(estimates ?? {})) {
        expect(seeds).toHaveLength(3);
        const mean = seeds.reduce((sum, own) => sum + own, 0) / 3;
        expect(value).toBeCloseTo(mean, 12);
        expect(std).toBeCloseTo(Math.sqrt(seeds.reduce((sum, own) => sum + (own - mean) ** 2, 0) / 2), 12);
      }
    }
    const own = task(folder).results["cmcr"]?.["mAP"];
    expect(own?.seeds?.[1]).toBe(task(single).results["cmcr"]?.["mAP"]?.value);
    expect(task(single).results["cmcr"]?.["mAP"]).not.toHaveProperty("std");
    expect(task(folder).results["procrustes+gap"]).toEqual(task(single).results["procrustes+gap"]);
    expect(task(folder).differences.results["pivot-soft"]?.["mAP"]?.seeds).toHaveLength(3);
  });

  it("says how many seeds, names them as it goes, and shows their spread", () => {
    for (const text of ["seed 4", "seed 7", "sound-image by cmcr, seed 3", "cmcr was trained with 3 seeds", "±: standard deviation over 3 seeds", "of 3 seeds)"]) expect(told).toContain(text);
  });

  it("leaves what it was resampled to, by which other runs are compared with it", () => {
    const [several, one] = [bootstrapFile(folder), bootstrapFile(single)];
    expect(several).toMatchObject({ schemaVersion: 1, seeds: SEEDS });
    const own = several.tasks["sound-image"];
    const other = one.tasks["sound-image"];
    if (own === undefined || other === undefined) throw new Error("the task is missing");
    expect([own.draws, own.reverseDraws]).toEqual(["200/200/0", "200/200/0"]);
    expect(own.results["mAP"]).toHaveLength(200);
    expect(own.values.results["mAP"]).toEqual(task(folder).results["cmcr"]?.["mAP"]?.seeds);
    expect(own.truth).toBe(other.truth);
    const { results, notices } = runDifference(own, other);
    expect(results["mAP"]?.value).toBeCloseTo((task(folder).results["cmcr"]?.["mAP"]?.value ?? NaN) - (task(single).results["cmcr"]?.["mAP"]?.value ?? NaN), 12);
    expect(notices).toHaveLength(1);
    const sorted = (own.results["mAP"] ?? []).map(Number).sort((a, b) => a - b);
    const [low = NaN, high = NaN] = task(folder).results["cmcr"]?.["mAP"]?.ci95 ?? [];
    expect(sorted.filter((value) => value < low || value > high).length).toBeLessThanOrEqual(10);
  });

  it("tells the classes apart", () => {
    const { classes = [], confusion, results } = task(folder, "sound-class");
    expect(classes).toHaveLength(10);
    expect(classes.reduce((sum, { items }) => sum + items, 0)).toBe(200);
    const recalls = classes.map(({ recall }) => recall["cmcr"] ?? NaN);
    expect(recalls.reduce((sum, value) => sum + value, 0) / 10).toBeCloseTo(results["cmcr"]?.["meanPerClassRecall"]?.value ?? NaN, 12);
    expect(Object.keys(classes[0]?.recall ?? {})).toEqual(["cmcr", "procrustes"]);
    const rows = confusion as readonly (readonly number[])[];
    expect(rows.map((row) => row.reduce((sum, count) => sum + count, 0))).toEqual(classes.map(({ items }) => 3 * items));
    expect(rows.reduce((sum, row, own) => sum + (row[own] ?? 0), 0) / 600).toBeCloseTo(results["cmcr"]?.["top1"]?.value ?? NaN, 12);
  });
});

describe("what was measured", () => {
  it("is not measured anew for other cut-offs, intervals or baselines", async () => {
    const sets = ["evaluate.0.ks=[1, 2, 10]", "evaluate.0.bootstrap.resamples=50", "evaluate.1.bootstrap.seed=5", "evaluate.1.name=other", "evaluate.0.baselines=[chance, pivot-soft]"];
    const changed = await run([join(place.path, "single.yaml"), "--out", out, "--name", "cut", ...sets.flatMap((set) => ["--set", set])], { env });
    expect(measured(changed)).toEqual([]);
    expect(Object.keys(task(changed).results["cmcr"] ?? {})).toEqual(["R@1", "R@2", "R@10", "mAP", "MRR", "medianRank"]);
  });

  it("of the baselines is the same whatever is trained beside them", async () => {
    const other = await run([join(place.path, "single.yaml"), "--out", out, "--name", "longer", "--set", "connect.epochs=3"], { env });
    expect(measured(other)).toEqual(["sound-class by cmcr", "sound-image by cmcr"]);
  });

  it("of a baseline follows what it is fitted on, and nothing else", async () => {
    // A memory matters to procrustes+gap, to pivot-soft and to procrustes it does not.
    const other = await run([join(place.path, "single.yaml"), "--out", out, "--name", "memory", "--set", "data.sounds.embeddings.hearing=emb/test-sounds.npy"], { env });
    expect(measured(other)).toEqual(["sound-class by cmcr", "sound-image by cmcr", "sound-image by procrustes+gap"]);
  });

  it("with pairs drawn at random is another draw for each seed", async () => {
    const text = change(change(EXPERIMENT, "seed: 3", "seeds: [3, 4]"), "consistency: { temperature: 0.05 }", "consistency: false");
    const random = await run([writeExperiment(place.path, text, "random.yaml"), "--out", out, "--name", "random"], { env });
    const pairs = manifestOf(random).outputs.filter(({ stage }) => stage === "enhance");
    expect(pairs).toHaveLength(4);
    expect(new Set(pairs.map(({ files }) => files["embeddings.npy"])).size).toBe(4);
    const trained = manifestOf(random).outputs.filter(({ stage }) => stage === "connect").map(({ inputs }) => inputs["pseudo"]);
    expect(trained[0]).not.toEqual(trained[1]);
  });
});

describe("one seed of several", () => {
  const project = (name: string, ...more: readonly string[]) => ["project", folder, place.file("emb", "test-sounds.npy"), "--space", "hearing", "--out", place.file(name), ...more];

  it("is chosen by --seed, and is the first without it", async () => {
    await succeed(project("first.npy"), { env });
    await succeed(project("named.npy", "--seed", "3"), { env });
    await succeed(project("fourth.npy", "--seed", "4"), { env });
    await succeed(["project", single, ...project("single.npy").slice(2)], { env });
    const rows = async (name: string) => Array.from((await readNpy(place.file(name))).data as Float32Array);
    expect(await rows("first.npy")).toEqual(await rows("named.npy"));
    expect(await rows("fourth.npy")).toEqual(await rows("single.npy"));
    expect(await rows("fourth.npy")).not.toEqual(await rows("first.npy"));
  });

  it("is exported", async () => {
    await succeed(["export", folder, "--format", "safetensors", "--out", place.file("exported"), "--seed", "7"], { env });
    expect(sha256(place.file("exported", "projectors.safetensors"))).toBe(sha256(join(folder, "seeds", "7", "projectors.safetensors")));
  });

  it.each([
    ["project", () => project("no.npy", "--seed", "5")],
    ["export", () => ["export", folder, "--format", "safetensors", "--out", place.file("no"), "--seed", "5"]],
    ["evaluate", () => ["evaluate", folder, "--seed", "5"]],
  ] as const)("that there is not is refused by %s", async (_what, args) => {
    expectRefusal(await cmcr(args(), { env }), 2, "--seed: the run was trained with the seeds 3, 4, 7", 'found "5"');
  });

  it("is evaluated by itself without a trace in the run", async () => {
    const before = readFileSync(join(folder, "metrics.json"), "utf8");
    const { stdout } = await succeed(["evaluate", folder, "--seed", "4", "--json"], { env });
    const event = stdout.split("\n").map((line) => (line === "" ? {} : (JSON.parse(line) as { event?: string; metrics?: MetricsFile }))).find((each) => each.event === "metrics");
    expect(event?.metrics?.tasks[0]?.results).toEqual(task(single).results);
    expect(readFileSync(join(folder, "metrics.json"), "utf8")).toBe(before);
  });

  it("is one of all when the run is evaluated again", async () => {
    const copy = join(out, "copy");
    cpSync(folder, copy, { recursive: true });
    await succeed(["evaluate", copy, "--task", "sound-class"], { env });
    expect(metricsFile(copy)).toEqual(metricsFile(folder));
    expect(bootstrapFile(copy)).toEqual({ ...bootstrapFile(folder), run: "copy" });
    expect(manifestOf(copy).files["bootstrap.json"]).toBe(sha256(join(copy, "bootstrap.json")));
  });

  it("is refused when its projectors were changed", async () => {
    const copy = join(out, "damaged");
    cpSync(folder, copy, { recursive: true });
    cpSync(join(copy, "seeds", "4", "projectors.safetensors"), join(copy, "seeds", "7", "projectors.safetensors"));
    expectRefusal(await cmcr(["evaluate", copy], { env }), 3, "seeds/7/projectors.safetensors does not match the manifest");
  });
});
