import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { run, Workplace } from "./support/cli.js";
import { writeFloat16, writeSafetensors } from "./support/npyBytes.js";
import { manifestOf, metric, metricsOf, projectorsOf, safetensorsHeader, stepsOf } from "./support/runFolder.js";
import { startWorker, type SharedWorker } from "./support/sharedWorker.js";
import { CLASSES, DIMENSIONS, writeExperiment, writeWorld } from "./support/world.js";

const place = new Workplace();
const out = place.file("runs");
const { env } = place;
let experiment = "";
let worker: SharedWorker;
/** The experiment as it stands, by the shared worker. */
let plain = "";

/** Runs the experiment with fields changed; the run's folder. */
async function variant(name: string, ...fields: readonly string[]): Promise<string> {
  return run([experiment, "--out", out, "--name", name, ...worker.use, ...fields.flatMap((field) => ["--set", field])], { env });
}

beforeAll(async () => {
  await writeWorld(place.folder("emb"));
  experiment = writeExperiment(place.path);
  worker = await startWorker(place, `unix:${place.file("worker.sock")}`, [place.path]);
  plain = await variant("plain");
});
afterAll(async () => {
  expect(await worker.stop()).toBe(130);
  place.remove();
});

const mAP = (folder: string) => metric(folder, "sound-image", "mAP");
const chance = () => metric(plain, "sound-image", "mAP", "chance");

describe("a worker at an address", () => {
  it("gives the same bytes as one that is started for the run", async () => {
    const own = await run([experiment, "--out", place.file("own")], { env });
    expect(projectorsOf(own)).toBe(projectorsOf(plain));
    expect(metricsOf(own).tasks).toEqual(metricsOf(plain).tasks);
  });

  it("is sent the embeddings where it shares no files, with the same result", async () => {
    const remote = await startWorker(place, "127.0.0.1:0", []);
    try {
      const folder = await run([experiment, "--out", place.file("remote"), ...remote.use], { env });
      expect(projectorsOf(folder)).toBe(projectorsOf(plain));
      expect(metricsOf(folder).tasks).toEqual(metricsOf(plain).tasks);
    } finally {
      await remote.stop();
    }
  });
});

describe("--set", () => {
  it("changes a field, which takes only what depends on it anew", async () => {
    const folder = await variant("longer", "connect.epochs=12");
    expect(stepsOf(folder)).toHaveLength(48);
    expect(manifestOf(folder).stages.map(({ made }) => made)).toEqual([0, 0, 1, 2]);
  });

  it("changes the seed, and with it the projectors", async () => {
    const folder = await variant("seeded", "seed=4");
    expect(metricsOf(folder).seed).toBe(4);
    expect(projectorsOf(folder)).not.toBe(projectorsOf(plain));
    expect(mAP(folder)).toBeGreaterThan(chance() + 0.4);
  });
});

describe("each part of the method can be switched off", () => {
  it.each([
    ["overlap", "connect.loss.overlap=false"],
    ["pseudo", "connect.loss.pseudo=false"],
    ["intra", "connect.loss.intra=false"],
  ])("the term %s of the loss", async (term, field) => {
    const folder = await variant(`without-${term}`, field);
    for (const step of stepsOf(folder)) {
      expect(step[term]).toBeNull();
      expect(step[`${term}Weight`]).toBe(0);
    }
    expect(mAP(folder)).toBeGreaterThan(chance() + 0.2);
  });

  it("both terms that use pseudo items, so that none are made", async () => {
    const folder = await variant("without-items", "connect.loss.pseudo=false", "connect.loss.intra=false");
    expect(manifestOf(folder).stages[1]).toMatchObject({ stage: "enhance", made: 0, fromStore: 0 });
    expect(stepsOf(folder).every(({ loss, overlap }) => loss === overlap)).toBe(true);
  });

  it("completion: no noise", async () => {
    const folder = await variant("without-noise", "connect.completion=false");
    expect(stepsOf(folder).every(({ noiseVariance }) => noiseVariance === 0)).toBe(true);
    expect(projectorsOf(folder)).not.toBe(projectorsOf(plain));
  });

  it("consistency: memory items at random, which is clearly worse", async () => {
    const folder = await variant("at-random", "connect.consistency=false");
    const enhanced = manifestOf(folder).outputs.filter(({ stage }) => stage === "enhance");
    expect(enhanced.map(({ inputs }) => inputs["kind"])).toEqual(["random", "random"]);
    expect(mAP(folder)).toBeLessThan(mAP(plain) - 0.05);
  });
});

