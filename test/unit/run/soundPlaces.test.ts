import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { RemoteTensor } from "../../../src/bridge/types.js";
import type { CompiledCollection, CompiledCounterfactual, CompiledLocalization, CompiledView } from "../../../src/config/compiled.js";
import type { KeptItems } from "../../../src/data/keptItems.js";
import { layOut, type RegionBox, type RegionLayout } from "../../../src/data/regions.js";
import { counterfactualKind } from "../../../src/run/stages/counterfactual.js";
import { localizationKind } from "../../../src/run/stages/localization.js";
import type { Method, MethodContext } from "../../../src/run/stages/methods.js";
import type { PlaceTruth } from "../../../src/run/stages/soundPlaces.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

const QUARTERS: RegionBox[] = [
  [0, 0, 0.5, 0.5],
  [0.5, 0, 1, 0.5],
  [0, 0.5, 0.5, 1],
  [0.5, 0.5, 1, 1],
];
const HALF: RegionBox = [0, 0, 0.5, 1];

const TASK: CompiledLocalization = {
  name: "where",
  task: "localization",
  query: { data: "sounds", space: "hearing" },
  image: { data: "frames", space: "sight", regions: { kind: "crops", windows: [{ size: 0.5, steps: 2 }], squash: true } },
  map: { combine: "mean", predict: "map", interpolation: "bilinear", alignCorners: true, resolution: 8, threshold: null, strict: false, consensus: 1 },
  ks: [],
  baselines: [],
  bootstrap: { resamples: 10, seed: 0 },
};
const COUNTERFACTUAL: CompiledCounterfactual = { ...TASK, task: "counterfactual" };

const collection = (name: string, boxes: unknown): CompiledCollection => {
  const path = join(temporaryFolder(), "boxes.json");
  if (boxes !== null) writeFileSync(path, JSON.stringify(boxes));
  return { name, boxes: boxes === null ? null : { kind: "file", path }, source: { type: "folder", path: "/x" } } as unknown as CompiledCollection;
};

interface World {
  readonly sounds: KeptItems;
  readonly images: KeptItems;
  /** Of the images, or of the sounds where that is asked. */
  readonly boxes: unknown;
  readonly boxesOfSounds?: boolean;
  readonly regionsOf?: (item: number) => readonly RegionBox[];
}

/** A context in which sound `i` and region `j` of image `i` score as `scores` says. */
function contextOf({ sounds, images, boxes, boxesOfSounds = false, regionsOf = () => QUARTERS }: World, scores: (sound: number, region: number) => number = () => 0) {
  const regions: RegionLayout = layOut(regionsOf, images, null);
  const released: RemoteTensor[] = [];
  const rows = { sounds: sounds.count - sounds.skipped.length, frames: regions.boxes.length };
  const context = {
    run: {
      experiment: { data: { sounds: collection("sounds", boxesOfSounds ? boxes : null), frames: collection("frames", boxesOfSounds ? null : boxes) } },
      worker: {
        encoders: {},
        tensors: { release: (...tensors: RemoteTensor[]) => Promise.resolve(void released.push(...tensors)) },
        retrieval: {
          scoreGroups: (_queries: RemoteTensor, _gallery: RemoteTensor, queryRows: Uint32Array, starts: Uint32Array, ends: Uint32Array) =>
            Promise.resolve(Float32Array.from(queryRows.length === 0 ? [] : [...queryRows].flatMap((row, i) => Array.from({ length: (ends[i] ?? 0) - (starts[i] ?? 0) }, (_, j) => scores(row, (starts[i] ?? 0) + j))))),
        },
      },
      lists: {},
    },
    table: { get: (view: CompiledView) => (view.data === "sounds" ? { kept: sounds, regions: null } : { kept: images, regions }) },
  } as unknown as MethodContext;
  const method = { embed: (view: CompiledView) => Promise.resolve({ handle: view.data, rows: rows[view.data as keyof typeof rows], dim: 2 }) } as unknown as Method;
  return { context, released, pair: { there: method, back: null } };
}

const all = (count: number): KeptItems => ({ count, skipped: [] });

