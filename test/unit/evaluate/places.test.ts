import { describe, expect, it } from "vitest";
import type { Box } from "../../../src/evaluate/localization.js";
import { beyondMedian, boxFaults, centreOutcomes, chanceOutcomes, type MapSettings, type PlaceItems, PlaceMeter, sizeOf } from "../../../src/evaluate/places.js";

const SETTINGS: MapSettings = {
  combine: "mean",
  predict: "map",
  interpolation: "bilinear",
  alignCorners: true,
  resolution: 4,
  threshold: null,
  strict: false,
  consensus: 1,
};

const QUARTERS: Box[] = [
  [0, 0, 0.5, 0.5],
  [0.5, 0, 1, 0.5],
  [0, 0.5, 0.5, 1],
  [0.5, 0.5, 1, 1],
];

/** Items with the same regions each. */
function itemsOf(boxes: readonly (readonly Box[])[], regions: readonly Box[] = QUARTERS, grid: PlaceItems["grid"] = null): PlaceItems {
  return {
    boxes,
    starts: Uint32Array.from(boxes, (_, i) => i * regions.length),
    ends: Uint32Array.from(boxes, (_, i) => (i + 1) * regions.length),
    regions: boxes.flatMap(() => regions),
    grid,
  };
}

const measure = (boxes: readonly Box[], scores: readonly number[], settings: Partial<MapSettings> = {}, regions = QUARTERS, grid: PlaceItems["grid"] = null) =>
  new PlaceMeter(itemsOf([boxes], regions, grid), { ...SETTINGS, ...settings }).measure(0, Float64Array.from(scores));

