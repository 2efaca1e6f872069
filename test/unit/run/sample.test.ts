import { describe, expect, it } from "vitest";

import { allItems, itemOfRows } from "../../../src/data/keptItems.js";
import { sampledItems } from "../../../src/run/stages/sample.js";

const drawn = (count: number, seed = 0, of = allItems(100)): number[] => [...itemOfRows(sampledItems(of, { count, seed }))];

describe("a sample of a collection", () => {
  it("has as many items as it should, in their order, and all where there are no more", () => {
    expect(drawn(10)).toHaveLength(10);
    expect(drawn(10)).toEqual([...drawn(10)].sort((a, b) => a - b));
    expect(drawn(100)).toHaveLength(100);
    const whole = allItems(100);
    expect(sampledItems(whole, { count: 1000, seed: 0 })).toBe(whole);
  });

  it("is part of a larger one of the same seed, and another of another seed", () => {
    const larger = new Set(drawn(40));
    expect(drawn(10).every((item) => larger.has(item))).toBe(true);
    expect(drawn(10)).toEqual(drawn(10));
    expect(drawn(10, 1)).not.toEqual(drawn(10, 0));
  });

  it("draws every item about as often as any other", () => {
    const times = new Float64Array(20);
    for (let seed = 0; seed < 2000; seed += 1) for (const item of drawn(5, seed, allItems(20))) times[item] = (times[item] ?? 0) + 1;
    // 500 each, with a standard deviation of 19.4: five of them on either side.
    expect(Math.min(...times)).toBeGreaterThan(403);
    expect(Math.max(...times)).toBeLessThan(597);
  });

  it("has the same items in every space, but for those that one cannot read", () => {
    const broken = { count: 100, skipped: [3, 50, 77] };
    expect(drawn(40, 0, broken)).toEqual(drawn(40).filter((item) => !broken.skipped.includes(item)));
    const { skipped, notDrawn } = sampledItems(broken, { count: 40, seed: 0 });
    const unreadAndDrawn = broken.skipped.filter((item) => drawn(40).includes(item)).length;
    expect(skipped).toHaveLength(60 + unreadAndDrawn);
    expect(skipped.length - (notDrawn ?? 0)).toBe(3);
  });
});
