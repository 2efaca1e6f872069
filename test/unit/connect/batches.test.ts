import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { batchesPerEpoch, epochBatches, permutation, randomMemoryRows } from "../../../src/connect/batches.js";

const settingsOf = fc.record({
  queries: fc.integer({ min: 2, max: 400 }),
  batchSize: fc.integer({ min: 2, max: 150 }),
  lastBatch: fc.constantFrom("drop" as const, "keep" as const),
});
const seeds = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

describe("permutation", () => {
  it("has every row once", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 500 }), seeds, (n, seed) => {
        expect([...permutation(n, seed)].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, row) => row));
      }),
    );
  });

  it("gives each of the six orders of three rows its share", () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 6000; seed++) {
      const order = permutation(3, seed).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});

describe("epochBatches", () => {
  it("has as many batches as announced, no row twice, and only full ones unless the last is kept", () => {
    fc.assert(
      fc.property(settingsOf, seeds, (settings, seed) => {
        const batches = [...epochBatches(settings, seed, 0)];
        expect(batches).toHaveLength(batchesPerEpoch(settings));
        const rows = batches.flatMap((batch) => [...batch]);
        expect(new Set(rows).size).toBe(rows.length);
        for (const row of rows) expect(row).toBeLessThan(settings.queries);
        for (const batch of settings.lastBatch === "drop" ? batches : batches.slice(0, -1)) expect(batch).toHaveLength(settings.batchSize);
        for (const batch of batches) expect(batch.length).toBeGreaterThanOrEqual(2);
      }),
    );
  });

  it("is the same for the same seed and epoch, and another in the next epoch", () => {
    const settings = { queries: 50, batchSize: 10, lastBatch: "drop" as const };
    const epoch = (seed: number, number: number): string => [...epochBatches(settings, seed, number)].map((batch) => batch.join()).join(";");
    expect(epoch(1, 0)).toBe(epoch(1, 0));
    expect(epoch(1, 1)).not.toBe(epoch(1, 0));
    expect(epoch(2, 0)).not.toBe(epoch(1, 0));
  });

  it.each([
    [10, 4, "drop", 2],
    [10, 4, "keep", 3],
    [9, 4, "keep", 2],
    [8, 4, "keep", 2],
    [3, 4, "keep", 1],
    [3, 4, "drop", 0],
  ] as const)("%i rows in batches of %i, last one: %s, make %i", (queries, batchSize, lastBatch, batches) => {
    expect(batchesPerEpoch({ queries, batchSize, lastBatch })).toBe(batches);
  });
});

describe("randomMemoryRows", () => {
  it("draws a row of the memory for each query, the same for the same seed", () => {
    const rows = randomMemoryRows(5, 2000, 37);
    expect(rows).toHaveLength(2000);
    expect(new Set(rows).size).toBe(37);
    expect(Math.max(...rows)).toBe(36);
    expect(randomMemoryRows(5, 2000, 37)).toEqual(rows);
    expect(randomMemoryRows(6, 2000, 37)).not.toEqual(rows);
  });
});
