import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { cmcr, expectRefusal, run, succeed, Workplace } from "./support/cli.js";
import { png, wav } from "./support/media.js";
import { manifestOf, metricsOf, type Task } from "./support/runFolder.js";

const place = new Workplace();
const { env } = place;
const COUNT = 12;
/** The image that cannot be read, and with it its sound. */
const BROKEN = 5;

type Box = readonly [number, number, number, number];

/** Where the bright square of an image lies, in eighths of the frame. */
function square(item: number): Box {
  const [left, top, size] = [item % 4, (item * 3) % 5, 2 + (item % 3)];
  return [left / 8, top / 8, (left + size) / 8, (top + size) / 8];
}

/** Every third pair does not belong together. Some boxes are as annotations have them: beyond the frame, turned round. */
function boxesOf(item: number): readonly Box[] {
  if (item % 3 === 2 && item !== BROKEN) return [];
  if (item === 3) return [[-2.9e16, 0, 0.5, 1]];
  return item === 4 ? [square(item), [0.9, 0.2, 0.1, 0.4]] : [square(item)];
}

/** Images with a bright square, a tone for each, their boxes, and the same boxes as regions. */
function writePairs(folder: string, items: readonly number[]): void {
  for (const item of items) {
    const name = String(item).padStart(2, "0");
    const [left, top, right, bottom] = square(item);
    const picture = png(64, (x, y) => (x >= left * 64 && x < right * 64 && y >= top * 64 && y < bottom * 64 ? [250, 40 + item * 15, 60] : [20 + item, 30, 90]));
    writeFileSync(join(place.folder(join(folder, "frames")), `${name}.png`), item === BROKEN ? picture.subarray(0, 60) : picture);
    writeFileSync(join(place.folder(join(folder, "sounds")), `${name}.wav`), wav(0.5, 16000, (time) => 0.5 * Math.sin(2 * Math.PI * (200 + item * 70) * time)));
  }
  const boxes = items.map(boxesOf);
  const write = (name: string, content: unknown): void => {
    writeFileSync(place.file(folder, name), JSON.stringify(content));
  };
  write("boxes.json", boxes);
  write("own.json", boxes.map((own, i) => (own.length === 0 || items[i] === 3 ? [[0, 0, 0.5, 1]] : own.slice(0, 1))));
  // Three corners and the square itself: the same regions in another order for each image.
  write("several.json", items.map((item) => [square(item), [0, 0, 0.25, 0.25], [0.75, 0.75, 1, 1]]));
}

const experiment = (evaluate: string): string => `version: 1
name: places
worker: { device: cpu, decoders: 1 }
spaces:
  sight:   { provider: builtin, model: scenes-image-text }
  hearing: { provider: builtin, model: scenes-audio-text }
data:
  captions: { modality: text,  source: { type: builtin, generator: scenes, split: captions, count: 600 } }
  images:   { modality: image, source: { type: builtin, generator: scenes, split: images, count: 300 } }
  clips:    { modality: audio, source: { type: builtin, generator: scenes, split: sounds, count: 300 } }
  frames:   { modality: image, source: { type: folder, path: frames }, boxes: boxes.json, unreadable: { limit: 20 } }
  sounds:   { modality: audio, source: { type: folder, path: sounds } }
  duet_images: { modality: image, source: { type: builtin, generator: scenes, split: duets, count: 60 }, boxes: { attribute: boxes } }
  duet_sounds: { modality: audio, source: { type: builtin, generator: scenes, split: duets, count: 60 } }
connect:
  method: cmcr
  overlap: captions
  sides: [{ space: sight, memory: images }, { space: hearing, memory: clips }]
  projector: { preset: audio-visual, dim: 48 }
  batchSize: 100
  epochs: 8
evaluate:
${evaluate}`;

