import { describe, expect, it } from "vitest";
import { randomSource } from "../../../src/connect/random.js";
import { chanceStatistics, expectedAveragePrecision, expectedRecall, expectedReciprocalRank, medianFirstRank } from "../../../src/evaluate/chance.js";
import { relevanceFromLabels } from "../../../src/evaluate/relevance.js";
import { retrievalStatistics, retrievalValues } from "../../../src/evaluate/retrieval.js";

/** Every way in which r relevant items can lie among n ranks. */
function rankings(n: number, r: number, from = 1): number[][] {
  if (r === 0) return [[]];
  return Array.from({ length: n - from + 1 }, (_, i) => from + i).flatMap((first) => rankings(n, r - 1, first + 1).map((rest) => [first, ...rest]));
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[Math.ceil(sorted.length / 2) - 1] ?? NaN) + (sorted[Math.floor(sorted.length / 2)] ?? NaN)) / 2;
}

const sizes = Array.from({ length: 9 }, (_, i) => i + 1).flatMap((n) => Array.from({ length: n }, (_, i) => [n, i + 1] as const));

describe("chance, by enumeration of every ranking", () => {
  it.each(sizes)("%i items, %i relevant", (n, r) => {
    const all = rankings(n, r);
    for (let k = 1; k <= n + 2; k += 1) {
      expect(expectedRecall(n, r, k)).toBeCloseTo(mean(all.map(([first = 0]) => Number(first <= k))), 12);
    }
    expect(expectedAveragePrecision(n, r)).toBeCloseTo(mean(all.map((ranks) => mean(ranks.map((rank, j) => (j + 1) / rank)))), 12);
    expect(expectedReciprocalRank(n, r)).toBeCloseTo(mean(all.map(([first = 0]) => 1 / first)), 12);
    expect(medianFirstRank(n, [{ relevant: r, queries: 3 }])).toBe(median(all.map(([first = 0]) => first)));
  });

  it("mixes queries with different numbers of relevant items", () => {
    // Rankings of both kinds, repeated so that each kind weighs as its queries do.
    const [few, many] = [rankings(6, 1), rankings(6, 3)].map((all) => all.map(([first = 0]) => first));
    const pooled = [...Array.from({ length: 20 * 2 }, () => few ?? []).flat(), ...Array.from({ length: 6 }, () => many ?? []).flat()];
    expect(medianFirstRank(6, [{ relevant: 1, queries: 2 }, { relevant: 3, queries: 1 }])).toBe(median(pooled));
  });

  it("stays exact in large galleries", () => {
    expect(expectedRecall(100_000, 1, 10)).toBeCloseTo(1e-4, 15);
    expect(expectedRecall(1000, 400, 700)).toBe(1);
    expect(medianFirstRank(1000, [{ relevant: 1, queries: 1 }])).toBe(500.5);
    expect(medianFirstRank(1001, [{ relevant: 1, queries: 1 }])).toBe(501);
    expect(expectedReciprocalRank(1000, 1)).toBeCloseTo(expectedAveragePrecision(1000, 1), 15);
  });
});

describe("chance of a task", () => {
  const gallery = Int32Array.from({ length: 40 }, (_, i) => (i < 4 ? 0 : i < 10 ? 1 : 2));
  const queries = Int32Array.from({ length: 300 }, (_, i) => i % 4);
  const relevance = relevanceFromLabels(queries, gallery, "test");

  it("is what random rankings reach, queries without relevant items left out", () => {
    const random = randomSource(3);
    const trials = 60;
    const sums: Record<string, number> = {};
    for (let trial = 0; trial < trials; trial += 1) {
      const ranks = new Uint32Array(relevance.columns.length);
      for (let query = 0; query < relevance.queries; query += 1) {
        const [start = 0, end = 0] = relevance.offsets.subarray(query, query + 2);
        const drawn = new Set<number>();
        while (drawn.size < end - start) drawn.add(random.nextBelow(40) + 1);
        ranks.set([...drawn].sort((a, b) => a - b), start);
      }
      const statistics = retrievalStatistics(retrievalValues(relevance, ranks, [1, 5]));
      for (const [name, { value }] of Object.entries(statistics)) sums[name] = (sums[name] ?? 0) + value / trials;
    }
    const expected = chanceStatistics(relevance, [1, 5]);
    expect(Object.keys(expected)).toEqual(Object.keys(sums));
    for (const name of ["R@1", "R@5", "mAP", "MRR"]) expect(sums[name]).toBeCloseTo(expected[name]?.value ?? NaN, 2);
    expect(Math.abs((sums.medianRank ?? NaN) - (expected.medianRank?.value ?? NaN))).toBeLessThan(0.3);
  });

  it("is resampled over its queries", () => {
    const statistics = chanceStatistics(relevance, [1]);
    const counted = 225;
    // Only queries of class 0, whose 4 relevant items are the rarest; every fourth counts for nothing.
    const onlyRare = Float64Array.from({ length: counted }, (_, i) => (i % 3 === 0 ? 3 : 0));
    expect(statistics["R@1"]?.resample(onlyRare)).toBeCloseTo(0.1, 12);
    expect(statistics.mAP?.resample(onlyRare)).toBeCloseTo(expectedAveragePrecision(40, 4), 12);
    expect(statistics.medianRank?.resample(onlyRare)).toBe(medianFirstRank(40, [{ relevant: 4, queries: 1 }]));
    expect(statistics.mAP?.resample(new Float64Array(counted).fill(1))).toBeCloseTo(statistics.mAP?.value ?? NaN, 12);
  });
});
