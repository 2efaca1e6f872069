import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { readNpy } from "../../src/data/npy.js";
import { cropBoxes, type RegionBox } from "../../src/data/regions.js";
import { cmcr, expectRefusal, run, start, succeed, Workplace } from "./support/cli.js";
import { png } from "./support/media.js";
import { within } from "./support/processes.js";
import { manifestOf, metricsOf, sha256 } from "./support/runFolder.js";
import { writeTinyModels } from "./support/tinyModels.js";

const place = new Workplace();
const { env } = place;
const SIDE = 32;
const COUNT = 12;
/** The image that cannot be read. */
const BROKEN = 4;
/** Of the tiny CLIP: its dimensions, and the patches of an image across and down. */
const DIM = 24;
const GRID = 4;
const LIMIT = 300_000;

const WINDOWS = [{ size: 1, steps: 1 }, { size: 0.5, steps: 2 }];
const CROPS = cropBoxes(WINDOWS);
/** Of image `item` as many as 1 + item % 3, all of them whole pixels and squares. */
const ownBoxes = (item: number): readonly RegionBox[] => CROPS.slice(item % 3, 2 * (item % 3) + 1);
const colour = (item: number) => (x: number, y: number) => [(x * 8 + item * 20) % 256, (y * 8 * (1 + (item % 3))) % 256, (x * y + item * 40) % 256] as const;
const nameOf = (item: number): string => `${String(item).padStart(4, "0")}.png`;

beforeAll(async () => {
  await writeTinyModels(place.path);
  const photos = place.folder("photos");
  const pieces = place.folder("pieces");
  for (let item = 0; item < COUNT; item += 1) {
    const bytes = png(SIDE, colour(item));
    writeFileSync(join(photos, nameOf(item)), item === BROKEN ? bytes.subarray(0, 70) : bytes);
    // The same crops as images of their own, cut here.
    for (const [place_, [left, top, right]] of CROPS.entries()) {
      writeFileSync(join(pieces, `${nameOf(item).slice(0, 4)}-${place_}.png`), png((right - left) * SIDE, (x, y) => colour(item)(x + left * SIDE, y + top * SIDE)));
    }
  }
  writeFileSync(place.file("truth.json"), JSON.stringify(Array.from({ length: COUNT }, () => [[0, 0, 0.5, 0.5]])));
  writeFileSync(place.file("own.json"), JSON.stringify(Array.from({ length: COUNT }, (_, item) => ownBoxes(item))));
}, LIMIT);
afterAll(() => {
  place.remove();
});

const task = (name: string, regions: string, images = "photos", sounds = "sounds"): string =>
  `  - { name: ${name}, task: localization, query: { data: ${sounds}, space: hearing }, image: { data: ${images}, space: sight, regions: ${regions} }, map: { resolution: 32 }, baselines: [chance], bootstrap: { resamples: 20 } }`;

const CROPS_FIELD = "{ kind: crops, windows: [{ size: 1, steps: 1 }, { size: 0.5, steps: 2 }] }";

/** Sounds of the built-in world beside images; captions join the two spaces. */
function experiment({ sight, images, count, tasks }: { readonly sight: string; readonly images: string; readonly count: number; readonly tasks: readonly string[] }): string {
  return `version: 1
name: places
worker: { device: cpu, threads: 1, decoders: 1 }
spaces:
  sight:   ${sight}
  hearing: { provider: builtin, model: scenes-audio-text, batchSize: 8 }
data:
  captions: { modality: text, source: { type: inline, items: [a small red circle, a large blue square, a green triangle, a small blue ring, a red square, a large green circle, a yellow ring, a small yellow square] } }
  photos:
${images}
  sounds: { modality: audio, source: { type: builtin, generator: scenes, split: test, count: ${count} } }
connect:
  method: cmcr
  overlap: captions
  sides:
    - { space: sight, memory: photos }
    - { space: hearing, memory: sounds }
  projector: { preset: audio-visual, dim: 8 }
  batchSize: 4
  epochs: 1
evaluate:
${tasks.join("\n")}
`;
}

