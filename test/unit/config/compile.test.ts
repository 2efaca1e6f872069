import { describe, expect, it } from "vitest";

import { loadExperiment, parseExperiment } from "../../../src/config/load.js";
import { change, compile, DIGITS, MINIMAL, refusal, shipped } from "./samples.js";

function everyObject(value: unknown, visit: (object: object) => void): void {
  if (typeof value !== "object" || value === null) return;
  visit(value);
  for (const part of Object.values(value)) everyObject(part, visit);
}

/** What a collection has that says nothing of items that cannot be read. */
const READABLE = { unreadable: { action: "skip", limit: 5 }, limits: null };

describe("the compiled experiment", () => {
  it("warns of a baseline that is fitted on pseudo pairs when these are drawn at random", () => {
    const text = shipped("quickstart").replace("consistency: { temperature: 0.01 }", "consistency: false");
    expect(parseExperiment(text, "x.yaml").warnings).toEqual([
      "evaluate.0.baselines.11: memory-ridge is fitted on the pseudo pairs, which connect.consistency: false makes at random",
    ]);
  });

  it("has the paper's settings wherever the file says nothing", () => {
    expect(compile(MINIMAL)).toEqual({
      version: 1,
      name: "least",
      seed: 0,
      seeds: [0],
      worker: { device: "auto", threads: 1, decoders: null, address: null },
      spaces: { a: { name: "a", provider: "precomputed" }, b: { name: "b", provider: "precomputed" } },
      data: {
        both: { name: "both", modality: "text", source: null, embeddings: { a: "/study/a.npy", b: "/study/b.npy" }, labels: null, boxes: null, ...READABLE },
        left: { name: "left", modality: "image", source: null, embeddings: { a: "/study/left.npy" }, labels: null, boxes: null, ...READABLE },
        right: { name: "right", modality: "audio", source: null, embeddings: { b: "/study/right.npy" }, labels: null, boxes: null, ...READABLE },
      },
      connect: {
        method: "cmcr",
        overlap: "both",
        sides: [
          { space: "a", memory: "left" },
          { space: "b", memory: "right" },
        ],
        consistency: { mode: "softmax", temperature: 0.01 },
        completion: { variance: { kind: "constant", from: 0.004 } },
        projector: { preset: "audio-visual", dim: null, layers: [[], []], initialization: "default", batchNorm: "together" },
        loss: {
          overlap: { weight: { kind: "constant", from: 1 }, temperature: { kind: "constant", from: 0.01 } },
          pseudo: { weight: { kind: "constant", from: 1 }, temperature: { kind: "constant", from: 0.01 } },
          intra: { weight: { kind: "constant", from: 0.1 } },
        },
        optimizer: {
          type: "adamw",
          lr: { kind: "cosine", from: 0.001, to: 0 },
          weightDecay: { kind: "constant", from: 0.01 },
          betas: [0.9, 0.999],
          epsilon: 1e-8,
          momentum: 0,
          maxGradientNorm: null,
        },
        batchSize: 10240,
        epochs: 36,
        lastBatch: "drop",
      },
      evaluate: [],
    });
  });

  it("is frozen through and through", () => {
    let objects = 0;
    everyObject(compile(DIGITS), (object) => {
      objects += 1;
      expect(Object.isFrozen(object)).toBe(true);
    });
    expect(objects).toBeGreaterThan(50);
  });

  it("is the file of the interface, with its tasks", () => {
    const { evaluate, connect, data } = compile(DIGITS);
    expect(evaluate[0]).toMatchObject({
      name: "sound-image",
      task: "retrieval",
      query: { data: "test_sounds", space: "clap" },
      gallery: { data: "test_images", space: "clip" },
      relevance: { kind: "labels" },
      ks: [1, 5, 10],
      bootstrap: { resamples: 1000 },
    });
    expect(connect.batchSize).toBe(512);
    expect(data["test_images"]?.labels).toEqual({ kind: "file", path: "/study/emb/clip_image_test_labels.npy" });
  });

  it.each(["quickstart", "quickstart-3d", "own-embeddings"])("can be made of the experiment %s that comes with cmcr, without a warning", (name) => {
    const { warnings, experiment } = parseExperiment(shipped(name), `${name}.yaml`);
    expect(warnings).toEqual([]);
    expect(experiment.name).toBe(name);
  });

  it("of the quickstart has the settings that suit its small spaces, and every baseline", async () => {
    const { experiment, facts } = await loadExperiment("experiments/quickstart.yaml");
    expect(experiment.connect).toMatchObject({
      consistency: { mode: "softmax", temperature: 0.01 },
      completion: { variance: { from: 0.004 } },
      loss: { overlap: { temperature: { from: 0.2 } }, pseudo: { temperature: { from: 0.2 } }, intra: { weight: { from: 0.1 } } },
      optimizer: { lr: { kind: "cosine", from: 1e-2, to: 0 } },
      projector: { dim: 48 },
      batchSize: 512,
      epochs: 36,
    });
    expect(experiment.evaluate[0]?.baselines.map(({ name }) => name)).toHaveLength(12);
    expect(Object.fromEntries(facts.rows)).toEqual({ captions: 4000, images: 4000, sounds: 4000, test_images: 1000, test_sounds: 1000 });
  });

  it("of the 3D quickstart overlaps in images, and names ten shapes by their attribute", async () => {
    const { experiment, facts } = await loadExperiment("experiments/quickstart-3d.yaml");
    expect(experiment.data[experiment.connect.overlap]?.modality).toBe("image");
    expect(experiment.connect).toMatchObject({ projector: { dim: 64 }, batchSize: 512, epochs: 20 });
    expect(experiment.data["prompts"]?.labels).toEqual({ kind: "attribute", attribute: "shape" });
    const [retrieval, shape] = experiment.evaluate;
    expect(shape?.baselines).toEqual(retrieval?.baselines);
    expect(Object.fromEntries(facts.rows)).toEqual({ captions: 4000, images: 4000, clouds: 4000, test_captions: 500, test_clouds: 500, prompts: 80 });
  });
});

