import { fileURLToPath } from "node:url";

import { execa } from "execa";
import { beforeAll, describe, expect, it } from "vitest";

import { randomSource } from "../../src/connect/random.js";
import { cropBoxes, gridBoxes } from "../../src/data/regions.js";
import { counterfactualStatistics } from "../../src/evaluate/counterfactual.js";
import { type Box, localizationStatistics } from "../../src/evaluate/localization.js";
import { type MapSettings, type PlaceItems, PlaceMeter } from "../../src/evaluate/places.js";
import { setupPaths } from "../../src/setup/paths.js";

/** A test set with its scores, as both sides are given it. */
interface Case {
  readonly what: string;
  readonly settings: MapSettings;
  readonly grid: PlaceItems["grid"];
  readonly boxes: readonly (readonly Box[])[];
  readonly regions: readonly (readonly Box[])[];
  readonly scores: readonly (readonly number[])[];
}

/** What the reference makes of it; null for NaN. */
interface Answer {
  readonly ciou: readonly (number | null)[];
  readonly confidence: readonly number[];
  readonly localization: Readonly<Record<string, number>>;
  readonly counterfactual: Readonly<Record<string, number>>;
}

/** The sums are taken in another order, and nothing else differs. */
const TOLERANCE = 1e-9;

const SETTINGS: MapSettings = { combine: "mean", predict: "map", interpolation: "bilinear", alignCorners: true, resolution: 56, threshold: null, strict: false, consensus: 1 };
const GRID = cropBoxes([
  { size: 1, steps: 1 },
  { size: 1 / 2, steps: 3 },
  { size: 1 / 3, steps: 5 },
]);

const random = randomSource(11);
const uniform = (low = 0, high = 1) => low + ((high - low) * random.nextUint32()) / 2 ** 32;
const below = (bound: number) => random.nextBelow(bound);

/** Boxes as annotations have them: mostly right, some beyond the frame, turned round, or none. */
function annotation(): Box[] {
  if (below(4) === 0) return [];
  return Array.from({ length: 1 + below(3) }, (): Box => {
    const kind = below(12);
    if (kind === 0) return [-2.9e16, uniform(), 1, uniform()];
    if (kind === 1) return [uniform(0.5), uniform(0.5), uniform(0, 0.5), uniform(0, 0.5)];
    const [left, top] = [uniform(-0.05, 0.6), uniform(-0.05, 0.6)];
    return [left, top, left + uniform(0.02, 0.6), top + uniform(0.02, 0.6)];
  });
}

/** Scores are those of the network's precision; coarse ones tie. */
function scoresOf(count: number, coarse: boolean): number[] {
  return Array.from({ length: count }, () => (coarse ? below(5) / 4 - 0.5 : Math.fround(uniform(-1, 1))));
}

function testSet(what: string, more: Partial<MapSettings>, of: { readonly items: number; readonly regions?: "grid" | "own"; readonly grid?: PlaceItems["grid"]; readonly coarse?: boolean }): Case {
  const { items, regions = "grid", grid = null, coarse = false } = of;
  const boxes = Array.from({ length: items }, annotation);
  // Both kinds occur, whatever is drawn.
  boxes[0] = [[0.1, 0.1, 0.6, 0.7]];
  if (items > 1) boxes[1] = [];
  const own = (): Box[] => Array.from({ length: 1 + below(6) }, (): Box => {
    const [left, top] = [uniform(-0.1, 0.9), uniform(-0.1, 0.9)];
    return [left, top, left + uniform(0, 0.8), top + uniform(0, 0.8)];
  });
  const places = boxes.map(() => (grid !== null ? gridBoxes(grid) : regions === "grid" ? GRID : own()));
  return { what, settings: { ...SETTINGS, ...more }, grid, boxes, regions: places, scores: places.map(({ length }) => scoresOf(length, coarse)) };
}

