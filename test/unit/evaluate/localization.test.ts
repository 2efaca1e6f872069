import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Box, ciou, localizationStatistics, type MapBlock, measureMaps, rasterizeBoxes } from "../../../src/evaluate/localization.js";
import { selectSmallest } from "../../../src/evaluate/selection.js";

function block(maps: readonly (readonly number[])[], height: number, width: number): MapBlock {
  return { data: Float64Array.from(maps.flat()), count: maps.length, height, width };
}

const median = { threshold: null } as const;
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** As the published evaluations write it with numpy: whole arrays, a sort, a mask. */
function naiveCiou(map: readonly number[], boxes: readonly Box[], height: number, width: number, consensus: number, threshold: number | null): number {
  const clip = (v: number) => Math.min(Math.max(v, 0), 1);
  const truth = map.map((_, i) => {
    const [y, x] = [Math.trunc(i / width), i % width];
    const over = boxes.filter(([left, top, right, bottom]) => {
      const [x1, x2] = [left, right].map((v) => Math.trunc(clip(v) * width));
      const [y1, y2] = [top, bottom].map((v) => Math.trunc(clip(v) * height));
      return x >= (x1 ?? 0) && x < (x2 ?? 0) && y >= (y1 ?? 0) && y < (y2 ?? 0);
    });
    return Math.min(over.length / consensus, 1);
  });
  const limit = threshold ?? [...map].sort((a, b) => a - b)[Math.trunc(map.length * 0.5)] ?? NaN;
  const inferred = map.map((value) => (value >= limit ? 1 : 0));
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const below = sum(truth) + sum(inferred.map((value, i) => (truth[i] === 0 ? value : 0)));
  return below === 0 ? 0 : sum(inferred.map((value, i) => value * (truth[i] ?? 0))) / below;
}

