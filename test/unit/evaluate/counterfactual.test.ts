import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { counterfactualStatistics } from "../../../src/evaluate/counterfactual.js";

interface Item {
  readonly confidence: number;
  readonly boxes: number;
  readonly ciou: number;
}

function statistics(items: readonly Item[]) {
  return counterfactualStatistics({
    confidence: Float64Array.from(items, ({ confidence }) => confidence),
    boxes: Uint32Array.from(items, ({ boxes }) => boxes),
    ciou: Float64Array.from(items, ({ ciou, boxes }) => (boxes === 0 ? NaN : ciou)),
  });
}

const measure = (items: readonly Item[]) => Object.fromEntries(Object.entries(statistics(items)).map(([name, { value }]) => [name, value])) as Record<string, number>;

/** The sweep as it is published: item by item, threshold by threshold. */
function naive(items: readonly Item[]) {
  const at = (threshold: number) => {
    let [tp, fp, fn] = [0, 0, 0];
    for (const { confidence, boxes, ciou } of items) {
      if (boxes === 0) fp += Number(confidence >= threshold);
      else if (confidence < threshold) fn += 1;
      else if (ciou >= 0.5) tp += 1;
      else fp += 1;
    }
    return { precision: tp + fp === 0 ? 1 : tp / (tp + fp), recall: tp + fn === 0 ? 1 : tp / (tp + fn) };
  };
  const sorted = items.map(({ confidence }) => confidence).sort((a, b) => a - b);
  const every = (values: readonly number[], step: number) => values.filter((_, i) => i % step === 0);
  const curve = every(sorted.slice(0, -1).reverse(), Math.max(1, Math.floor(items.length / 200))).map(at);
  const best = curve.map((_, i) => Math.max(...curve.slice(i).map(({ precision }) => precision)));
  const f1 = every(sorted, Math.max(1, Math.floor(items.length / 10))).map((threshold) => {
    const { precision, recall } = at(threshold);
    return precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0;
  });
  const sounding = items.filter(({ boxes }) => boxes > 0);
  return {
    AP: curve.slice(1).reduce((sum, { recall }, i) => sum + (best[i] ?? NaN) * (recall - (curve[i]?.recall ?? NaN)), 0),
    maxF1: Math.max(...f1),
    LocAcc: sounding.filter(({ ciou }) => ciou >= 0.5).length / sounding.length,
  };
}

const found = (confidence: number): Item => ({ confidence, boxes: 1, ciou: 0.5 });
const misplaced = (confidence: number): Item => ({ confidence, boxes: 2, ciou: 0.49 });
const silent = (confidence: number): Item => ({ confidence, boxes: 0, ciou: 0 });

describe("counterfactual metrics of hand-made cases", () => {
  it("a perfect method misses only the area before its first threshold", () => {
    const items = [found(0.9), found(0.8), found(0.7), silent(0.2), silent(0.1)];
    // Thresholds 0.8, 0.7, 0.2, 0.1: recall 2/3, 1, 1, 1 at precision 1, 1, ...
    expect(measure(items)).toEqual({ AP: expect.closeTo(1 / 3, 12), maxF1: 1, LocAcc: 1 });
  });

  it("misplaced and silent items are false positives, unconfident ones are missed", () => {
    const items = [misplaced(0.9), found(0.8), silent(0.7), found(0.6), found(0.5)];
    // Downwards from 0.8: precision 1/2, 1/3, 2/4, 3/5; recall 1/3, 1/3, 2/3, 1.
    const metrics = measure(items);
    expect(metrics.AP).toBeCloseTo((3 / 5) * (2 / 3), 12);
    expect(metrics.maxF1).toBeCloseTo((2 * 0.6) / 1.6, 12);
    expect(metrics.LocAcc).toBe(0.75);
  });

  it("equal confidences pass or fail together", () => {
    const items = [found(0.5), silent(0.5), silent(0.5), found(0.5)];
    expect(measure(items)).toEqual({ AP: 0, maxF1: expect.closeTo(2 / 3, 12), LocAcc: 1 });
  });

  it("nothing found, and a single item", () => {
    expect(measure([misplaced(0.9), silent(0.1), misplaced(0.5)])).toMatchObject({ maxF1: 0, LocAcc: 0 });
    expect(measure([found(0.3)])).toEqual({ AP: 0, maxF1: 1, LocAcc: 1 });
  });
});

describe("counterfactual metrics of random data", () => {
  const item = fc.record({ confidence: fc.integer({ min: 0, max: 30 }), boxes: fc.nat(2), ciou: fc.constantFrom(0, 0.3, 0.5, 0.9) });
  const items = (minLength: number, maxLength: number) => fc.array(item, { minLength, maxLength }).filter((all) => all.some(({ boxes }) => boxes > 0));

  it.each([
    [1, 30, 300],
    [190, 450, 30],
  ])("agree with the published sweep for %i to %i items", (low, high, numRuns) => {
    fc.assert(
      fc.property(items(low, high), (all) => {
        const [ours, theirs] = [measure(all), naive(all)];
        for (const [name, value] of Object.entries(theirs)) expect(ours[name]).toBeCloseTo(value, 12);
      }),
      { numRuns },
    );
  });

  it("resample as a list with items repeated does", () => {
    fc.assert(
      fc.property(items(2, 40), fc.infiniteStream(fc.nat(39)), (all, stream) => {
        const multiplicities = new Float64Array(all.length);
        for (let i = 0; i < all.length; i += 1) {
          const drawn = (stream.next().value ?? 0) % all.length;
          multiplicities[drawn] = (multiplicities[drawn] ?? 0) + 1;
        }
        const repeated = all.flatMap((one, i) => new Array<Item>(multiplicities[i] ?? 0).fill(one));
        const expected = naive(repeated) as Record<string, number>;
        for (const [name, { resample }] of Object.entries(statistics(all))) {
          if (Number.isNaN(expected[name])) expect(resample(multiplicities)).toBeNaN();
          else expect(resample(multiplicities)).toBeCloseTo(expected[name] ?? NaN, 12);
        }
      }),
      { numRuns: 200 },
    );
  });
});