describe("projectors", () => {
  it("are the paper's 3D heads", async () => {
    const folder = await variant("three-d", "connect.projector.preset=three-d");
    const { metadata } = safetensorsHeader(join(folder, "projectors.safetensors"));
    expect(JSON.parse(metadata["cmcr"] ?? "")).toMatchObject({ sides: [{ preset: "three-d" }, { preset: "three-d" }] });
    expect(mAP(folder)).toBeGreaterThan(chance());
  });

  it("have explicit layers, a list for each space, and a joint dimension", async () => {
    const folder = await variant(
      "layers",
      "connect.projector={ layers: { sight: [{ linear: 40 }, batchnorm, gelu, { linear: joint }], hearing: [{ linear: joint }] }, dim: 12 }",
    );
    const { shapes } = safetensorsHeader(join(folder, "projectors.safetensors"));
    const linear = Object.entries(shapes).filter(([, shape]) => shape.length === 2);
    expect(linear.filter(([name]) => name.startsWith("sight.")).map(([, shape]) => shape)).toEqual([
      [40, DIMENSIONS.sight],
      [12, 40],
    ]);
    expect(linear.filter(([name]) => name.startsWith("hearing.")).map(([, shape]) => shape)).toEqual([[12, DIMENSIONS.hearing]]);
    expect(mAP(folder)).toBeGreaterThan(chance() + 0.2);
  });

  it.each(["eye", "xavier"])("start from %s", async (initialization) => {
    const folder = await variant(initialization, `connect.projector.initialization=${initialization}`);
    expect(stepsOf(folder)[0]?.["loss"]).not.toBe(stepsOf(plain)[0]?.["loss"]);
    expect(mAP(folder)).toBeGreaterThan(chance() + 0.2);
  });

  it("pass BatchNorm with both halves apart", async () => {
    const folder = await variant("apart", "connect.projector.batchNorm=apart");
    const { metadata } = safetensorsHeader(join(folder, "projectors.safetensors"));
    expect(JSON.parse(metadata["cmcr"] ?? "")).toMatchObject({ batchNorm: "apart" });
    expect(stepsOf(folder)[0]?.["loss"]).not.toBe(stepsOf(plain)[0]?.["loss"]);
  });
});

describe("training", () => {
  it.each([
    ["sgd", "connect.optimizer={ type: sgd, lr: 0.05, momentum: 0.9 }", 0],
    ["adam", "connect.optimizer={ type: adam, lr: 3e-3, maxGradientNorm: 1 }", 0],
  ])("by %s", async (name, field, weightDecay) => {
    const folder = await variant(name, field);
    const steps = stepsOf(folder);
    expect(steps[0]?.["weightDecay"]).toBe(weightDecay);
    expect(steps.at(-1)?.["loss"]).toBeLessThan((steps[0]?.["loss"] ?? 0) - 0.5);
    expect(mAP(folder)).toBeGreaterThan(chance() + 0.2);
  });

  it("follows every kind of schedule, in every scalar that may have one", async () => {
    const folder = await variant(
      "scheduled",
      "connect.completion.variance={ schedule: linear, from: 0.008, to: 0 }",
      "connect.loss.overlap={ weight: { schedule: cosine, from: 1, to: 0.5 }, temperature: { schedule: linear, from: 0.2, to: 0.1 } }",
      "connect.loss.pseudo={ weight: { schedule: step, from: 1, factor: 0.5, steps: [0.5] }, temperature: { schedule: constant, from: 0.15 } }",
      "connect.loss.intra.weight={ schedule: step, from: 1, to: 0.25, steps: [0.25, 0.75] }",
      "connect.optimizer={ lr: { schedule: warmup-cosine, from: 3e-3, to: 0, warmup: 0.25 }, weightDecay: { schedule: linear, from: 0.02, to: 0 } }",
    );
    const steps = stepsOf(folder);
    const at = (name: string, ...numbers: readonly number[]) => numbers.map((number) => steps[number]?.[name]);
    const close = (name: string, number: number, value: number) => {
      expect(steps[number]?.[name], `${name} at step ${number}`).toBeCloseTo(value, 10);
    };
    expect(steps).toHaveLength(40);
    for (const number of [0, 10, 20, 39]) {
      const progress = number / 40;
      close("noiseVariance", number, 0.008 * (1 - progress));
      close("overlapWeight", number, 0.75 + 0.25 * Math.cos(Math.PI * progress));
      close("overlapTemperature", number, 0.2 - 0.1 * progress);
      close("weightDecay", number, 0.02 * (1 - progress));
    }
    expect(at("pseudoWeight", 0, 19, 20, 39)).toEqual([1, 1, 0.5, 0.5]);
    expect(at("pseudoTemperature", 0, 39)).toEqual([0.15, 0.15]);
    expect(at("intraWeight", 0, 9, 10, 29, 30, 39)).toEqual([1, 1, 0.5, 0.5, 0.25, 0.25]);
    close("learningRate", 0, 0);
    close("learningRate", 5, 1.5e-3);
    close("learningRate", 10, 3e-3);
    close("learningRate", 25, 1.5e-3);
  });

  it("takes the batch that is not full, or drops it", async () => {
    const kept = await variant("kept", "connect.batchSize=250", "connect.lastBatch=keep", "connect.epochs=2");
    expect(stepsOf(kept)).toHaveLength(6);
    const dropped = await variant("dropped", "connect.batchSize=250", "connect.epochs=2");
    expect(stepsOf(dropped)).toHaveLength(4);
  });
});