describe("pairs of sounds and images", () => {
  it("go by the items' numbers, and by those that both spaces could read", async () => {
    const boxes = [[HALF], [], [HALF, HALF], [[0, 0, 1, 1]], [HALF]];
    const { context } = contextOf({ sounds: { count: 5, skipped: [0] }, images: { count: 5, skipped: [3] }, boxes });
    const located = await localizationKind.truth(context, TASK);
    // Items 1, 2, 4 are left; 1 has no box. Sounds have the rows 0 to 3 for items 1 to 4, images 0 to 3 for 0, 1, 2, 4.
    expect([...located.soundRows]).toEqual([1, 3]);
    expect([[...located.items.starts], [...located.items.ends]]).toEqual([
      [8, 12],
      [12, 16],
    ]);
    expect(located.items.boxes).toEqual([[HALF, HALF], [HALF]]);
    expect(located.leftOut).toBe(1);
    const told = await counterfactualKind.truth(context, COUNTERFACTUAL);
    expect([...told.soundRows]).toEqual([0, 1, 3]);
    expect(told.items.boxes.map(({ length }) => length)).toEqual([0, 2, 1]);
    expect(told.leftOut).toBe(0);
  });

  it("have the boxes of the sounds' collection where the images have none", async () => {
    const { context } = contextOf({ sounds: all(1), images: all(1), boxes: [[HALF]], boxesOfSounds: true });
    expect((await localizationKind.truth(context, TASK)).items.boxes).toEqual([[HALF]]);
  });

  it("have the boxes of the images' collection where both have some", async () => {
    const { context } = contextOf({ sounds: all(1), images: all(1), boxes: [[HALF]] });
    const { data } = context.run.experiment as unknown as { data: Record<string, CompiledCollection> };
    data.sounds = collection("sounds", [[[0, 0, 1, 1]]]);
    expect((await localizationKind.truth(context, TASK)).items.boxes).toEqual([[HALF]]);
  });

  it.each([
    ["another number of sounds", { sounds: all(3), images: all(2), boxes: [[HALF], []] }, TASK, "SHAPE_MISMATCH", "evaluate.where.image: sound i belongs to image i, so there must be as many; found 3 items in sounds and 2 in frames"],
    ["another number of boxes", { sounds: all(2), images: all(2), boxes: [[HALF]] }, TASK, "SHAPE_MISMATCH", "has boxes for 1 items of 2"],
    ["no box at all", { sounds: all(2), images: all(2), boxes: [[], []] }, TASK, "NOTHING_TO_MEASURE", "boxes.json), so no place can be right or wrong. Give each item in which something sounds a list of boxes"],
    ["boxes alone where foreign sounds are looked for", { sounds: all(2), images: all(2), boxes: [[HALF], [HALF]] }, COUNTERFACTUAL, "NOTHING_TO_MEASURE", "every item has a box"],
    ["foreign sounds alone", { sounds: all(2), images: all(2), boxes: [[], []] }, COUNTERFACTUAL, "NOTHING_TO_MEASURE", "no item has a box"],
    ["an image without a region", { sounds: all(2), images: all(2), boxes: [[HALF], [HALF]], regionsOf: (item: number) => (item === 1 ? [] : QUARTERS) }, TASK, "LOCALIZATION_INVALID", "the image 1 (counted from 0) has no region"],
  ] as const)("are refused with exit 3: %s", async (_what, world, task, reason, said) => {
    const { context } = contextOf(world);
    const error = await failureOf(task.task === "localization" ? localizationKind.truth(context, task) : counterfactualKind.truth(context, task));
    expect(error).toMatchObject({ code: 3, reason });
    expect(error.message).toContain(said);
  });
});

describe("a method's outcomes", () => {
  const boxes = [[HALF], [], [HALF]];

  it("are the cIoU and the confidence of each item, from its own sound and its own regions", async () => {
    // The sound of row 2 is louder in the left half, that of row 0 in the right one.
    const { context, released, pair } = contextOf({ sounds: all(3), images: all(3), boxes }, (sound, region) => ((region % 2 === 0) === (sound === 2) ? 0.5 : 0.25 - sound / 16));
    const located = await localizationKind.measure(context, TASK, await localizationKind.truth(context, TASK), pair);
    expect(located).toEqual({ ciou: Float64Array.of(0, 1), confidence: Float64Array.of(0.5, 0.5) });
    expect(released.map(({ handle }) => handle)).toEqual(["sounds", "frames"]);
    const told = await counterfactualKind.measure(context, COUNTERFACTUAL, await counterfactualKind.truth(context, COUNTERFACTUAL), pair);
    expect(told).toEqual({ ciou: Float64Array.of(0, NaN, 1), confidence: Float64Array.of(0.5, 0.5, 0.5) });
  });

  it("end with exit 5 where a score is NaN", async () => {
    const { context, pair } = contextOf({ sounds: all(3), images: all(3), boxes }, (sound) => (sound === 2 ? NaN : 0));
    const truth = await localizationKind.truth(context, TASK);
    expect(await failureOf(localizationKind.measure(context, TASK, truth, pair))).toMatchObject({ code: 5, reason: "NON_FINITE" });
  });

  it("are compared under their names, the baselines without embeddings worked out from the boxes", async () => {
    const { context, pair } = contextOf({ sounds: all(3), images: all(3), boxes }, (sound, region) => ((region % 2 === 0) === (sound === 2) ? 0.5 : 0.25));
    const truth = await counterfactualKind.truth(context, COUNTERFACTUAL);
    const outcomes = await counterfactualKind.measure(context, COUNTERFACTUAL, truth, pair);
    const prior = (name: string) => ({ kind: "prior", name, baseline: { name, method: name, gap: false, temperature: null, regularization: null, dimensions: null } }) as const;
    const { metrics } = counterfactualKind.compare(COUNTERFACTUAL, truth, [{ kind: "measured", name: "cmcr", seeds: [outcomes] }, prior("chance"), prior("centre")]);
    expect(Object.keys(metrics.results)).toEqual(["cmcr", "chance", "centre"]);
    expect(metrics.results.cmcr?.LocAcc?.value).toBe(0.5);
    expect(await counterfactualKind.finish?.(context, COUNTERFACTUAL, truth, metrics, outcomes)).toEqual(metrics);
  });

  it("have a key that changes with the boxes, the pairs and the regions", async () => {
    const identity = async (world: Partial<World>): Promise<string> => {
      const { context } = contextOf({ sounds: all(3), images: all(3), boxes, ...world });
      const truth: PlaceTruth = await localizationKind.truth(context, TASK);
      return JSON.stringify(localizationKind.identity(truth, TASK));
    };
    const keys = await Promise.all([
      identity({}),
      identity({ boxes: [[HALF], [], [[0, 0, 0.5, 0.9]]] }),
      identity({ sounds: { count: 3, skipped: [0] } }),
      identity({ regionsOf: () => [[0, 0, 1, 1], ...QUARTERS.slice(1)] }),
    ]);
    expect(new Set(keys).size).toBe(4);
    expect(await identity({})).toBe(keys[0]);
  });
});
