import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { loadExperiment } from "../../../src/config/load.js";
import { describePlan } from "../../../src/config/planDescription.js";
import { cropCount } from "../../../src/evaluate/regionMaps.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";
import { change, compile, refusal } from "./samples.js";

const PLACES = `version: 1
name: places
spaces: { sight: { provider: huggingface-clip, model: some/clip }, hearing: { provider: huggingface-clap, model: some/clap }, given: { provider: precomputed } }
data:
  captions: { modality: text, source: { type: lines, path: captions.txt } }
  photos:   { modality: image, source: { type: folder, path: photos } }
  clips:    { modality: audio, source: { type: folder, path: clips } }
  frames:   { modality: image, source: { type: folder, path: frames }, boxes: boxes.json }
  sounds:   { modality: audio, source: { type: folder, path: sounds } }
  bare:     { modality: image, source: { type: folder, path: bare } }
  vectors:  { modality: image, source: { type: folder, path: frames }, boxes: boxes.json, embeddings: { sight: frames.npy } }
connect: { method: cmcr, overlap: captions, sides: [{ space: sight, memory: photos }, { space: hearing, memory: clips }] }
evaluate:
  - { name: where, task: localization, query: { data: sounds, space: hearing }, image: { data: frames, space: sight } }
`;
const TASK = "{ name: where, task: localization, query: { data: sounds, space: hearing }, image: { data: frames, space: sight } }";
const IMAGE = "image: { data: frames, space: sight }";
const task = (text: string) => compile(text).evaluate[0];

