import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { cmcr, jsonLines, type Outcome, run, runNames, succeed, Workplace } from "./support/cli.js";
import { isRunning } from "./support/processes.js";
import { manifestOf, metric, metricsOf, projectorsOf, safetensorsHeader, sha256, stepsOf } from "./support/runFolder.js";
import { COUNTS, DIMENSIONS, EXPERIMENT, writeExperiment, writeWorld } from "./support/world.js";

const place = new Workplace();
const out = place.file("runs");
const { env } = place;
let experiment = "";
let first: Outcome;
let folder = "";

beforeAll(async () => {
  await writeWorld(place.folder("emb"));
  experiment = writeExperiment(place.path);
  first = await succeed(["run", experiment, "--out", out], { env });
  folder = join(out, "tiny");
});
afterAll(() => {
  place.remove();
});

describe("a run", () => {
  it("prints its folder last, a table of each task before, and progress apart from both", () => {
    const lines = first.stdout.trimEnd().split("\n");
    expect(lines.at(-1)).toBe(folder);
    for (const name of ["sound-image", "sound-class", "cmcr", "procrustes+gap", "meanPerClassRecall"]) expect(first.stdout).toContain(name);
    for (const stage of ["encode", "enhance", "connect", "evaluate"]) expect(first.stderr).toMatch(new RegExp(`^${stage}: `, "m"));
  });

  it("has every file, and nothing half-written", () => {
    expect(readdirSync(folder).sort()).toEqual(
      expect.arrayContaining(["experiment.resolved.json", "experiment.yaml", "manifest.json", "metrics.json", "projectors.safetensors", "state.json", "train.jsonl"]),
    );
    expect(readdirSync(folder).filter((name) => name.includes("part"))).toEqual([]);
    expect(readdirSync(join(out, ".store", "pending"))).toEqual([]);
    expect(readFileSync(join(folder, "experiment.yaml"), "utf8")).toBe(EXPERIMENT);
    expect(JSON.parse(readFileSync(join(folder, "state.json"), "utf8"))).toMatchObject({ status: "complete", run: "tiny" });
  });

  it("keeps the experiment with every default filled in", () => {
    const resolved = JSON.parse(readFileSync(join(folder, "experiment.resolved.json"), "utf8")) as Record<string, unknown>;
    expect(resolved).toMatchObject({
      version: 1,
      name: "tiny",
      seed: 3,
      worker: { device: "cpu", threads: 1, decoders: null, address: null },
      connect: { lastBatch: "drop", projector: { dim: null, initialization: "default", batchNorm: "together" }, optimizer: { betas: [0.9, 0.999], epsilon: 1e-8 } },
    });
  });

  it("ends its worker and leaves no socket", () => {
    expect(isRunning(manifestOf(folder).worker["pid"] as number)).toBe(false);
    expect(place.left()).toEqual([]);
  });
});

describe("metrics.json", () => {
  it("has the promised shape and names", () => {
    const metrics = metricsOf(folder);
    expect(metrics).toMatchObject({ schemaVersion: 1, run: "tiny", seed: 3 });
    const [retrieval, classification] = metrics.tasks;
    expect(retrieval).toMatchObject({ name: "sound-image", task: "retrieval", queries: COUNTS.test, gallery: COUNTS.test });
    expect(classification).toMatchObject({ name: "sound-class", task: "classification", queries: COUNTS.test, gallery: 10 });
    const methods = ["cmcr", "chance", "pivot-soft", "procrustes+gap"];
    expect(Object.keys(retrieval?.results ?? {})).toEqual(methods);
    expect(Object.keys(retrieval?.reverse ?? {})).toEqual(methods);
    for (const results of [retrieval?.results, retrieval?.reverse]) {
      for (const method of methods) expect(Object.keys(results?.[method] ?? {})).toEqual(["R@1", "R@5", "mAP", "MRR", "medianRank"]);
    }
    for (const method of ["cmcr", "chance", "procrustes"]) {
      expect(Object.keys(classification?.results[method] ?? {})).toEqual(["top1", "top3", "top5", "meanPerClassRecall"]);
    }
  });

  it("has fractions, with intervals around them", () => {
    for (const { results, reverse } of metricsOf(folder).tasks) {
      for (const methods of [results, reverse ?? {}]) {
        for (const [name, { value, ci95 }] of Object.values(methods).flatMap((estimates) => Object.entries(estimates))) {
          expect(ci95[0]).toBeLessThanOrEqual(value);
          expect(ci95[1]).toBeGreaterThanOrEqual(value);
          if (name !== "medianRank") expect(value).toBeLessThanOrEqual(1);
          expect(value).toBeGreaterThanOrEqual(0);
        }
      }
    }
  });

  it("says that connecting works: far above chance, both ways round and in classes", () => {
    const chance = metric(folder, "sound-image", "mAP", "chance");
    expect(chance).toBeLessThan(0.2);
    expect(metric(folder, "sound-image", "mAP")).toBeGreaterThan(chance + 0.4);
    expect(metricsOf(folder).tasks[0]?.reverse?.["cmcr"]?.["mAP"]?.value).toBeGreaterThan(chance + 0.4);
    expect(metric(folder, "sound-class", "top1")).toBeGreaterThan(metric(folder, "sound-class", "top1", "chance") + 0.4);
  });
});