const VIEWS = "query: { data: sounds, space: hearing }, image: { data: frames, space: sight";
const AFTER = "bootstrap: { resamples: 50 } }\n";
const OWN = `  - { name: own, task: localization, ${VIEWS}, regions: { kind: boxes, path: own.json } }, map: { predict: best-region, resolution: 64 }, baselines: [chance, centre, pivot, memory-ridge+gap], ${AFTER}`;
const CROPS = `  - { name: crops, task: localization, ${VIEWS} }, map: { resolution: 64 }, baselines: [chance, centre, procrustes], ${AFTER}`;
const FOREIGN = `  - { name: foreign, task: counterfactual, ${VIEWS}, regions: { kind: boxes, path: several.json } }, map: { combine: max, resolution: 64 }, baselines: [chance, centre, ridge], ${AFTER}`;
const DUETS = `  - { name: duets, task: localization, query: { data: duet_sounds, space: hearing }, image: { data: duet_images, space: sight }, map: { predict: best-region, resolution: 64 }, baselines: [chance, centre], ${AFTER}`;

function write(folder: string, text: string, name = "places.yaml"): string {
  const path = place.file(folder, name);
  writeFileSync(path, text);
  return path;
}

type Told = Task & { readonly notes: readonly string[]; readonly leftOut: unknown; readonly unreadable?: unknown; readonly sizes?: Readonly<Record<string, { readonly items: number }>> };
const tasksOf = (folder: string) => metricsOf(folder).tasks as readonly Told[];
const ITEMS = Array.from({ length: COUNT }, (_, item) => item);

beforeAll(() => {
  writePairs("kept", ITEMS);
  writePairs(
    "removed",
    ITEMS.filter((item) => item !== BROKEN),
  );
});
afterAll(() => {
  place.remove();
});

describe("sounds located in images", () => {
  let folder = "";
  let said = "";

  beforeAll(async () => {
    const outcome = await succeed(["run", write("kept", experiment(OWN + CROPS + FOREIGN + DUETS)), "--out", place.file("runs")], { env, limitMs: 240_000 });
    said = outcome.stdout;
    folder = outcome.stdout.trimEnd().split("\n").at(-1) ?? "";
  }, 250_000);

  it("are measured by every method, under the metrics' names, with what is left out", () => {
    const [own, crops, foreign, duets] = tasksOf(folder);
    expect(own).toMatchObject({ task: "localization", queries: 11, gallery: 9, leftOut: { queries: 3, gallery: 0 }, unreadable: { queries: 0, gallery: 1 } });
    expect(foreign).toMatchObject({ task: "counterfactual", queries: 11, gallery: 8, leftOut: { queries: 0, gallery: 0 } });
    expect(duets).toMatchObject({ task: "localization", queries: 60, gallery: 60 });
    expect(Object.keys(own?.results ?? {})).toEqual(["cmcr", "chance", "centre", "pivot", "memory-ridge+gap"]);
    for (const task of [own, crops, duets]) for (const metrics of Object.values(task?.results ?? {})) expect(Object.keys(metrics)).toEqual(["cIoU@0.5", "AUC", "meanCIoU"]);
    for (const metrics of Object.values(foreign?.results ?? {})) expect(Object.keys(metrics)).toEqual(["AP", "maxF1", "LocAcc"]);
    expect(own?.notes).toEqual(expect.arrayContaining(["1 of the 12 items of frames cannot be read and is in no number.", "3 of 11 items have no box and count in no metric.", "1 box reaches beyond the frame and is cut at it."]));
    expect(own?.notes).toContain("1 box is degenerate, right not beyond left or bottom not below top, and covers nothing.");
    expect(Object.values(own?.sizes ?? {}).reduce((sum, { items }) => sum + items, 0)).toBe(8);
  });

  it("are found whole where the regions are the true boxes: sounds, images, regions and boxes stay together", () => {
    const [own] = tasksOf(folder);
    for (const name of ["cmcr", "pivot", "memory-ridge+gap", "chance"]) expect(own?.results[name]?.meanCIoU?.value, name).toBe(1);
    expect(own?.results.centre?.meanCIoU?.value).toBeLessThan(0.5);
  });

  it("are found in scenes of two objects better than by chance, or in the middle", () => {
    const duets = tasksOf(folder)[3];
    const lowest = duets?.results.cmcr?.meanCIoU?.ci95[0] ?? 0;
    for (const name of ["chance", "centre"]) expect(lowest, name).toBeGreaterThan(duets?.results[name]?.meanCIoU?.value ?? 1);
  });

  it("are shown as tables", () => {
    expect(said).toContain("own: localization, 11 items (3 without a box), 9 boxes.");
    expect(said).toContain("foreign: counterfactual, 11 items, 8 sounding.");
    expect(said).toMatch(/method +cIoU@0\.5 +AUC +meanCIoU/);
    expect(said).toMatch(/method +AP +maxF1 +LocAcc/);
    expect(said).toContain("places found, by the size of what sounds");
  });

  it("are measured as if the pair that cannot be read had never been", async () => {
    const reference = await run([write("removed", experiment(OWN + CROPS + FOREIGN)), "--out", place.file("reference")], { env, limitMs: 240_000 });
    const numbers = (path: string) => tasksOf(path).slice(0, 3).map(({ results, queries, gallery, sizes }) => ({ results, queries, gallery, sizes }));
    expect(numbers(folder)).toEqual(numbers(reference));
  }, 250_000);

  it("are evaluated again from the store, to the same numbers, and with other options", async () => {
    const before = tasksOf(folder);
    const { stdout } = await succeed(["evaluate", folder, "--task", "crops"], { env, limitMs: 240_000 });
    expect(stdout).toContain("crops: localization, 11 items (3 without a box), 9 boxes.");
    expect(tasksOf(folder)).toEqual(before);
    const strict = experiment(OWN + CROPS.replace("resolution: 64", "resolution: 64, combine: max") + FOREIGN + DUETS);
    await succeed(["evaluate", folder, "--task", "crops", "--experiment", write("kept", strict, "max.yaml")], { env, limitMs: 240_000 });
    const [own, crops] = tasksOf(folder);
    expect(own).toEqual(before[0]);
    expect(crops?.results.cmcr).not.toEqual(before[1]?.results.cmcr);
    expect(crops?.results.centre).toEqual(before[1]?.results.centre);
  }, 250_000);

  it("are embedded region by region once for all tasks that look at the same ones", () => {
    const encoded = manifestOf(folder).outputs.filter(({ stage, output }) => stage === "encode" && output.startsWith("frames in sight"));
    expect(encoded).toHaveLength(3);
  });
});