describe("a task of places", () => {
  it.each(["localization", "counterfactual"])("has every default filled in: %s", (kind) => {
    expect(task(change(PLACES, "task: localization", `task: ${kind}`))).toEqual({
      name: "where",
      task: kind,
      query: { data: "sounds", space: "hearing" },
      image: { data: "frames", space: "sight", regions: { kind: "crops", windows: [{ size: 1, steps: 1 }, { size: 1 / 2, steps: 3 }, { size: 1 / 3, steps: 5 }], squash: true } },
      map: { combine: "mean", predict: "map", interpolation: "bilinear", alignCorners: true, resolution: 224, threshold: null, strict: false, consensus: 1 },
      ks: [],
      baselines: expect.anything() as unknown,
      bootstrap: { resamples: 1000, seed: 0 },
    });
  });

  it("compares with the centre too, and its crops are as many as is said", () => {
    const compiled = task(PLACES);
    expect(compiled?.baselines.map(({ name }) => name)).toEqual(["chance", "centre", "pivot", "pivot-soft", "pivot-two-sided", "procrustes", "ridge"]);
    if (compiled?.task !== "localization" || compiled.image.regions.kind !== "crops") throw new Error("no crops");
    expect(cropCount(compiled.image.regions.windows)).toBe(35);
  });

  it("takes every option that published codes differ in", () => {
    const map = "map: { combine: max, predict: best-region, interpolation: bicubic, alignCorners: false, resolution: 112, threshold: 0.5, strict: true, consensus: 2 }";
    expect(task(change(PLACES, IMAGE, `image: { data: frames, space: sight, regions: { kind: patches, from: values } }, ${map}`))).toMatchObject({
      image: { regions: { kind: "patches", from: "values" } },
      map: { combine: "max", predict: "best-region", interpolation: "bicubic", alignCorners: false, resolution: 112, threshold: 0.5, strict: true, consensus: 2 },
    });
    expect(task(change(PLACES, IMAGE, `${IMAGE}, map: { threshold: half-maximum }`))).toMatchObject({ map: { threshold: "half-maximum" } });
    expect(task(change(PLACES, IMAGE, "image: { data: frames, space: sight, regions: { kind: patches } }"))).toMatchObject({ image: { regions: { kind: "patches", from: "tokens" } } });
    expect(task(change(PLACES, IMAGE, "image: { data: frames, space: sight, regions: { kind: boxes, path: own.json, squash: false } }"))).toMatchObject({
      image: { regions: { kind: "boxes", path: "/study/own.json", squash: false } },
    });
    expect(task(change(PLACES, IMAGE, "image: { data: frames, space: sight, regions: { kind: crops, windows: [{ size: 0.25, steps: 7 }] } }"))).toMatchObject({
      image: { regions: { windows: [{ size: 0.25, steps: 7 }], squash: true } },
    });
  });

  it("is described by validate, with what it costs", () => {
    const lines = (text: string) => describePlan(compile(text), { rows: new Map([["sounds", 20]]), dimensions: new Map() });
    expect(lines(PLACES)).toContain("data        frames: image, from /study/frames, to be encoded into sight, with boxes");
    expect(lines(PLACES)).toContain(
      "evaluate    where: localization, 20 sounds (hearing) in 35 crops of frames (sight), the mean over a pixel, cut at the median at 224 x 224, beside chance, centre, pivot, pivot-soft, pivot-two-sided, procrustes, ridge",
    );
    expect(lines(change(PLACES, IMAGE, "image: { data: frames, space: sight, regions: { kind: patches } }, map: { interpolation: bicubic, alignCorners: false, threshold: 0.5, strict: true, consensus: 2 }, baselines: []"))).toContain(
      "evaluate    where: localization, 20 sounds (hearing) in the patches (tokens) of frames (sight), bicubic without aligned corners, cut above 0.5 at 224 x 224, 2 boxes agreeing, beside no baseline",
    );
    expect(lines(change(PLACES, IMAGE, "image: { data: frames, space: sight, regions: { kind: boxes, path: own.json } }, map: { predict: best-region }, baselines: [chance]"))).toContain(
      "evaluate    where: localization, 20 sounds (hearing) in the boxes of /study/own.json of frames (sight), the best region at 224 x 224, beside chance",
    );
  });

  it.each([
    ["sounds of the images' own side", "query: { data: sounds, space: hearing }", "query: { data: photos, space: sight }", "IMPOSSIBLE_VALUE", "evaluate.0.query.space", "expected the space of the other side, as the images are in sight"],
    ["a space that is not connected", IMAGE, "image: { data: vectors, space: given }", "NOT_REACHABLE", "evaluate.0.image.data", "embeddings of space given"],
    ["images with given embeddings", IMAGE, "image: { data: vectors, space: sight }", "IMPOSSIBLE_VALUE", "evaluate.0.image", "leave data.vectors.embeddings.sight out"],
    ["sounds for images", IMAGE, "image: { data: clips, space: hearing }", "IMPOSSIBLE_VALUE", "evaluate.0.query.space", "other side"],
    ["images without boxes", IMAGE, "image: { data: bare, space: sight }", "IMPOSSIBLE_VALUE", "evaluate.0.image.data", "Give data.bare.boxes."],
    ["cut-offs", "name: where,", "name: where, ks: [1],", "UNKNOWN_FIELD", "evaluate.0.ks", "expected one of the fields"],
    ["a crop larger than the image", IMAGE, "image: { data: frames, space: sight, regions: { kind: crops, windows: [{ size: 1.5, steps: 1 }] } }", "IMPOSSIBLE_VALUE", "evaluate.0.image.regions.windows.0.size", "a fraction of the image above 0, and at most 1"],
    ["more crops than an image can have", IMAGE, "image: { data: frames, space: sight, regions: { kind: crops, windows: [{ size: 0.3, steps: 64 }, { size: 1, steps: 1 }] } }", "IMPOSSIBLE_VALUE", "evaluate.0.image.regions.windows", "at most 4096 crops of an image in all"],
    ["no window", IMAGE, "image: { data: frames, space: sight, regions: { kind: crops, windows: [] } }", "IMPOSSIBLE_VALUE", "evaluate.0.image.regions.windows", "1"],
    ["an unknown kind of region", IMAGE, "image: { data: frames, space: sight, regions: { kind: cells } }", "UNKNOWN_NAME", "evaluate.0.image.regions.kind", "crops, boxes, patches"],
    ["an unknown threshold", IMAGE, `${IMAGE}, map: { threshold: mean }`, "UNKNOWN_NAME", "evaluate.0.map.threshold", "median, half-maximum"],
    ["a resolution of nothing", IMAGE, `${IMAGE}, map: { resolution: 0 }`, "IMPOSSIBLE_VALUE", "evaluate.0.map.resolution", "a whole number of at least 1"],
    ["a path that is no .json", IMAGE, "image: { data: frames, space: sight, regions: { kind: boxes, path: own.csv } }", "IMPOSSIBLE_VALUE", "evaluate.0.image.regions.path", ".json"],
    ["boxes that are no .json", "boxes: boxes.json }\n", "boxes: boxes.csv }\n", "", "data.frames.boxes", ".json"],
    ["boxes by an attribute that the items lack", "boxes: boxes.json }\n", "boxes: { attribute: class } }\n", "UNKNOWN_NAME", "data.frames.boxes.attribute", "a .json file of boxes, as these items have no attributes"],
  ])("refuses %s", (_what, from, to, reason, path, said) => {
    const error = refusal(change(PLACES, from, to));
    expect(error.message).toContain(said);
    expect(error).toMatchObject({ code: 2, path, ...(reason === "" ? {} : { reason }) });
  });

  it("keeps the centre from other tasks, and other baselines from imported projectors", () => {
    const retrieval = change(PLACES, TASK, "{ name: found, task: retrieval, query: { data: sounds, space: hearing }, gallery: { data: frames, space: sight }, relevance: rows, baselines: [chance, centre] }");
    expect(refusal(retrieval)).toMatchObject({ code: 2, path: "evaluate.0.baselines.1", message: expect.stringContaining("found centre") as string });
    const connect = "connect: { method: cmcr, overlap: captions, sides: [{ space: sight, memory: photos }, { space: hearing, memory: clips }] }";
    const imported = change(change(PLACES, connect, "connect: { method: imported, preset: audio-visual, file: clap_clip.pt, sides: [{ space: sight }, { space: hearing }] }"), "space: sight } }\n", "space: sight }, baselines: [chance, centre, ridge] }\n");
    expect(refusal(imported)).toMatchObject({ path: "evaluate.0.baselines.2", message: expect.stringContaining("chance and centre alone") as string });
    expect(task(imported.replace(", ridge]", "]"))?.baselines.map(({ name }) => name)).toEqual(["chance", "centre"]);
  });

  it("finds boxes with the sounds where the images have none", () => {
    const text = change(change(PLACES, IMAGE, "image: { data: bare, space: sight }"), "source: { type: folder, path: sounds }", "source: { type: csv, path: sounds.csv, file: wav, attributes: [bbox] }, boxes: { attribute: bbox }");
    expect(compile(text).data.sounds?.boxes).toEqual({ kind: "attribute", attribute: "bbox" });
  });
});