describe("what can be switched off or over", () => {
  it.each([
    ["consistency: false", { consistency: { mode: "random" } }],
    ["consistency: { mode: random }", { consistency: { mode: "random" } }],
    ["consistency: { mode: softmax, temperature: 0.1 }", { consistency: { mode: "softmax", temperature: 0.1 } }],
    ["completion: false", { completion: null }],
    ["loss: { overlap: false }", { loss: { overlap: null, pseudo: { weight: { from: 1 } } } }],
    ["loss: { pseudo: false, intra: false }", { loss: { pseudo: null, intra: null } }],
    ["optimizer: { type: sgd }", { optimizer: { type: "sgd", momentum: 0.9, weightDecay: { from: 0 } } }],
    ["optimizer: { type: adam, betas: [0.5, 0.9], maxGradientNorm: 1 }", { optimizer: { betas: [0.5, 0.9], maxGradientNorm: 1, weightDecay: { from: 0 } } }],
    ["projector: { preset: three-d, initialization: eye, batchNorm: apart }", { projector: { preset: "three-d", initialization: "eye", batchNorm: "apart" } }],
    ["lastBatch: keep", { lastBatch: "keep" }],
  ])("%s", (field, expected) => {
    expect(compile(change(MINIMAL, "method: cmcr,", `method: cmcr, ${field},`)).connect).toMatchObject(expected);
  });

  it("warns when consistency is on and no loss uses it", () => {
    const text = change(MINIMAL, "method: cmcr,", "method: cmcr, loss: { pseudo: false, intra: false },");
    expect(parseExperiment(text, "x.yaml").warnings).toEqual([expect.stringContaining("connect.consistency: has no effect")]);
  });

  it("warns of names that nothing uses", () => {
    const text = change(MINIMAL, "b: { provider: precomputed } }", "b: { provider: precomputed }, c: { provider: precomputed } }");
    expect(parseExperiment(text, "x.yaml").warnings).toEqual(["spaces.c: nothing uses it"]);
  });
});