describe("manifest.json", () => {
  it("tells versions, the worker and its device, seeds and times", () => {
    const manifest = manifestOf(folder);
    expect(manifest).toMatchObject({ run: "tiny", status: "complete", seed: 3, seeds: [3] });
    expect(manifest.cmcr).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+\.\d+/) as string, node: process.version });
    expect(manifest.cmcr).toHaveProperty("gitRevision");
    expect(manifest.worker).toMatchObject({ protocolVersion: 1, device: "cpu", threads: 1 });
    for (const field of ["workerVersion", "gitRevision", "pythonVersion", "torchVersion", "cudaVersion", "deviceName"]) expect(typeof manifest.worker[field]).toBe("string");
    expect(Date.parse(manifest.finishedAt)).toBeGreaterThan(Date.parse(manifest.startedAt));
    expect(manifest.stages.map(({ stage }) => stage)).toEqual(["encode", "enhance", "connect", "evaluate"]);
    for (const { seconds } of manifest.stages) expect(seconds).toBeGreaterThan(0);
    expect(manifest.stages.map(({ made, fromStore }) => [made, fromStore])).toEqual([[7, 0], [2, 0], [1, 0], [5, 0]]);
  });

  it("has the checksum of every input and output", () => {
    const manifest = manifestOf(folder);
    const known = JSON.stringify(manifest.outputs.map(({ inputs }) => inputs));
    for (const name of readdirSync(place.file("emb"))) {
      if (name === "relevance.json") continue;
      expect(known, name).toContain(sha256(place.file("emb", name)));
    }
    for (const name of ["experiment.yaml", "experiment.resolved.json", "metrics.json", "bootstrap.json", "train.jsonl", "projectors.safetensors"]) {
      expect(manifest.files[name], name).toBe(sha256(join(folder, name)));
    }
    for (const { files } of manifest.outputs) for (const checksum of Object.values(files)) expect(checksum).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("train.jsonl", () => {
  it("has a line for each step: terms, gradients, schedule, time", () => {
    const steps = stepsOf(folder);
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 40 }, (_, step) => step));
    expect(steps.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 40 }, (_, step) => Math.floor(step / 4)));
    for (const [number, step] of steps.entries()) {
      expect(step["learningRate"]).toBeCloseTo((3e-3 * (1 + Math.cos((Math.PI * number) / 40))) / 2, 12);
      expect(step).toMatchObject({ noiseVariance: 0.004, overlapWeight: 1, overlapTemperature: 0.1, pseudoWeight: 1, pseudoTemperature: 0.1, intraWeight: 0.1, weightDecay: 0.01 });
      expect(Object.keys(step.gradientNorm)).toEqual(["sight", "hearing"]);
      for (const norm of Object.values(step.gradientNorm)) expect(norm).toBeGreaterThan(0);
      expect(step["seconds"]).toBeGreaterThan(0);
      const { overlap = NaN, pseudo = NaN, intra = NaN } = step;
      expect(step["loss"]).toBeCloseTo(overlap + pseudo + 0.1 * intra, 4);
    }
    expect(steps.at(-1)?.["loss"]).toBeLessThan((steps[0]?.["loss"] ?? 0) - 1);
  });
});