describe("inputs", () => {
  it("are float16 as well", async () => {
    await writeFloat16(place.file("emb", "images.npy"), place.file("emb", "images16.npy"));
    const folder = await variant("half", "data.images.embeddings.sight=emb/images16.npy");
    expect(projectorsOf(folder)).not.toBe(projectorsOf(plain));
    expect(mAP(folder)).toBeCloseTo(mAP(plain), 1);
  });

  it("are safetensors as well, with the same result", async () => {
    await writeSafetensors(place.file("emb", "images.npy"), place.file("emb", "images.safetensors"));
    const folder = await variant("safetensors", "data.images.embeddings.sight=emb/images.safetensors");
    expect(projectorsOf(folder)).toBe(projectorsOf(plain));
  });
});

describe("tasks", () => {
  it("take relevance from a file: that of the labels gives the same numbers", async () => {
    const folder = await variant("listed", "evaluate.0.relevance=emb/relevance.json");
    expect(metricsOf(folder).tasks[0]?.results).toEqual(metricsOf(plain).tasks[0]?.results);
    expect(metricsOf(folder).tasks[0]?.reverse).toEqual(metricsOf(plain).tasks[0]?.reverse);
  });

  it("take relevance from the rows", async () => {
    const folder = await variant("paired", "evaluate.0.relevance=rows");
    const [task] = metricsOf(folder).tasks;
    // Row i has the class of row i: well above chance, and well below finding any of the class.
    expect(task?.results["cmcr"]?.["mAP"]?.value).toBeGreaterThan(2 * (task?.results["chance"]?.["mAP"]?.value ?? 1));
    expect(task?.results["cmcr"]?.["mAP"]?.value).toBeLessThan(mAP(plain));
  });

  it("average prompts before or after projecting them", async () => {
    const folder = await variant("averaged", "evaluate.1.average=embedded");
    const top1 = metric(folder, "sound-class", "top1");
    expect(top1).toBeGreaterThan(1 / CLASSES + 0.4);
    expect(metricsOf(folder).tasks[1]?.results["cmcr"]).not.toEqual(metricsOf(plain).tasks[1]?.results["cmcr"]);
  });

  it("compare with every baseline, with and without the gap", async () => {
    const names = ["chance", ...["pivot", "pivot-soft", "pivot-two-sided", "procrustes", "ridge", "cca", "relative", "memory-ridge"].flatMap((name) => [name, `${name}+gap`])];
    const folder = await variant("compared", `evaluate.0.baselines=[${names.join(", ")}]`, "evaluate.0.bootstrap.resamples=20");
    const { results = {}, reverse = {} } = metricsOf(folder).tasks[0] ?? {};
    expect(Object.keys(results)).toEqual(["cmcr", ...names]);
    for (const methods of [results, reverse]) {
      for (const name of names.slice(1)) expect(methods[name]?.["mAP"]?.value, name).toBeGreaterThan(chance() + 0.1);
    }
  });

  it("may be none", async () => {
    const folder = await variant("unmeasured", "evaluate=[]");
    expect(metricsOf(folder)).toEqual({ schemaVersion: 1, run: "unmeasured", seed: 3, tasks: [] });
    expect(projectorsOf(folder)).toBe(projectorsOf(plain));
  });
});