const FILES = {
  sight: "{ provider: huggingface-clip, checkpoint: clip, batchSize: 5 }",
  images: "    modality: image\n    source: { type: folder, path: photos }\n    boxes: truth.json\n    unreadable: { limit: 10 }",
  count: COUNT,
};

function write(name: string, text: string): string {
  writeFileSync(place.file(name), text);
  return place.file(name);
}

interface Stored {
  readonly rows: Float32Array;
  readonly dim: number;
  readonly ids: readonly string[] | null;
}

/** The rows of an output of a run's encode stage. */
async function stored(out: string, made: string, output: string): Promise<Stored> {
  const record = manifestOf(made).outputs.find((other) => other.stage === "encode" && other.output === output);
  const sum = record?.files["embeddings.npy"];
  if (sum === undefined) throw new Error(`no ${output} among ${manifestOf(made).outputs.map((other) => other.output).join("; ")}`);
  const entries = join(place.path, out, ".store", "encode");
  for (const key of readdirSync(entries)) {
    const folder = join(entries, key);
    if (sha256(join(folder, "embeddings.npy")) !== sum) continue;
    const { data, shape } = await readNpy(join(folder, "embeddings.npy"));
    const ids = existsSync(join(folder, "ids.jsonl")) ? readFileSync(join(folder, "ids.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as string) : null;
    return { rows: data as Float32Array, dim: shape[1] ?? 0, ids };
  }
  throw new Error(`the store has no ${output}`);
}

const row = ({ rows, dim }: Pick<Stored, "rows" | "dim">, index: number): number[] => [...rows.subarray(index * dim, (index + 1) * dim)];

function expectClose(found: readonly number[], expected: readonly number[], what: string): void {
  expect(found, what).toHaveLength(expected.length);
  const furthest = Math.max(...found.map((value, index) => Math.abs(value - (expected[index] ?? 0))));
  expect(furthest, what).toBeLessThan(1e-5);
}

describe("regions of images in files, through a CLIP", () => {
  let made = "";
  const kept = Array.from({ length: COUNT }, (_, item) => item).filter((item) => item !== BROKEN);
  const PATCHES = ["tokens", "values"] as const;

  beforeAll(async () => {
    const tasks = [task("crops", CROPS_FIELD), task("own", "{ kind: boxes, path: own.json }"), ...PATCHES.map((from) => task(from, `{ kind: patches, from: ${from} }`))];
    made = await run([write("files.yaml", experiment({ ...FILES, tasks })), "--out", place.file("runs")], { env, limitMs: LIMIT });
  }, LIMIT);

  it("are measured by every task, the image that cannot be read left out", () => {
    const { tasks } = metricsOf(made);
    expect(tasks.map(({ name, queries }) => [name, queries])).toEqual([["crops", COUNT - 1], ["own", COUNT - 1], ["tokens", COUNT - 1], ["values", COUNT - 1]]);
    const lines = readFileSync(join(made, "skipped.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(5);
    for (const line of lines) expect(line).toMatchObject({ collection: "photos", space: "sight", item: BROKEN, id: nameOf(BROKEN), reason: "DATA_CORRUPT" });
    expect(new Set(lines.map(({ regions }) => regions)).size).toBe(5);
  });

  it("have the embeddings of the same crops as images of their own", async () => {
    await succeed(["encode", "--encoder", "huggingface-clip", "--checkpoint", place.file("clip"), "--modality", "image", "--input", place.file("pieces"), "--out", place.file("encoded"), "--device", "cpu"], { env, limitMs: LIMIT });
    const pieces = (await readNpy(place.file("encoded", "embeddings.npy"))).data as Float32Array;
    const piece = (item: number, region: number): number[] => row({ rows: pieces, dim: DIM }, item * CROPS.length + region);
    const crops = await stored("runs", made, "photos in sight, crops 1 x 1 of 1, 2 x 2 of 0.5, squashed");
    expect(crops.ids).toEqual(kept.flatMap((item) => CROPS.map((_, region) => `${nameOf(item)}#${region}`)));
    for (const [index, item] of kept.entries()) {
      for (const region of CROPS.keys()) expectClose(row(crops, index * CROPS.length + region), piece(item, region), `${item}#${region}`);
    }
    const own = await stored("runs", made, `photos in sight, boxes of ${place.file("own.json")}, squashed`);
    expect(own.ids).toEqual(kept.flatMap((item) => ownBoxes(item).map((_, region) => `${nameOf(item)}#${region}`)));
    let next = 0;
    for (const item of kept) for (const region of ownBoxes(item).keys()) expectClose(row(own, next++), piece(item, (item % 3) + region), `${item}#${region} of its own`);
  }, LIMIT);

  it("are the patches of each image, by tokens or by values", async () => {
    const [tokens, values] = [await stored("runs", made, "photos in sight, patches by tokens"), await stored("runs", made, "photos in sight, patches by values")];
    for (const { rows, dim, ids } of [tokens, values]) {
      expect([rows.length, dim]).toEqual([kept.length * GRID * GRID * DIM, DIM]);
      expect(ids?.[GRID * GRID]).toBe(`${nameOf(kept[1] ?? 0)}#0`);
      expect(Math.hypot(...row({ rows, dim }, 7))).toBeCloseTo(1, 5);
    }
    expect(tokens.rows).not.toEqual(values.rows);
  });

  it("leave whole images as they are, and come from the store the next time", async () => {
    const tasks = [task("crops", CROPS_FIELD)];
    const again = await run([write("again.yaml", experiment({ ...FILES, tasks })), "--out", place.file("runs")], { env, limitMs: LIMIT });
    const encoded = manifestOf(again).outputs.filter(({ stage }) => stage === "encode");
    expect(encoded.map(({ output }) => output)).toContain("photos in sight, crops 1 x 1 of 1, 2 x 2 of 0.5, squashed");
    expect(encoded.every(({ fromStore }) => fromStore)).toBe(true);
    const [whole] = encoded.filter(({ output }) => output === "photos in sight");
    expect(whole?.inputs).not.toHaveProperty("regions");
  }, LIMIT);

  it.each([
    ["of another number of images", Array.from({ length: COUNT - 1 }, () => [[0, 0, 1, 1]]), `${COUNT - 1} `],
    ["of three numbers", Array.from({ length: COUNT }, (_, item) => [item === 7 ? [0, 0, 1] : [0, 0, 1, 1]]), "box 0 is [0,0,1]"],
    ["without a width", Array.from({ length: COUNT }, (_, item) => [item === 8 ? [0.4, 0, 0.4, 1] : [0, 0, 1, 1]]), "item 8"],
    ["in pixels", Array.from({ length: COUNT }, (_, item) => [item === 9 ? [3, 4, 20, 30] : [0, 0, 1, 1]]), "pixels"],
  ] as const)("are refused with boxes %s, naming them", async (_what, boxes, named) => {
    writeFileSync(place.file("wrong.json"), JSON.stringify(boxes));
    const path = write("wrong.yaml", experiment({ ...FILES, tasks: [task("own", "{ kind: boxes, path: wrong.json }")] }));
    expectRefusal(await cmcr(["run", path, "--out", place.file("wrong")], { env, limitMs: LIMIT }), 3, "wrong.json", named);
  }, LIMIT);
});

describe("regions of generated images", () => {
  const GENERATED = {
    sight: "{ provider: builtin, model: scenes-image-text, batchSize: 7 }",
    images: "    modality: image\n    source: { type: builtin, generator: scenes, split: test, count: 20 }\n    boxes: truth20.json",
    count: 20,
  };

  beforeAll(() => {
    writeFileSync(place.file("truth20.json"), JSON.stringify(Array.from({ length: 20 }, () => [[0, 0, 0.5, 0.5]])));
    writeFileSync(place.file("own20.json"), JSON.stringify(Array.from({ length: 20 }, (_, item) => ownBoxes(item))));
  });

  it("are cut out of each, the whole frame being the image itself", async () => {
    const tasks = [task("crops", CROPS_FIELD), task("own", "{ kind: boxes, path: own20.json }")];
    const made = await run([write("generated.yaml", experiment({ ...GENERATED, tasks })), "--out", place.file("generated")], { env, limitMs: LIMIT });
    expect(metricsOf(made).tasks.map(({ queries }) => queries)).toEqual([20, 20]);
    const whole = await stored("generated", made, "photos in sight");
    const crops = await stored("generated", made, "photos in sight, crops 1 x 1 of 1, 2 x 2 of 0.5, squashed");
    const own = await stored("generated", made, `photos in sight, boxes of ${place.file("own20.json")}, squashed`);
    expect([crops.rows.length, crops.ids]).toEqual([20 * CROPS.length * crops.dim, null]);
    let next = 0;
    for (let item = 0; item < 20; item += 1) {
      expectClose(row(crops, item * CROPS.length), row(whole, item), `all of image ${item}`);
      for (const region of ownBoxes(item).keys()) expectClose(row(own, next++), row(crops, item * CROPS.length + (item % 3) + region), `box ${region} of image ${item}`);
    }
  }, LIMIT);

  it("that the encoder has no patches of are refused, saying why", async () => {
    const path = write("none.yaml", experiment({ ...GENERATED, tasks: [task("patches", "{ kind: patches }")] }));
    expectRefusal(await cmcr(["run", path, "--out", place.file("none")], { env, limitMs: LIMIT }), 2, "the encoder of sight has no embeddings of patches", "kind: crops");
  }, LIMIT);
});

describe("an encoding of regions that is killed", () => {
  const MANY = 800;
  const OUTPUT = "many in sight, crops 1 x 1 of 1, 2 x 2 of 0.5, squashed";

  it("goes on from its finished shards, to the same bytes as one that was not", async () => {
    const folder = place.folder("many");
    for (let item = 0; item < MANY; item += 1) {
      const bytes = png(SIDE, colour(item));
      writeFileSync(join(folder, nameOf(item)), item % 400 === 399 ? bytes.subarray(0, 70) : bytes);
    }
    writeFileSync(place.file("truth-many.json"), JSON.stringify(Array.from({ length: MANY }, () => [[0, 0, 0.5, 0.5]])));
    const images = `    ${FILES.images.trim()}\n  many: { modality: image, source: { type: folder, path: many }, boxes: truth-many.json }\n  many-sounds: { modality: audio, source: { type: builtin, generator: scenes, split: test, count: ${MANY} } }`;
    const path = write("many.yaml", experiment({ ...FILES, images, tasks: [task("crops", CROPS_FIELD, "many", "many-sounds")] }));
    const whole = await run([path, "--out", place.file("whole")], { env, limitMs: LIMIT });

    const child = start(["run", path, "--out", place.file("killed"), "--json"], { env, limitMs: LIMIT });
    let folderOfRun = "";
    let killed = false;
    for await (const line of child.iterable({ from: "stdout" })) {
      const event = JSON.parse(line) as { readonly event: string; readonly folder?: string; readonly output?: string; readonly done?: number };
      if (event.event === "run") folderOfRun = event.folder ?? "";
      const partials = join(place.path, "killed", ".store", "partial");
      const begun = event.event === "progress" && event.output === OUTPUT && (event.done ?? 0) < MANY;
      if (killed || !begun || !existsSync(partials)) continue;
      const [key = ""] = readdirSync(partials);
      if (!readdirSync(join(partials, key)).some((name) => name.endsWith("json") && /^\d+-/.test(name))) continue;
      killed = true;
      process.kill(child.pid ?? 0, "SIGKILL");
    }
    await child;
    expect(killed).toBe(true);
    expect(await within(10_000, () => existsSync(folderOfRun))).toBe(true);
    const { stdout, stderr } = await succeed(["run", "--resume", folderOfRun, "--json"], { env, limitMs: LIMIT });
    const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as { readonly event: string; readonly output?: string; readonly done?: number });
    const first = lines.find(({ event, output }) => event === "progress" && output === OUTPUT);
    // What was finished is not done again.
    expect(first?.done, stderr).toBeGreaterThan(0);
    const sums = [whole, folderOfRun].map((made) => manifestOf(made).outputs.find(({ output }) => output === OUTPUT)?.files);
    expect(sums[1]).toEqual(sums[0]);
    expect(Object.keys(sums[0] ?? {})).toEqual(expect.arrayContaining(["embeddings.npy", "ids.jsonl", "skipped.jsonl"]));
    expect((await stored("killed", folderOfRun, OUTPUT)).rows.length).toBe((MANY - 2) * CROPS.length * DIM);
  }, LIMIT);
});
