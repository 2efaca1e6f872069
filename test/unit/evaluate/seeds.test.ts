import { describe, expect, it } from "vitest";
import { deriveSeed, randomSource } from "../../../src/connect/random.js";
import { bootstrap, constantStatistic, meanStatistic, pairedDifference } from "../../../src/evaluate/bootstrap.js";
import { overSeeds } from "../../../src/evaluate/seeds.js";

const options = { resamples: 400, seed: 5 };

function noise(seed: number, items: number, shift = 0): Float64Array {
  const random = randomSource(seed);
  return Float64Array.from({ length: items }, () => shift + random.nextUint32() / 2 ** 32);
}

describe("statistics over seeds", () => {
  it("are as they were with a single seed", () => {
    const only = meanStatistic(noise(1, 30));
    expect(overSeeds([{ m: only }]).m).toBe(only);
    expect(bootstrap(30, overSeeds([{ m: only }]), options)).toEqual(bootstrap(30, { m: only }, options));
  });

  it("draw the seeds of each resample as documented: with replacement, one fewer than there are", () => {
    // No item changes these, so that a replicate is the mean of the seeds drawn.
    const values = [1, 10, 100];
    const { m } = bootstrap(4, overSeeds(values.map((value) => ({ m: constantStatistic(value) }))), options);
    const expected = Array.from({ length: options.resamples }, (_, resample) => {
      const random = randomSource(deriveSeed(options.seed, "seed-draws", resample));
      return ((values[random.nextBelow(3)] ?? NaN) + (values[random.nextBelow(3)] ?? NaN)) / 2;
    });
    expect(Array.from(m?.replicates ?? [])).toEqual(expected);
    expect(new Set(expected).size).toBe(6);
  });

  it("give the mean of n seeds the variance s^2 / n", () => {
    const values = [0.2, 0.5, 0.9, 0.4];
    const { m } = bootstrap(2, overSeeds(values.map((value) => ({ m: constantStatistic(value) }))), { resamples: 20_000, seed: 1 });
    const mean = 0.5;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 3;
    const found = (m?.replicates ?? new Float64Array()).reduce((sum, value) => sum + (value - mean) ** 2, 0) / 20_000;
    expect(found / (variance / 4)).toBeGreaterThan(0.96);
    expect(found / (variance / 4)).toBeLessThan(1.04);
    expect(m?.std).toBeCloseTo(Math.sqrt(variance), 12);
  });

  it("draw the same seeds and items for every metric and method", () => {
    const items = 50;
    const methods = [0, 0.3].map((shift) => overSeeds([1, 2, 3].map((seed) => ({ m: meanStatistic(noise(seed, items, shift + seed)) }))).m ?? constantStatistic(NaN));
    const [first, second] = methods;
    if (first === undefined || second === undefined) throw new Error("no statistic");
    const { a, b } = bootstrap(items, { a: first, b: second }, options);
    const difference = pairedDifference(b, a);
    // The same values but for a shift: only paired draws make the difference a constant.
    expect(difference.ci95[0]).toBeCloseTo(0.3, 12);
    expect(difference.ci95[1]).toBeCloseTo(0.3, 12);
    expect(difference.std).toBeCloseTo(0, 12);
    const again = bootstrap(items, { a: first }, options);
    expect(again.a.replicates).toEqual(a.replicates);
  });

  it("cover items and seeds both", () => {
    const items = 40;
    const seeds = [0, 1, 2].map((seed) => noise(seed, items, seed / 10));
    const width = ([low, high]: readonly [number, number]): number => high - low;
    const both = bootstrap(items, overSeeds(seeds.map((values) => ({ m: meanStatistic(values) }))), options).m;
    const average = Float64Array.from({ length: items }, (_, item) => seeds.reduce((sum, values) => sum + (values[item] ?? 0), 0) / 3);
    const itemsAlone = bootstrap(items, { m: meanStatistic(average) }, options).m;
    const seedsAlone = bootstrap(items, overSeeds(seeds.map((values) => ({ m: constantStatistic(meanStatistic(values).value) }))), options).m;
    expect(both?.value).toBeCloseTo(itemsAlone.value, 12);
    expect(width(both?.ci95 ?? [0, 0])).toBeGreaterThan(width(itemsAlone.ci95));
    expect(width(both?.ci95 ?? [0, 0])).toBeGreaterThan(width(seedsAlone?.ci95 ?? [0, 0]));
  });

  it("refuse seeds that lack a metric", () => {
    expect(() => overSeeds([{ m: constantStatistic(1) }, {}])).toThrow(RangeError);
  });
});