describe("projectors.safetensors", () => {
  it("names its layers by space, and says of which architecture they are", () => {
    const { shapes, metadata } = safetensorsHeader(join(folder, "projectors.safetensors"));
    for (const [space, dim] of Object.entries(DIMENSIONS)) {
      expect(shapes[`${space}.net1.0.weight`]).toEqual([2 * dim, dim]);
      expect(shapes[`${space}.net2.0.weight`]).toEqual([DIMENSIONS.hearing, 2 * dim]);
    }
    expect(Object.keys(shapes).every((name) => name.startsWith("sight.") || name.startsWith("hearing."))).toBe(true);
    expect(JSON.parse(metadata["cmcr"] ?? "")).toMatchObject({
      outputDim: DIMENSIONS.hearing,
      sides: [
        { space: "sight", preset: "audio-visual", inputDim: DIMENSIONS.sight },
        { space: "hearing", preset: "audio-visual", inputDim: DIMENSIONS.hearing },
      ],
    });
  });
});

describe("the same file again", () => {
  it("gets a name of its own, and takes everything from the store", async () => {
    const again = await run([experiment, "--out", out], { env });
    expect(again).toBe(join(out, "tiny-2"));
    expect(manifestOf(again).stages.map(({ made }) => made)).toEqual([0, 0, 0, 0]);
    expect(manifestOf(again).outputs.every(({ fromStore }) => fromStore)).toBe(true);
    expect(projectorsOf(again)).toBe(projectorsOf(folder));
    expect(metricsOf(again)).toEqual({ ...metricsOf(folder), run: "tiny-2" });
    expect(runNames(out)).toEqual(["tiny", "tiny-2"]);
  });

  it("gives the same projectors and metrics when everything is made anew", async () => {
    const fresh = await run([experiment, "--out", out, "--name", "anew", "--fresh"], { env });
    expect(fresh).toBe(join(out, "anew"));
    expect(manifestOf(fresh).stages.map(({ fromStore }) => fromStore)).toEqual([0, 0, 0, 0]);
    expect(projectorsOf(fresh)).toBe(projectorsOf(folder));
    expect(metricsOf(fresh)).toEqual({ ...metricsOf(folder), run: "anew" });
    const measured = (path: string) => stepsOf(path).map(({ seconds: _seconds, ...step }) => step);
    expect(measured(fresh)).toEqual(measured(folder));
  });

  it("makes a damaged output of the store again, and says so", async () => {
    const entries = join(out, ".store", "connect");
    const [entry = ""] = readdirSync(entries);
    writeFileSync(join(entries, entry, "projectors.safetensors"), "no projectors");
    const { stderr } = await succeed(["run", experiment, "--out", out, "--name", "mended"], { env });
    expect(stderr).toMatch(/^warning: .* is damaged/m);
    expect(projectorsOf(join(out, "mended"))).toBe(projectorsOf(folder));
    expect(manifestOf(join(out, "mended")).stages.map(({ made }) => made)).toEqual([0, 0, 1, 0]);
  });
});

describe("--json", () => {
  it("writes events and nothing else to standard output", async () => {
    const { stdout } = await succeed(["run", experiment, "--out", out, "--json", "--name", "told", "--set", "connect.epochs=2"], { env });
    const events = jsonLines(stdout);
    const kinds = events.map(({ event }) => event);
    expect(kinds[0]).toBe("warning");
    expect(kinds.slice(1, 3)).toEqual(["run", "worker"]);
    expect(kinds.at(-1)).toBe("done");
    expect(events.at(-1)).toMatchObject({ run: "told", folder: join(out, "told") });
    for (const kind of ["stage", "stage-end"]) {
      expect(events.filter(({ event }) => event === kind).map(({ stage }) => stage)).toEqual(["encode", "enhance", "connect", "evaluate"]);
    }
    expect(events.findLast(({ event, stage }) => event === "progress" && stage === "connect")).toMatchObject({ done: 8, total: 8, unit: "steps", note: expect.stringMatching(/^loss /) as string });
    expect(events.find(({ event }) => event === "metrics")?.["metrics"]).toEqual(metricsOf(join(out, "told")));
  });

  it("ends with the error of a failure, which is the only line of its kind", async () => {
    const { exitCode, stdout, stderr } = await cmcr(["run", experiment, "--out", out, "--json", "--set", "connect.batchSize=100000"], { env });
    expect(exitCode).toBe(2);
    const events = jsonLines(stdout);
    expect(events.at(-1)).toMatchObject({ event: "error", code: 2, reason: "IMPOSSIBLE_VALUE", path: "connect.batchSize" });
    expect(events.filter(({ event }) => event === "error")).toHaveLength(1);
    expect(stderr).toBe("");
    expect(existsSync(join(out, "tiny-3"))).toBe(false);
  });
});
