import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { deriveSeed, fnv1a64, randomSource, splitMix64, xoshiro128 } from "../../../src/connect/random.js";

const seeds = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

describe("generators against their published values", () => {
  it("xoshiro128** 1.1 from the state 1, 2, 3, 4", () => {
    const random = xoshiro128([1, 2, 3, 4]);
    const drawn = Array.from({ length: 10 }, () => random.nextUint32());
    expect(drawn).toEqual([11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804]);
  });

  it("SplitMix64 from the seed 1234567", () => {
    const words = splitMix64(1234567n);
    const drawn = Array.from({ length: 5 }, () => words.next().value);
    expect(drawn).toEqual([6457827717110365317n, 3203168211198807973n, 9817491932198370423n, 4593380528125082431n, 16408922859458223821n]);
  });

  it.each([
    ["", 0xcbf29ce484222325n],
    ["a", 0xaf63dc4c8601ec8cn],
    ["foobar", 0x85944171f73967e8n],
  ])("FNV-1a of %j", (text, hash) => {
    expect(fnv1a64(text)).toBe(hash);
  });
});

describe("nextBelow", () => {
  it("stays below its bound, whatever the seed", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 2 ** 32 }), (seed, bound) => {
        const random = randomSource(seed);
        for (let draw = 0; draw < 20; draw++) {
          const value = random.nextBelow(bound);
          expect(Number.isInteger(value) && value >= 0 && value < bound).toBe(true);
        }
      }),
    );
  });

  it("gives each of five values its share of 50,000 draws", () => {
    const random = randomSource(3);
    const counts = [0, 0, 0, 0, 0];
    for (let draw = 0; draw < 50_000; draw++) counts[random.nextBelow(5)] += 1;
    // The standard deviation of a count is 89.
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(450);
  });

  it("redraws what falls beyond the last whole stretch, which would favour small values", () => {
    // Of a bound of 3 * 2^30 the plain remainder would make the lowest quarter twice as likely.
    const bound = 3 * 2 ** 30;
    const random = randomSource(11);
    let low = 0;
    for (let draw = 0; draw < 30_000; draw++) if (random.nextBelow(bound) < 2 ** 30) low += 1;
    expect(Math.abs(low - 10_000)).toBeLessThan(420);
  });
});

describe("deriveSeed", () => {
  it("is fixed: runs of other versions can be repeated", () => {
    // Computed from the definition in another language.
    expect(deriveSeed(0, "batches", 0)).toBe(3794965566372116);
    expect(deriveSeed(0, "noise", 7)).toBe(4945038469671071);
    expect(deriveSeed(42, "weights")).toBe(2769008323321192);
  });

  it("gives seeds of 0 to 2^53 - 1 that differ by purpose and index", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 100_000 }), (seed, index) => {
        const derived = [deriveSeed(seed, "batches", index), deriveSeed(seed, "noise", index), deriveSeed(seed, "noise", index + 1), deriveSeed(seed, "weights", index)];
        expect(new Set(derived).size).toBe(4);
        for (const value of derived) expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
      }),
    );
  });
});