describe("a schedule", () => {
  it.each([
    ["0.5", { kind: "constant", from: 0.5 }],
    ["{ schedule: constant, from: 0.5 }", { kind: "constant", from: 0.5 }],
    ["{ schedule: linear, from: 0, to: 1 }", { kind: "linear", from: 0, to: 1 }],
    ["{ schedule: cosine, from: 1, to: 0.1 }", { kind: "cosine", from: 1, to: 0.1 }],
    ["{ schedule: step, from: 1, steps: [0.5] }", { kind: "step", from: 1, factor: 0.1, milestones: [0.5] }],
    ["{ schedule: step, from: 1, factor: 0.5, steps: [0.3, 0.6] }", { kind: "step", from: 1, factor: 0.5, milestones: [0.3, 0.6] }],
    ["{ schedule: step, from: 1, to: 0.25, steps: [0.3, 0.6] }", { kind: "step", from: 1, factor: 0.5, milestones: [0.3, 0.6] }],
    ["{ schedule: warmup-cosine, from: 1, to: 0 }", { kind: "warmup-cosine", from: 1, to: 0, warmup: 0.05 }],
  ])("%s", (text, expected) => {
    expect(compile(change(DIGITS, "weight: 0.1", `weight: ${text}`)).connect.loss.intra?.weight).toEqual(expected);
    expect(compile(change(DIGITS, "variance: 0.004", `variance: ${text}`)).connect.completion?.variance).toEqual(expected);
    expect(compile(change(DIGITS, "{ schedule: cosine, from: 1e-3, to: 0 }", text)).connect.optimizer.lr).toEqual(expected);
  });

  it.each([
    ["{ schedule: step, from: 1, to: 0.1, factor: 0.5, steps: [0.5] }", "connect.loss.intra.weight.factor: expected either to or factor"],
    ["{ schedule: step, from: 0, to: 0.1, steps: [0.5] }", "connect.loss.intra.weight.from: expected a number above 0"],
    ["{ schedule: step, from: 1, steps: [0.6, 0.5] }", "connect.loss.intra.weight.steps: expected ascending fractions of the training"],
    ["{ schedule: step, from: 1, steps: [100] }", "connect.loss.intra.weight.steps.0: expected a number above 0 and below 1, found 100"],
    ["{ from: 1 }", "connect.loss.intra.weight.schedule: expected one of constant, linear, cosine, step, warmup-cosine, found nothing"],
    ["{ schedule: linear, from: 1 }", "connect.loss.intra.weight.to: expected a number of at least 0, found nothing"],
  ])("%s is refused", (text, message) => {
    expect(refusal(change(DIGITS, "weight: 0.1", `weight: ${text}`)).message).toContain(message);
  });
});

describe("explicit layers", () => {
  const withProjector = (projector: string): string => change(DIGITS, "{ preset: audio-visual }", projector);

  it("are the same for both sides, or one list for each", () => {
    const same = compile(withProjector("{ layers: [{ linear: 128 }, batchnorm, relu, { linear: joint }] }")).connect.projector;
    const head = [{ kind: "linear", outputs: 128 }, { kind: "batchnorm" }, { kind: "relu" }, { kind: "linear", outputs: null }];
    expect(same).toMatchObject({ preset: "layers", dim: null, layers: [head, head] });
    const apart = compile(withProjector("{ layers: { clap: [{ linear: 32 }, gelu], clip: [{ linear: 32 }] } }")).connect.projector;
    expect(apart).toMatchObject({ dim: 32, layers: [[{ kind: "linear", outputs: 32 }], [{ kind: "linear", outputs: 32 }, { kind: "gelu" }]] });
  });

  it.each([
    ["{ preset: layers }", "connect.projector.layers: expected the layers of the heads, as the preset is layers, found nothing"],
    ["{ preset: three-d, layers: [relu, { linear: joint }] }", "connect.projector.layers: expected no layers beside the preset three-d"],
    ["{ layers: [relu] }", "connect.projector.layers: expected at least one linear layer, found none"],
    ["{ dim: 16, layers: [{ linear: 32 }] }", "connect.projector.layers: expected 16 outputs of the last linear layer, the joint dimension, found { linear: 32 }"],
    ["{ layers: { clip: [{ linear: 8 }], clap: [{ linear: 9 }] } }", "connect.projector.layers.clip: expected { linear: joint } as the last linear layer, found { linear: 8 }"],
    ["{ layers: { clip: [{ linear: 8 }] } }", "connect.projector.layers.clap: expected the layers of space clap, found nothing"],
    ["{ layers: { clip: [{ linear: 8 }], clap: [{ linear: 8 }], clup: [relu] } }", 'connect.projector.layers.clup: expected the name of a connected space, found "clup"'],
    ["{ layers: [{ linear: 8 }, relou] }", 'connect.projector.layers.1: expected one of batchnorm, relu, gelu or a map, found "relou". Did you mean "relu"?'],
    ["{ layers: [] }", "connect.projector.layers: expected a list of at least 1 items, found a list of 0 items"],
  ])("%s is refused", (projector, message) => {
    expect(refusal(withProjector(projector)).message).toContain(message);
  });
});