describe("files of boxes", () => {
  const HERE = `version: 1
name: places
spaces: { sight: { provider: builtin, model: scenes-image-text }, hearing: { provider: builtin, model: scenes-audio-text } }
data:
  captions: { modality: text, source: { type: inline, items: [a, b, c, d] } }
  photos:   { modality: image, source: { type: builtin, generator: scenes, split: images, count: 3 } }
  frames:   { modality: image, source: { type: builtin, generator: scenes, split: images, count: 3 }, boxes: boxes.json }
  clips:    { modality: audio, source: { type: builtin, generator: scenes, split: sounds, count: 3 } }
connect: { method: cmcr, overlap: captions, sides: [{ space: sight, memory: photos }, { space: hearing, memory: clips }], batchSize: 2 }
evaluate:
  - { name: where, task: localization, query: { data: clips, space: hearing }, image: { data: frames, space: sight, regions: { kind: boxes, path: own.json } } }
`;

  async function load(boxes: string, own = "[[[0,0,1,1]],[[0,0,1,1]],[[0,0,1,1]]]", text = HERE): Promise<unknown> {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "boxes.json"), boxes);
    writeFileSync(join(folder, "own.json"), own);
    writeFileSync(join(folder, "places.yaml"), text);
    return loadExperiment(join(folder, "places.yaml"));
  }

  it("are read before anything runs", async () => {
    await expect(load("[[[0,0,1,1]], [], [[0.8,0,0.2,1]]]")).resolves.toBeDefined();
  });

  it.each([
    ["[[], []]", undefined, "data.frames.boxes", "expected boxes of 3 items, a list for each item of data.frames.source, found 2"],
    ["[[], [], [[0, 0, 1]]]", undefined, "data.frames.boxes", "row 2, box 0 is [0,0,1]"],
    ["[[], []", undefined, "data.frames.boxes", "is not JSON"],
    ["[[], [], []]", "[[[0,0,1,1]]]", "evaluate[0].image.regions.path", "expected regions of 3 items"],
  ])("are refused as %s and %s", async (boxes, own, field, said) => {
    const error = await failureOf(load(boxes, own));
    expect(error.code).toBe(3);
    expect(error.message).toContain(said);
    expect(error.path).toBe(field.replace("[0]", ".0"));
  });

  it("and images of another number than sounds are refused", async () => {
    const error = await failureOf(load("[[],[],[]]", undefined, change(HERE, "split: sounds, count: 3", "split: sounds, count: 4")));
    expect(error).toMatchObject({ code: 3, reason: "SHAPE_MISMATCH", path: "evaluate.0.image" });
    expect(error.message).toContain("expected as many images as sounds, as sound i belongs to image i, found 4 items of clips and 3 of frames");
  });
});