const square = { rows: 7, columns: 7 };
const oblong = { rows: 3, columns: 5 };
const CASES: readonly Case[] = [
  testSet("crops, mean", {}, { items: 60 }),
  testSet("crops, mean, scores that tie", {}, { items: 60, coarse: true }),
  testSet("crops, largest", { combine: "max" }, { items: 60 }),
  testSet("crops, above the median", { strict: true }, { items: 40, coarse: true }),
  testSet("crops, at a number", { threshold: 0.05, consensus: 2 }, { items: 40 }),
  testSet("crops, half the largest", { threshold: "half-maximum", strict: true, combine: "max" }, { items: 40 }),
  testSet("crops, the best one", { predict: "best-region" }, { items: 60 }),
  testSet("crops, at the published resolution", { resolution: 224, consensus: 2 }, { items: 20 }),
  testSet("boxes of one's own", {}, { items: 60, regions: "own", coarse: true }),
  testSet("boxes of one's own, largest", { combine: "max", resolution: 33 }, { items: 60, regions: "own" }),
  testSet("patches, bilinear", { resolution: 64 }, { items: 40, grid: square }),
  testSet("patches, bicubic", { interpolation: "bicubic", resolution: 64 }, { items: 40, grid: square }),
  // At a number: half a patch inside, the border of a map has one value, which PyTorch's rounding parts at the median.
  testSet("patches, bicubic, half a patch inside", { interpolation: "bicubic", alignCorners: false, resolution: 50, threshold: 0.1 }, { items: 40, grid: oblong }),
  testSet("patches, bilinear, half a patch inside", { alignCorners: false, resolution: 50, threshold: 0.1 }, { items: 40, grid: oblong }),
  testSet("patches, nearest", { interpolation: "nearest", resolution: 50 }, { items: 40, grid: oblong }),
  testSet("patches, the best one", { predict: "best-region" }, { items: 40, grid: oblong }),
  testSet("more than 200 items, so that thresholds are skipped", { resolution: 16 }, { items: 450, coarse: true }),
  testSet("more than 400 items, none of which ties", { resolution: 16 }, { items: 450 }),
  testSet("one item", {}, { items: 1 }),
];

/** The same by the code that is tested. */
function ours({ settings, grid, boxes, regions, scores }: Case): Answer {
  const ends = Uint32Array.from(regions, (_, i) => regions.slice(0, i + 1).reduce((sum, { length }) => sum + length, 0));
  const items: PlaceItems = { boxes, starts: Uint32Array.from(ends, (end, i) => end - (regions[i]?.length ?? 0)), ends, regions: regions.flat(), grid };
  const meter = new PlaceMeter(items, settings);
  const measures = scores.map((own, item) => meter.measure(item, Float32Array.from(own)));
  const ciou = Float64Array.from(measures, (measure) => measure.ciou);
  const confidence = Float64Array.from(measures, (measure) => measure.confidence);
  const values = (statistics: Record<string, { readonly value: number }>) => Object.fromEntries(Object.entries(statistics).map(([name, { value }]) => [name, value]));
  return {
    ciou: Array.from(ciou, (value) => (Number.isNaN(value) ? null : value)),
    confidence: [...confidence],
    localization: values(localizationStatistics(ciou.filter((_, item) => (boxes[item]?.length ?? 0) > 0))),
    counterfactual: values(counterfactualStatistics({ ciou, confidence, boxes: Uint32Array.from(boxes, ({ length }) => length) })),
  };
}

describe("places measured by NumPy, PyTorch and scikit-learn", () => {
  let answers: readonly Answer[] = [];

  beforeAll(async () => {
    const script = fileURLToPath(new URL("support/placesReference.py", import.meta.url));
    const { stdout } = await execa(setupPaths().python, [script], { input: JSON.stringify(CASES) });
    answers = JSON.parse(stdout) as readonly Answer[];
  }, 120_000);

  it.each(CASES.map((one, index) => [one.what, one, index] as const))("are the same: %s", (_what, one, index) => {
    const [own, reference] = [ours(one), answers[index]];
    if (reference === undefined) throw new Error("the reference has no answer");
    const compare = (mine: readonly (number | null)[], theirs: readonly (number | null)[], tolerance: number) => {
      expect(mine).toHaveLength(theirs.length);
      mine.forEach((value, i) => {
        const other = theirs[i];
        if (value === null || other === null || other === undefined) expect(value).toBe(other);
        else expect(Math.abs(value - other), `${one.what}, item ${i}`).toBeLessThan(tolerance);
      });
    };
    compare(own.ciou, reference.ciou, TOLERANCE);
    compare(own.confidence, reference.confidence, TOLERANCE);
    for (const task of ["localization", "counterfactual"] as const) {
      for (const [name, value] of Object.entries(reference[task])) expect(Math.abs((own[task][name] ?? NaN) - value), `${one.what}: ${name}`).toBeLessThan(TOLERANCE);
    }
  });
});