describe("an item", () => {
  it("is predicted where its map reaches the median, the median itself included", () => {
    // 16 pixels, 4 of each score: the value at place 8 of the sorted ones is 0.5.
    expect(measure([[0, 0, 1, 0.5]], [0.75, 0.5, 0.25, 0])).toEqual({ ciou: 1, confidence: 0.75 });
    // Where the scores tie at the median, all of them are in.
    expect(measure([[0, 0, 1, 0.5]], [1, 0, 0, 0]).ciou).toBe(0.5);
  });

  it("above the median alone loses the median pixels, as LVS has it", () => {
    expect(measure([[0, 0, 1, 0.5]], [0.75, 0.5, 0.25, 0], { strict: true }).ciou).toBe(0.5);
    expect(measure([[0, 0, 1, 1]], [1, 1, 1, 1], { strict: true }).ciou).toBe(0);
    expect(measure([[0, 0, 1, 1]], [1, 1, 1, 1]).ciou).toBe(1);
  });

  it("is cut at a number, or at half its largest value", () => {
    expect(measure([[0, 0, 0.5, 0.5]], [0.75, 0.5, 0.25, 0], { threshold: 0.6 }).ciou).toBe(1);
    expect(measure([[0, 0, 0.5, 0.5]], [0.75, 0.5, 0.25, 0], { threshold: 2 }).ciou).toBe(0);
    expect(measure([[0, 0, 1, 0.5]], [1, 0.5, 0.25, 0], { threshold: "half-maximum" }).ciou).toBe(1);
    expect(measure([[0, 0, 1, 0.5]], [1, 0.5, 0.25, 0], { threshold: "half-maximum", strict: true }).ciou).toBe(0.5);
    // Half of a largest value below 0 lies above it: nothing is predicted.
    expect(measure([[0, 0, 1, 1]], [-0.5, -0.75, -1, -1], { threshold: "half-maximum" }).ciou).toBe(0);
  });

  it("is as confident as its map is, which is not stretched between its least and largest value", () => {
    const [low, high] = [measure([], [0.25, 0.125, 0, 0]), measure([], [0.75, 0.5, 0, 0])];
    expect([low.confidence, high.confidence]).toEqual([0.25, 0.75]);
    expect([low.ciou, high.ciou]).toEqual([NaN, NaN]);
  });

  it("is predicted by its best region alone where that is asked, with its score as confidence", () => {
    expect(measure([[0.5, 0, 1, 0.5]], [0.1, 0.9, 0.2, 0.3], { predict: "best-region" })).toEqual({ ciou: 1, confidence: 0.9 });
    expect(measure([[0.5, 0, 1, 1]], [0.1, 0.9, 0.2, 0.3], { predict: "best-region" }).ciou).toBe(0.5);
    expect(measure([], [0.1, 0.9, 0.2, 0.3], { predict: "best-region" })).toEqual({ ciou: NaN, confidence: 0.9 });
    // A region that covers no pixel predicts nothing.
    expect(measure([[0, 0, 1, 1]], [1], { predict: "best-region" }, [[0.3, 0, 0.4, 1]])).toEqual({ ciou: 0, confidence: 1 });
  });

  it("of boxes of one's own that are the true ones is predicted whole", () => {
    const own: Box[] = [[0.29, 0.07, 0.58, 0.93]];
    expect(measure(own, [0.5], { predict: "best-region", resolution: 224 }, own).ciou).toBe(1);
  });

  it("of patches is interpolated, and its best patch has a place too", () => {
    const grid = { rows: 2, columns: 2 };
    expect(measure([[0.5, 0, 1, 1]], [0, 1, 0, 1], {}, QUARTERS, grid).ciou).toBe(1);
    expect(measure([[0.5, 0, 1, 0.5]], [0, 1, 0, 0.5], { predict: "best-region" }, QUARTERS, grid).ciou).toBe(1);
    // Between its corners a map of four patches is smooth; without interpolation it has four values.
    expect(measure([[0, 0, 1, 1]], [0, 1, 2, 3], { interpolation: "nearest" }, QUARTERS, grid).confidence).toBe(3);
    expect(measure([[0, 0, 1, 1]], [0, 1, 2, 3], {}, QUARTERS, grid).confidence).toBeCloseTo((3 + 8 / 3 + 7 / 3 + 7 / 3) / 4, 12);
  });

  it("counts half where half of the boxes agree", () => {
    const boxes: Box[] = [
      [0, 0, 0.5, 1],
      [0, 0, 1, 1],
    ];
    // The left half counts 1 and the right one 0.5 each: 8 + 4. The upper half is predicted: 4 + 2 of 12.
    expect(measure(boxes, [1, 1, 0, 0], { consensus: 2 }).ciou).toBe(0.5);
    expect(measure(boxes, [1, 1, 0, 0]).ciou).toBe(0.5);
    expect(measure([[0, 0, 0.5, 1]], [1, 0, 1, 0], { consensus: 2 }).ciou).toBe(1);
  });

  it("takes its own regions, whatever lies before them", () => {
    const items: PlaceItems = { ...itemsOf([[[0, 0, 1, 1]], [[0.5, 0, 1, 1]]]), starts: Uint32Array.of(0, 2), ends: Uint32Array.of(1, 4), regions: [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0.5, 1], [0.5, 0, 1, 1]], grid: null };
    expect(new PlaceMeter(items, SETTINGS).measure(1, Float32Array.of(0, 1)).ciou).toBe(1);
  });
});

describe("chance", () => {
  const boxes = Array.from({ length: 400 }, (_, i): Box[] => (i % 2 === 0 ? [QUARTERS[i % 4] ?? [0, 0, 1, 1]] : []));
  const items = itemsOf(boxes);

  it("draws scores of the same regions, the same with the same seed", () => {
    const [first, again, other] = [0, 0, 1].map((seed) => chanceOutcomes(items, SETTINGS, seed));
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    // A quarter is found among the best two of four, with cIoU 1/2, as often as not.
    const sounding = first?.ciou.filter((_, i) => i % 2 === 0) ?? [];
    expect(new Set(sounding)).toEqual(new Set([0, 0.5]));
    const share = sounding.filter((value) => value === 0.5).length / 200;
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.6);
  });

  it("is as confident of pairs that belong together as of others", () => {
    const { confidence, ciou } = chanceOutcomes(items, SETTINGS, 0);
    const mean = (values: Float64Array) => values.reduce((a, b) => a + b, 0) / values.length;
    expect(Math.min(...confidence)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...confidence)).toBeLessThan(1);
    for (const parity of [0, 1]) expect(mean(confidence.filter((_, i) => i % 2 === parity))).toBeCloseTo(0.5, 1);
    // The confidence follows from nothing that decides the place.
    for (const found of [0, 0.5]) expect(mean(confidence.filter((_, i) => ciou[i] === found))).toBeCloseTo(0.5, 1);
  });
});