describe("tasks of places that cannot be", () => {
  const boxes = (folder: string, text: string): void => {
    writeFileSync(place.file(folder, "boxes.json"), text);
  };

  it.each([
    ["boxes of another number of items", OWN, (folder: string) => { boxes(folder, "[[]]"); }, 3, ["data.frames.boxes", "boxes for 1 items of 12"]],
    ["another number of sounds", OWN, (folder: string) => { writeFileSync(place.file(folder, "sounds", "99.wav"), wav(0.2, 16000, () => 0.1)); }, 3, ["evaluate.own.image", "found 13 items in sounds and 12 in frames"]],
    ["no foreign pair", FOREIGN, (folder: string) => { boxes(folder, JSON.stringify(ITEMS.map((item) => [square(item)]))); }, 3, ["foreign: every item has a box"]],
    ["patches of an encoder without them", OWN.replace("{ kind: boxes, path: own.json }", "{ kind: patches }"), () => undefined, 2, ["the encoder of sight has no embeddings of patches"]],
    ["no box", OWN, (folder: string) => { boxes(folder, JSON.stringify(ITEMS.map(() => []))); }, 3, ["own: no item has a box (data.frames.boxes, ", "boxes.json)"]],
    ["boxes in pixels", OWN, (folder: string) => { boxes(folder, JSON.stringify(ITEMS.map(() => [[10, 10, 60, 60]]))); }, 3, ["boxes.json", "in item 0 (counted from 0)", "divide by width and height"]],
    ["a box of three numbers", OWN, (folder: string) => { boxes(folder, "[[[0, 0, 1]]]"); }, 3, ["data.frames.boxes", "row 0, box 0 is [0,0,1]"]],
  ] as const)("say so: %s", async (what, task, spoil, code, parts) => {
    const folder = what.replaceAll(" ", "-");
    writePairs(folder, ITEMS);
    spoil(folder);
    const path = write(folder, experiment(task).replace("count: 600", "count: 100").replaceAll("count: 300", "count: 20"));
    const outcome = await cmcr(["run", path, "--out", place.file("wrong-runs")], { env, limitMs: 240_000 });
    expectRefusal(outcome, code, ...parts);
    // It is known before anything is embedded.
    expect(outcome.stdout + outcome.stderr).not.toMatch(/captions in |images in |clips in /);
  }, 250_000);
});
