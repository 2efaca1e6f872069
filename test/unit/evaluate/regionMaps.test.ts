import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Box, MapMeter } from "../../../src/evaluate/localization.js";
import { bestRegion, cropCount, RegionMapper } from "../../../src/evaluate/regionMaps.js";

/** Pixel by pixel: which regions cover it, and what becomes of their scores. */
function naiveMap(regions: readonly Box[], scores: readonly number[], side: number, combine: "mean" | "max"): number[] {
  const clip = (v: number) => Math.min(1, Math.max(0, v));
  const pixel = (v: number) => Math.trunc(clip(v) * side + 1e-6);
  return Array.from({ length: side * side }, (_, i) => {
    const [y, x] = [Math.trunc(i / side), i % side];
    const over = scores.filter((_, r) => {
      const [left, top, right, bottom] = regions[r] ?? [0, 0, 0, 0];
      return x >= pixel(left) && x < pixel(right) && y >= pixel(top) && y < pixel(bottom);
    });
    if (over.length === 0) return Math.min(...scores);
    return combine === "max" ? Math.max(...over) : over.reduce((a, b) => a + b, 0) / over.length;
  });
}

const whole: Box = [0, 0, 1, 1];
const leftHalf: Box = [0, 0, 0.5, 1];
const topHalf: Box = [0, 0, 1, 0.5];

describe("a map of regions", () => {
  it("has the mean of the regions over a pixel, or the largest", () => {
    const regions = [whole, leftHalf, topHalf];
    const scores = [0, 0.5, -0.25];
    expect([...new RegionMapper(2, "mean").map(regions, scores)]).toEqual([0.25 / 3, -0.125, 0.25, 0]);
    expect([...new RegionMapper(2, "max").map(regions, scores)]).toEqual([0.5, 0, 0.5, 0]);
  });

  it("has the lowest score where no region lies", () => {
    for (const combine of ["mean", "max"] as const) {
      expect([...new RegionMapper(2, combine).map([leftHalf, topHalf], [0.75, 0.25])].at(3), combine).toBe(0.25);
      expect([...new RegionMapper(2, combine).map([[0.5, 0.5, 1, 1]], [-0.5])], combine).toEqual([-0.5, -0.5, -0.5, -0.5]);
    }
  });

  it("cuts regions at the frame, and those that are turned round or too thin cover nothing", () => {
    for (const combine of ["mean", "max"] as const) {
      const map = new RegionMapper(4, combine).map([[-5, 0, 0.5, 3], [0.75, 0, 0.25, 1], [0.6, 0, 0.7, 1], whole], [8, 100, 100, 2]);
      expect([...map.subarray(0, 4)], combine).toEqual(combine === "max" ? [8, 8, 2, 2] : [5, 5, 2, 2]);
    }
  });

  it("takes an edge that rounding left just below a pixel's for that pixel's", () => {
    // (1 - 1/3) * 3/4 * 224 and the like; 0.29 * 100 is 28.999999999999996.
    const map = new RegionMapper(100, "max").map([whole, [0.29, 0, 0.58, 1]], [0, 1]);
    expect([map[28], map[29], map[57], map[58]]).toEqual([0, 1, 1, 0]);
  });

  it("has one value wherever the same regions lie, so that the median takes all of it or none", async () => {
    // Left and right of the boxes lies the whole frame alone; sums that are taken away again would leave 0.1 + 0.2 - 0.2 there.
    const regions: Box[] = [whole, [0.25, 0, 0.5, 1], [0.25, 0, 0.5, 1]];
    const map = new RegionMapper(4, "mean").map(regions, [0.1, 0.2, 0.7]);
    expect(new Set([map[0], map[2], map[3]]).size).toBe(1);
    expect(map[0]).toBeCloseTo(0.1, 15);
    // Equal scores everywhere are a map that is the same everywhere, however many regions lie where.
    expect(new Set(new RegionMapper(8, "mean").map([whole, leftHalf, topHalf, [0.1, 0.1, 0.9, 0.9]], [0.1, 0.1, 0.1, 0.1])).size).toBe(1);
    const { ciou } = new MapMeter(4, 4, { threshold: null }).measure(map, [[0.25, 0, 0.5, 1]]);
    expect(ciou).toBe(4 / 16);
  });

  it("can be used again, and nothing of the last item stays", () => {
    for (const combine of ["mean", "max"] as const) {
      const mapper = new RegionMapper(3, combine);
      mapper.map([whole, leftHalf], [5, 9]);
      expect([...mapper.map([topHalf], [1])], combine).toEqual(new Array(9).fill(1));
      expect([...mapper.fill([0, 0, 0.34, 1])], combine).toEqual([1, 0, 0, 1, 0, 0, 1, 0, 0]);
    }
  });

  // Doubles of fast-check lie as closely about 0 as numbers do, and regions of them cover nothing.
  const corner = fc.integer({ min: -20, max: 120 }).map((hundredths) => hundredths / 100);
  const items = fc.record({
    side: fc.integer({ min: 1, max: 9 }),
    regions: fc.array(fc.record({ box: fc.tuple(corner, corner, corner, corner), score: fc.integer({ min: -100, max: 100 }).map((hundredths) => Math.fround(hundredths / 100)) }), { minLength: 1, maxLength: 12 }),
  });

  it.each(["mean", "max"] as const)("agrees with pixel by pixel arithmetic: %s", (combine) => {
    fc.assert(
      fc.property(items, ({ side, regions }) => {
        const boxes = regions.map(({ box }): Box => box);
        const scores = regions.map(({ score }) => score);
        const expected = naiveMap(boxes, scores, side, combine);
        new RegionMapper(side, combine).map(boxes, Float32Array.from(scores)).forEach((value, i) => {
          expect(value).toBeCloseTo(expected[i] ?? NaN, 12);
        });
      }),
      { numRuns: 300 },
    );
  });
});

describe("regions", () => {
  it("are best where the score is largest, the first of equal ones", () => {
    expect(bestRegion([-3, -1, -2])).toBe(1);
    expect(bestRegion([1, 2, 2])).toBe(1);
    expect(bestRegion(Float32Array.of(0.5))).toBe(0);
  });

  it("are as many crops as the windows' steps make", () => {
    expect(cropCount([{ steps: 1 }, { steps: 3 }, { steps: 5 }])).toBe(35);
  });
});