describe("centre", () => {
  it("takes the half of the frame that lies nearest to its middle", () => {
    const { ciou, confidence } = centreOutcomes(itemsOf([[[0.25, 0.25, 0.75, 0.75]], [[0, 0, 1, 1]], [], [[0, 0, 0.25, 0.25]]]), SETTINGS);
    // 4 x 4 pixels: the inner 4 and the 8 beside them, which tie at the median.
    expect([...ciou]).toEqual([4 / 12, 12 / 16, NaN, 0]);
    expect([...confidence]).toEqual([0, 0, 0, 0]);
  });

  it("is half of the frame where pixels are fine, whatever the task's threshold", () => {
    for (const threshold of [null, 0.7, "half-maximum"] as const) {
      const { ciou } = centreOutcomes(itemsOf([[[0, 0, 1, 1]], [[0, 0, 0.1, 0.1]]]), { ...SETTINGS, resolution: 224, threshold, strict: true, predict: "best-region" });
      expect(ciou[0]).toBeCloseTo(0.5, 2);
      expect(ciou[1]).toBe(0);
    }
  });
});

describe("what is odd about boxes", () => {
  it("is counted", () => {
    const boxes: Box[][] = [
      [[-2.9e16, 0, 0.5, 1]],
      [[0, 0, 1.0000001, 1]],
      [[0.8, 0, 0.2, 1], [0, 0, 0.5, 0.5]],
      [[0.5, 0, 0.5, 1]],
      [[0.001, 0, 0.002, 1]],
      [[-3, 0, -1, 1]],
      [],
    ];
    expect(boxFaults(boxes, 100)).toEqual({ beyond: 2, degenerate: 3, hopeless: 3 });
    expect(boxFaults([[[0, 0, 1, 1]], []], 10)).toEqual({ beyond: 0, degenerate: 0, hopeless: 0 });
  });
});

describe("what a map cut at its median cannot reach", () => {
  const at = (boxes: readonly Box[], consensus = 1) => beyondMedian([boxes], { resolution: 40, consensus });

  it("is a cIoU of 0.5 where less than a quarter of the frame sounds", () => {
    expect(at([[0, 0, 0.5, 0.5]])).toBe(0);
    expect(at([[0, 0, 0.5, 0.475]])).toBe(1);
    expect(at([])).toBe(0);
    expect(at([[0.5, 0, 0.5, 1]])).toBe(1);
    expect(at([[0, 0, 1, 1]])).toBe(0);
    // The best that a map can do: all of the quarter, and as much again beside it.
    expect(measure([[0, 0, 0.5, 0.5]], [1, 0.5, 0, 0], { resolution: 40 }).ciou).toBe(0.5);
  });

  it("counts what half of the boxes cover half, and not as outside", () => {
    // 0.3 of the frame in full is enough; half-certain it is 0.15, with 0.2 outside.
    expect(at([[0, 0, 0.3, 1]])).toBe(0);
    expect(at([[0, 0, 0.3, 1]], 2)).toBe(1);
    expect(at([[0, 0, 0.4, 1]], 2)).toBe(0);
  });
});

describe("sizes", () => {
  const square = (pixels: number): Box => [0, 0, pixels / 224 + 1e-9, pixels / 224 + 1e-9];

  it.each([
    [31, "small"],
    [32, "medium"],
    [95, "medium"],
    [96, "large"],
    [143, "large"],
    [144, "huge"],
    [224, "huge"],
  ])("a square of %i pixels across is %s", (pixels, size) => {
    expect(sizeOf([square(pixels)], 1)).toBe(size);
  });

  it("count what boxes cover together once, and what half of them cover half", () => {
    expect(sizeOf([square(90), square(90)], 1)).toBe("medium");
    // 100 x 100 pixels of which no two boxes agree: 5000 of 10000.
    expect(sizeOf([square(100)], 1)).toBe("large");
    expect(sizeOf([square(100)], 2)).toBe("medium");
  });

  it("have no item without a box, and nothing is as small as what covers nothing", () => {
    expect(sizeOf([], 1)).toBeNull();
    expect(sizeOf([[0.8, 0, 0.2, 1]], 1)).toBe("small");
  });
});