describe("boxes", () => {
  it("cover whole pixels, right and bottom excluded, corners clipped", () => {
    // 4 wide, 3 high: columns 1 to 2, rows 0 to 1.
    expect([...rasterizeBoxes([[0.25, -3, 0.99, 0.7]], 3, 4)]).toEqual([0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
    expect([...rasterizeBoxes([[-2.9e16, 0, 1e9, 1]], 1, 3)]).toEqual([1, 1, 1]);
  });

  it("cover nothing when they are turned round or too thin", () => {
    expect([...rasterizeBoxes([[0.8, 0, 0.2, 1], [0.5, 0, 0.5, 1], [0.1, 0, 0.2, 1]], 1, 4)]).toEqual([0, 0, 0, 0]);
  });

  it("count once where they overlap, or by consensus", () => {
    const boxes: Box[] = [[0, 0, 0.75, 1], [0.25, 0, 1, 1], [0.25, 0, 0.5, 1]];
    expect([...rasterizeBoxes(boxes, 1, 4)]).toEqual([1, 1, 1, 1]);
    expect([...rasterizeBoxes(boxes, 1, 4, 2)]).toEqual([0.5, 1, 1, 0.5]);
  });
});

describe("cIoU of hand-made cases", () => {
  it("divides by the truth and what is predicted outside", () => {
    const truth = new Float64Array([1, 1, 0, 0]);
    expect(ciou(new Float64Array([1, 1, 0, 0]), 0.5, truth)).toBe(1);
    expect(ciou(new Float64Array([1, 0, 1, 0]), 0.5, truth)).toBe(1 / 3);
    expect(ciou(new Float64Array([0, 0, 1, 1]), 0.5, truth)).toBe(0);
    // Consensus: half-certain truth weighs half, and is not outside.
    expect(ciou(new Float64Array([1, 1, 1, 0]), 0.5, new Float64Array([1, 0.5, 0, 0]))).toBe(1.5 / 2.5);
    expect(ciou(new Float64Array(4), 0.5, new Float64Array(4))).toBe(0);
  });

  it("predicts the upper half at the median, the median itself included", async () => {
    const boxes: Box[][] = [[[0.5, 0, 1, 1]], [[0, 0, 1, 1]], [[0.5, 0, 1, 1]]];
    const maps = [
      [1, 2, 3, 4],
      [7, 7, 7, 7],
      [4, 3, 2, 1],
    ];
    const measures = await measureMaps([block(maps, 1, 4)], boxes, median, "test");
    // A constant map is predicted as a whole.
    expect([...measures.ciou]).toEqual([1, 1, 0]);
    expect([...measures.confidence]).toEqual([4, 7, 4]);
  });

  it("takes a fixed threshold of the values as they are", async () => {
    const measures = await measureMaps([block([[0.1, 0.4, 0.6, 0.6]], 1, 4)], [[[0.5, 0, 1, 1]]], { threshold: 0.4 }, "test");
    expect([...measures.ciou]).toEqual([2 / 3]);
    const none = await measureMaps([block([[0.1, 0.4, 0.6, 0.6]], 1, 4)], [[[0.5, 0, 1, 1]]], { threshold: 9 }, "test");
    expect([...none.ciou]).toEqual([0]);
  });

  it("counts a degenerate box as a miss, and an item without one as nothing", async () => {
    const measures = await measureMaps([block([[1, 2], [1, 2]], 1, 2)], [[[0.9, 0, 0.1, 1]], []], median, "test");
    expect([...measures.ciou]).toEqual([0, NaN]);
    expect([...measures.boxes]).toEqual([1, 0]);
  });

  it("averages the top quarter, one pixel at least", async () => {
    const nine = [5, 1, 9, 2, 8, 3, 7, 4, 6];
    const { confidence } = await measureMaps([block([nine], 3, 3), block([[2, 5]], 1, 2)], [[], []], median, "test");
    expect([...confidence]).toEqual([8.5, 5]);
  });

  it("names a map that is NaN, and maps without boxes", async () => {
    await expect(measureMaps([block([[1, 2]], 1, 2), block([[1, NaN]], 2, 1)], [[], []], median, "maps.npy")).rejects.toThrow(/map 1 is NaN at row 1, column 0/);
    await expect(measureMaps([block([[1], [2]], 1, 1)], [[]], median, "maps.npy")).rejects.toThrow(/more maps than the 1/);
    await expect(measureMaps([block([[1]], 1, 1)], [[], []], median, "maps.npy")).rejects.toThrow(/1 maps, and 2/);
    await expect(measureMaps([block([[]], 0, 4)], [[]], median, "maps.npy")).rejects.toThrow(/0 by 4 pixels/);
  });

  it("reports the three metrics", () => {
    const metrics = Object.fromEntries(Object.entries(localizationStatistics(new Float64Array([0.5, 1, 0.24, 0]))).map(([name, { value }]) => [name, value]));
    expect(metrics["cIoU@0.5"]).toBe(0.5);
    expect(metrics.meanCIoU).toBeCloseTo(0.435, 12);
    // The success rates at 0, 0.05, to 1 of the four items, by the trapezoid rule.
    const rates = [4, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1].map((count) => count / 4);
    expect(metrics.AUC).toBeCloseTo(0.05 * (rates.reduce((a, b) => a + b, 0) - (1 + 0.25) / 2), 12);
  });
});

describe("random data", () => {
  // Doubles of fast-check lie as closely about 0 as numbers do, and boxes of them cover nothing.
  const corner = fc.integer({ min: -50, max: 150 }).map((hundredths) => hundredths / 100);
  const cases = fc.record({ height: fc.integer({ min: 1, max: 6 }), width: fc.integer({ min: 1, max: 6 }), consensus: fc.constantFrom(1, 2) }).chain(({ height, width, consensus }) =>
    fc.record({
      height: fc.constant(height),
      width: fc.constant(width),
      consensus: fc.constant(consensus),
      threshold: fc.option(fc.integer({ min: 0, max: 9 }), { nil: null }),
      items: fc.array(
        fc.record({
          map: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: height * width, maxLength: height * width }),
          boxes: fc.array(fc.tuple(corner, corner, corner, corner), { minLength: 1, maxLength: 3 }),
        }),
        { minLength: 1, maxLength: 5 },
      ),
    }),
  );

  it("agree with whole-array arithmetic", async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ height, width, consensus, threshold, items }) => {
        const measures = await measureMaps([block(items.map(({ map }) => map), height, width)], items.map(({ boxes }) => boxes), { threshold, consensus }, "test");
        const expected = items.map(({ map, boxes }) => naiveCiou(map, boxes, height, width, consensus, threshold));
        expected.forEach((value, i) => {
          expect(measures.ciou[i]).toBeCloseTo(value, 12);
        });
        const top = (map: readonly number[]) => mean([...map].sort((a, b) => b - a).slice(0, Math.max(1, Math.trunc(map.length / 4))));
        items.forEach(({ map }, i) => {
          expect(measures.confidence[i]).toBeCloseTo(top(map), 12);
        });
        const rates = Array.from({ length: 21 }, (_, i) => mean(expected.map((value) => Number(value >= 0.05 * i))));
        const area = rates.slice(1).reduce((sum, rate, i) => sum + (0.05 * (i + 1) - 0.05 * i) * ((rate + (rates[i] ?? 0)) / 2), 0);
        const statistics = localizationStatistics(measures.ciou);
        expect(statistics.AUC?.value).toBeCloseTo(area, 12);
        expect(statistics["cIoU@0.5"]?.value).toBeCloseTo(mean(expected.map((value) => Number(value >= 0.5))), 12);
        expect(statistics.meanCIoU?.value).toBeCloseTo(mean(expected), 12);
      }),
      { numRuns: 300 },
    );
  });

  it("selection agrees with sorting, and parts the values", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.double({ noNaN: true })), { minLength: 1, maxLength: 60 }), fc.nat(), (values, seed) => {
        const k = seed % values.length;
        const array = Float64Array.from(values);
        const expected = [...values].sort((a, b) => a - b)[k] ?? NaN;
        expect(selectSmallest(array, k) === expected).toBe(true);
        expect(array.subarray(0, k).every((value) => value <= expected)).toBe(true);
        expect(array.subarray(k).every((value) => value >= expected)).toBe(true);
        expect(array.sort()).toEqual(Float64Array.from(values).sort());
      }),
      { numRuns: 300 },
    );
  });
});
