import { describe, expect, it } from "vitest";
import { bootstrap, meanStatistic, medianStatistic, pairedDifference, ratioStatistic } from "../../../src/evaluate/bootstrap.js";
import { createRandom } from "../../../src/evaluate/random.js";

const options = { resamples: 1000, seed: 7 };

function uniform(count: number, seed: number): Float64Array {
  const random = createRandom(seed);
  return Float64Array.from({ length: count }, () => random.uint32() / 2 ** 32);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[Math.ceil(sorted.length / 2) - 1] ?? NaN) + (sorted[Math.floor(sorted.length / 2)] ?? NaN)) / 2;
}

describe("the random numbers", () => {
  it("are the same on every machine", () => {
    const random = createRandom(0);
    expect(Array.from({ length: 4 }, () => random.uint32())).toMatchInlineSnapshot(`
      [
        3809008728,
        1219411154,
        2874748078,
        3031036881,
      ]
    `);
    const other = createRandom(2 ** 40 + 3);
    expect(Array.from({ length: 4 }, () => other.uint32())).toMatchInlineSnapshot(`
      [
        3088717543,
        713406180,
        3016904930,
        1516331827,
      ]
    `);
  });

  it("follow the recurrence of xoshiro128**, written with whole numbers", () => {
    // The state is not given away, so four outputs are undone to find it, and the rest is foretold.
    const inverse = (factor: bigint) => {
      let x = 1n;
      for (let i = 0; i < 6; i += 1) x = (x * (2n - factor * x)) & 0xffffffffn;
      return x;
    };
    const rotate = (value: bigint, bits: bigint) => ((value << bits) | (value >> (32n - bits))) & 0xffffffffn;
    const undo = (output: number) => (rotate((BigInt(output) * inverse(9n)) & 0xffffffffn, 25n) * inverse(5n)) & 0xffffffffn;
    const random = createRandom(123);
    const outputs = Array.from({ length: 40 }, () => random.uint32());
    const seconds = outputs.map(undo);
    // s1 over time obeys: b' = b ^ c ^ a and so on; the state after the first output follows from four of its values.
    const step = ([a, b, c, d]: readonly bigint[]) => {
      const [s0 = 0n, s1 = 0n, s2 = 0n, s3 = 0n] = [a, b, c, d];
      const [t2, t3] = [s2 ^ s0, s3 ^ s1];
      return [s0 ^ t3, s1 ^ t2, t2 ^ ((s1 << 9n) & 0xffffffffn), rotate(t3, 11n)];
    };
    // b is known; a ^ c = b' ^ b. Guess nothing more: solve for a bit by bit over the linear map.
    const columns = Array.from({ length: 128 }, (_, bit) => {
      let state = [0, 1, 2, 3].map((word) => (Math.floor(bit / 32) === word ? 1n << BigInt(bit % 32) : 0n));
      let mask = 0n;
      for (let t = 0n; t < 6n; t += 1n) {
        mask |= (state[1] ?? 0n) << (32n * t);
        state = step(state);
      }
      return mask;
    });
    const target = seconds.slice(0, 6).reduce((sum, value, t) => sum | (value << (32n * BigInt(t))), 0n);
    const rows = columns.map((mask, bit) => ({ mask, combination: 1n << BigInt(bit) }));
    let [rest, solution] = [target, 0n];
    for (let bit = 0n; bit < 192n; bit += 1n) {
      const at = rows.findIndex(({ mask }) => (mask >> bit) & 1n);
      if (at < 0) continue;
      const [pivot] = rows.splice(at, 1);
      if (pivot === undefined) continue;
      for (const row of rows) {
        if ((row.mask >> bit) & 1n) [row.mask, row.combination] = [row.mask ^ pivot.mask, row.combination ^ pivot.combination];
      }
      if ((rest >> bit) & 1n) [rest, solution] = [rest ^ pivot.mask, solution ^ pivot.combination];
    }
    expect(rest).toBe(0n);
    let state = [0n, 1n, 2n, 3n].map((word) => (solution >> (32n * word)) & 0xffffffffn);
    const foretold = outputs.map(() => {
      const output = (rotate(((state[1] ?? 0n) * 5n) & 0xffffffffn, 7n) * 9n) & 0xffffffffn;
      state = step(state);
      return Number(output);
    });
    expect(foretold).toEqual(outputs);
  });

  it("begin evenly over small seeds, which are what people choose", () => {
    const beginnings = Array.from({ length: 2000 }, (_, seed) => createRandom(seed));
    for (let draw = 0; draw < 3; draw += 1) {
      const counts = new Array<number>(8).fill(0);
      for (const random of beginnings) {
        const at = random.below(8);
        counts[at] = (counts[at] ?? 0) + 1;
      }
      // Chi-squared of 7 degrees of freedom: 24.3 is passed once in a thousand.
      expect(counts.reduce((sum, count) => sum + (count - 250) ** 2 / 250, 0)).toBeLessThan(24.3);
    }
  });

  it("spread evenly below a bound", () => {
    const random = createRandom(11);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i += 1) {
      const at = random.below(7);
      counts[at] = (counts[at] ?? 0) + 1;
    }
    const deviation = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    // Chi-squared of 6 degrees of freedom: 22.5 is passed once in a thousand.
    expect(deviation).toBeLessThan(22.5);
  });

  it.each([-1, 0.5, 2 ** 53, NaN])("refuse the seed %d", (seed) => {
    expect(() => createRandom(seed)).toThrow(RangeError);
  });
});

describe("the bootstrap", () => {
  it("resamples as drawing items one by one does", () => {
    const values = uniform(31, 1);
    const others = uniform(31, 2);
    const { mean, middle, ratio } = bootstrap(31, { mean: meanStatistic(values), middle: medianStatistic(values), ratio: ratioStatistic(values, others) }, options);
    const random = createRandom(options.seed);
    for (let resample = 0; resample < options.resamples; resample += 1) {
      const items = Array.from({ length: 31 }, () => random.below(31));
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
    const random = createRandom(1);
    for (const replicate of middle.replicates) expect(replicate).toBe(median(Array.from({ length: count }, () => values[random.below(count)] ?? NaN)));
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