describe("tasks and baselines", () => {
  const withBaselines = (list: string): string => change(DIGITS, "[chance, pivot, pivot-soft, pivot-two-sided, procrustes, ridge]", list);

  it("fills in each baseline's own parameters", () => {
    const text = withBaselines("[pivot-soft+gap, { name: ridge, regularization: 0.1 }, cca, { name: cca+gap, dimensions: 8 }, relative, memory-ridge]");
    const none = { temperature: null, regularization: null, dimensions: null };
    expect(compile(text).evaluate[0]?.baselines).toEqual([
      { ...none, name: "pivot-soft+gap", method: "pivot-soft", gap: true, temperature: 0.05 },
      { ...none, name: "ridge", method: "ridge", gap: false, regularization: 0.1 },
      { ...none, name: "cca", method: "cca", gap: false, regularization: 0.01 },
      { ...none, name: "cca+gap", method: "cca", gap: true, regularization: 0.01, dimensions: 8 },
      { ...none, name: "relative", method: "relative", gap: false },
      { ...none, name: "memory-ridge", method: "memory-ridge", gap: false, regularization: 0.01 },
    ]);
  });

  it("compares with the six of the interface unless told otherwise, and with chance alone within one space", () => {
    const text = change(DIGITS, "    baselines: [chance, pivot, pivot-soft, pivot-two-sided, procrustes, ridge]\n", "");
    expect(compile(text).evaluate[0]?.baselines.map(({ name }) => name)).toEqual(["chance", "pivot", "pivot-soft", "pivot-two-sided", "procrustes", "ridge"]);
    const within = change(text, "{ data: test_sounds, space: clap }", "{ data: test_images, space: clip }");
    expect(compile(within).evaluate[0]?.baselines.map(({ name }) => name)).toEqual(["chance"]);
  });

  it("knows zero-shot classification, with labels that come from a generator", () => {
    const text = `version: 1
name: shapes
spaces: { sight: { provider: builtin, model: scenes-image-text }, hearing: { provider: builtin, model: scenes-audio-text } }
data:
  captions: { modality: text, source: { type: builtin, generator: scenes, split: captions, count: 100 } }
  images: { modality: image, source: { type: builtin, generator: scenes, split: images, count: 100 } }
  sounds: { modality: audio, source: { type: builtin, generator: scenes, split: sounds, count: 100 } }
  test: { modality: audio, source: { type: builtin, generator: scenes, split: test }, labels: { attribute: shape } }
  prompts: { modality: text, source: { type: inline, items: [a circle, a star] } }
connect: { method: cmcr, overlap: captions, sides: [{ space: sight, memory: images }, { space: hearing, memory: sounds }] }
evaluate:
  - { name: shapes, task: classification, query: { data: test, space: hearing }, classes: { data: prompts, space: sight }, average: embedded }
`;
    const { evaluate, data } = compile(text);
    expect(evaluate[0]).toMatchObject({ task: "classification", ks: [1, 3, 5], average: "embedded", classes: { data: "prompts", space: "sight" } });
    expect(data["test"]).toMatchObject({ source: { count: 1000 }, labels: { kind: "attribute", attribute: "shape" } });
    expect(refusal(change(text, "attribute: shape", "attribute: shade")).message).toContain('data.test.labels.attribute: expected one of shape, colour');
    expect(refusal(change(text, "split: captions, count: 100", "split: captions")).message).toContain("data.captions.source.count: expected a count, as the split captions has no end");
    expect(refusal(change(text, "split: test }", "split: tests }")).message).toContain('found "tests". Did you mean "test"?');
    expect(refusal(change(text, "split: test }", "split: test, count: 1001 }")).message).toContain("expected at most 1000, the items of the split test, found 1001");
    expect(refusal(change(text, "{ data: prompts, space: sight }", "{ data: images, space: hearing }")).message).toContain(
      "found images, whose modality is image, while hearing encodes audio and text",
    );
    expect(refusal(change(text, "prompts: { modality: text", "prompts: { modality: image")).message).toContain("data.prompts.source: expected a source that delivers image, found inline, which delivers text");
  });

  it("refuses two tasks of one name", () => {
    const second = "  - { name: sound-image, task: retrieval, query: { data: test_sounds, space: clap }, gallery: { data: test_images, space: clip }, relevance: rows }\n";
    expect(refusal(`${DIGITS}${second}`).message).toBe('digits.yaml:40:13 evaluate.1.name: expected a name of its own for each task, found "sound-image" again');
  });

  it("says what becomes of unreadable items, and what an item may ask for", () => {
    const { data } = compile(change(MINIMAL, "embeddings: { a: left.npy } }", "embeddings: { a: left.npy }, unreadable: { action: fail }, limits: { pixels: 100, seconds: 2.5 } }"));
    expect(data["left"]).toMatchObject({
      unreadable: { action: "fail", limit: 5 },
      limits: { bytes: null, pixels: 100, seconds: 2.5, points: null, workSeconds: null },
    });
  });
});
