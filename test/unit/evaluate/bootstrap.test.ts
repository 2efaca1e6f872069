import { describe, expect, it } from "vitest";
import { randomSource } from "../../../src/connect/random.js";
import { bootstrap, meanStatistic, medianStatistic, pairedDifference, ratioStatistic } from "../../../src/evaluate/bootstrap.js";

const options = { resamples: 1000, seed: 7 };

function uniform(count: number, seed: number): Float64Array {
  const random = randomSource(seed);
  return Float64Array.from({ length: count }, () => random.nextUint32() / 2 ** 32);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[Math.ceil(sorted.length / 2) - 1] ?? NaN) + (sorted[Math.floor(sorted.length / 2)] ?? NaN)) / 2;
}

describe("the bootstrap", () => {
  it("resamples as drawing items one by one does", () => {
    const values = uniform(31, 1);
    const others = uniform(31, 2);
    const { mean, middle, ratio } = bootstrap(31, { mean: meanStatistic(values), middle: medianStatistic(values), ratio: ratioStatistic(values, others) }, options);
    const random = randomSource(options.seed);
    for (let resample = 0; resample < options.resamples; resample += 1) {
      const items = Array.from({ length: 31 }, () => random.nextBelow(31));
      const drawn = items.map((i) => values[i] ?? NaN);
      const sum = drawn.reduce((a, b) => a + b, 0);
      expect(mean.replicates[resample]).toBeCloseTo(sum / 31, 12);
      expect(middle.replicates[resample]).toBe(median(drawn));
      expect(ratio.replicates[resample]).toBeCloseTo(sum / items.reduce((total, i) => total + (others[i] ?? NaN), 0), 12);
    }
    const sorted = [...mean.replicates].sort((a, b) => a - b);
    // Percentile 2.5 of 1000 values lies between the 25th and the 26th.
    expect(mean.ci95[0]).toBeCloseTo((sorted[24] ?? NaN) + 0.975 * ((sorted[25] ?? NaN) - (sorted[24] ?? NaN)), 12);
    expect(mean.ci95[1]).toBeCloseTo((sorted[974] ?? NaN) + 0.025 * ((sorted[975] ?? NaN) - (sorted[974] ?? NaN)), 12);
  });

  it.each([1, 2, 5, 30])("takes the median of %i values, repeats included", (count) => {
    const values = uniform(count, 5).map((value) => Math.floor(value * 6));
    const { middle } = bootstrap(count, { middle: medianStatistic(values) }, { resamples: 50, seed: 1 });
    expect(middle.value).toBe(median([...values]));
    const random = randomSource(1);
    for (const replicate of middle.replicates) expect(replicate).toBe(median(Array.from({ length: count }, () => values[random.nextBelow(count)] ?? NaN)));
  });

  it("gives the same for the same seed, and another interval for another", () => {
    const run = (seed: number) => bootstrap(50, { mean: meanStatistic(uniform(50, 1)) }, { resamples: 200, seed }).mean.ci95;
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });

  it("has an interval of no width where nothing varies", () => {
    const { mean } = bootstrap(9, { mean: meanStatistic(new Float64Array(9).fill(0.1)) }, options);
    expect(mean.ci95[0]).toBe(mean.ci95[1]);
    expect(bootstrap(1, { middle: medianStatistic(new Float64Array([3])) }, options).middle).toMatchObject({ value: 3, ci95: [3, 3] });
  });

  it("leaves resamples out in which a statistic is undefined", () => {
    const sometimes = ratioStatistic(new Float64Array([1, 0]), new Float64Array([1, 0]));
    const { ratio } = bootstrap(2, { ratio: sometimes }, options);
    expect(ratio.replicates.some((value) => Number.isNaN(value))).toBe(true);
    expect(ratio).toMatchObject({ value: 1, ci95: [1, 1] });
  });

  it("covers the truth about as often as it says", () => {
    const truth = 0.3;
    const trials = 300;
    let covered = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      const values = uniform(150, 1000 + trial).map((value) => (value < truth ? 1 : 0));
      const [low, high] = bootstrap(150, { mean: meanStatistic(values) }, { resamples: 300, seed: trial }).mean.ci95;
      covered += Number(low <= truth && truth <= high);
    }
    // 95 percent of 300 trials, four standard errors either way.
    expect(covered / trials).toBeGreaterThan(0.9);
    expect(covered / trials).toBeLessThan(1);
  });

  it("refuses to resample less than once", () => {
    expect(() => bootstrap(3, { mean: meanStatistic(new Float64Array(3)) }, { resamples: 0, seed: 0 })).toThrow(RangeError);
  });
});

describe("paired differences", () => {
  const base = uniform(200, 1);
  const better = base.map((value) => value + 0.01);
  const { first, second } = bootstrap(200, { first: meanStatistic(better), second: meanStatistic(base) }, options);

  it("are narrower than either interval, as both meet the same items", () => {
    const difference = pairedDifference(first, second);
    expect(difference.value).toBeCloseTo(0.01, 12);
    expect(difference.ci95[0]).toBeCloseTo(0.01, 12);
    expect(difference.ci95[1]).toBeCloseTo(0.01, 12);
    expect(first.ci95[0]).toBeLessThan(second.ci95[1]);
    expect(pairedDifference(second, first).value).toBe(-difference.value);
  });

  it("are of one draw only", () => {
    const { third } = bootstrap(200, { third: meanStatistic(base) }, { ...options, seed: 8 });
    expect(() => pairedDifference(first, third)).toThrow(/not paired/);
  });
});
