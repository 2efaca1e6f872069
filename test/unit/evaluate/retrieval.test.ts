import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../../src/errors.js";
import { rankColumns, rankRows, type ScoreMatrix } from "../../../src/evaluate/ranks.js";
import { relevanceFromLists, reverseRelevance } from "../../../src/evaluate/relevance.js";
import { retrievalStatistics, retrievalValues } from "../../../src/evaluate/retrieval.js";

function matrix(rows: readonly (readonly number[])[]): ScoreMatrix {
  return { data: Float64Array.from(rows.flat()), rows: rows.length, columns: rows[0]?.length ?? 0 };
}

function transpose(rows: readonly (readonly number[])[]): number[][] {
  return (rows[0] ?? []).map((_, column) => rows.map((row) => row[column] ?? NaN));
}

/** All metrics of one direction. */
function measure(rows: readonly (readonly number[])[], lists: readonly (readonly number[])[], ks: readonly number[]): Record<string, number | undefined> {
  const relevance = relevanceFromLists(lists, rows.length, rows[0]?.length ?? 0, "test");
  const values = retrievalValues(relevance, rankRows(matrix(rows), relevance, "test"), ks);
  const statistics = retrievalStatistics(values);
  return { leftOut: values.leftOut, ...Object.fromEntries(Object.entries(statistics).map(([name, { value }]) => [name, value])) };
}

/** By sorting: irrelevant items first among equals. */
function naive(rows: readonly (readonly number[])[], lists: readonly (readonly number[])[], ks: readonly number[]): Record<string, number | undefined> {
  const perQuery = rows.flatMap((row, i) => {
    const relevant = new Set(lists[i]);
    if (relevant.size === 0) return [];
    const order = [...row.keys()].sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0) || Number(relevant.has(a)) - Number(relevant.has(b)));
    const hits = order.map((column) => relevant.has(column));
    const precisions = hits.flatMap((hit, at) => (hit ? [hits.slice(0, at + 1).filter(Boolean).length / (at + 1)] : []));
    return [{ hits, first: hits.indexOf(true) + 1, ap: precisions.reduce((a, b) => a + b, 0) / precisions.length }];
  });
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const firsts = perQuery.map(({ first }) => first).sort((a, b) => a - b);
  const n = firsts.length;
  return {
    leftOut: rows.length - n,
    ...Object.fromEntries(ks.map((k) => [`R@${k}`, mean(perQuery.map(({ hits }) => Number(hits.slice(0, k).includes(true))))])),
    mAP: mean(perQuery.map(({ ap }) => ap)),
    MRR: mean(perQuery.map(({ first }) => 1 / first)),
    medianRank: n % 2 === 1 ? firsts[(n - 1) / 2] : ((firsts[n / 2 - 1] ?? NaN) + (firsts[n / 2] ?? NaN)) / 2,
  };
}

describe("ranks", () => {
  const rank = (row: number[], relevant: number[]) => [...rankRows(matrix([row]), relevanceFromLists([relevant], 1, row.length, "test"), "test")];

  it("counts from 1, ascending", () => {
    expect(rank([0.1, 0.9, 0.5, 0.7], [0, 1])).toEqual([1, 4]);
    expect(rank([0.1, 0.9, 0.5, 0.7], [0, 1, 2, 3])).toEqual([1, 2, 3, 4]);
    expect(rank([0.1, 0.9], [])).toEqual([]);
  });

  it("lets a relevant item lose every tie with irrelevant ones, and none with its own kind", () => {
    expect(rank([0.2, 0.2, 0.2, 0.2], [1])).toEqual([4]);
    expect(rank([0.2, 0.2, 0.2, 0.2], [1, 2])).toEqual([3, 4]);
    expect(rank([0.5, 0.9, 0.5, 0.5, 0.1], [0, 1, 2])).toEqual([1, 3, 4]);
    expect(rank([0, -0], [1])).toEqual([2]);
  });

  it("orders infinities", () => {
    expect(rank([Infinity, -Infinity, 0], [0, 1])).toEqual([1, 3]);
    expect(rank([-Infinity, -Infinity, -Infinity], [1])).toEqual([3]);
  });

  it.each([
    [[[0, 1], [NaN, 1]], [[0], [1]], "row 1, column 0"],
    [[[0, 1], [0, NaN]], [[0], [1]], "row 1, column 1"],
    [[[0, 1], [NaN, 1]], [[0], []], "row 1, column 0"],
  ])("names the place of a NaN in %j", (rows, lists, place) => {
    const relevance = relevanceFromLists(lists, 2, 2, "test");
    const expected = expect.objectContaining({ code: EXIT.data, reason: "NOT_FINITE", message: expect.stringContaining(place) });
    expect(() => rankRows(matrix(rows), relevance, "scores.npy")).toThrow(expected);
    expect(() => rankColumns(matrix(rows), reverseRelevance(relevance), "scores.npy")).toThrow(expected);
  });

  it("reads columns as it reads rows", () => {
    const rows = Array.from({ length: 5 }, (_, i) => Array.from({ length: 70 }, (_, j) => (i * 31 + j * 17) % 23));
    const lists = rows.map((_, i) => [i, i + 7, 69 - i]);
    const reversed = reverseRelevance(relevanceFromLists(lists, 5, 70, "test"));
    expect(rankColumns(matrix(rows), reversed, "test")).toEqual(rankRows(matrix(transpose(rows)), reversed, "test"));
  });
});

describe("retrieval metrics of hand-made cases", () => {
  it("several relevant items, ties, and a query with none", () => {
    const rows = [
      [0.9, 0.1, 0.5, 0.5],
      [0.2, 0.2, 0.2, 0.2],
      [0.1, 0.2, 0.3, 0.4],
    ];
    // Query 0 has ranks 1 and 3 (column 2 loses to column 3), query 1 rank 4, query 2 does not count.
    expect(measure(rows, [[0, 2], [3], []], [1, 3, 4])).toEqual({
      leftOut: 1,
      "R@1": 0.5,
      "R@3": 0.5,
      "R@4": 1,
      mAP: expect.closeTo((5 / 6 + 1 / 4) / 2, 12),
      MRR: (1 + 1 / 4) / 2,
      medianRank: 2.5,
    });
    // Turned round: column 1 has no relevant query; ranks 1, 1, and 3 as column 3 has 0.5, 0.2, 0.4.
    expect(measure(transpose(rows), [[0], [], [0], [1]], [1, 2])).toEqual({
      leftOut: 1,
      "R@1": 2 / 3,
      "R@2": 2 / 3,
      mAP: (1 + 1 + 1 / 3) / 3,
      MRR: (1 + 1 + 1 / 3) / 3,
      medianRank: 1,
    });
  });

  it("one query, and a k beyond the gallery", () => {
    expect(measure([[0.3, 0.2, 0.9]], [[1]], [1, 2, 3, 10])).toEqual({
      leftOut: 0,
      "R@1": 0,
      "R@2": 0,
      "R@3": 1,
      "R@10": 1,
      mAP: 1 / 3,
      MRR: 1 / 3,
      medianRank: 3,
    });
  });

  it("an odd number of queries takes the one in the middle", () => {
    const identity = [
      [9, 1, 2],
      [8, 7, 9],
      [1, 3, 2],
    ];
    expect(measure(identity, [[0], [1], [2]], [1]).medianRank).toBe(2);
  });
});

describe("retrieval metrics of random data", () => {
  const cases = fc
    .record({ queries: fc.integer({ min: 1, max: 8 }), gallery: fc.integer({ min: 1, max: 12 }) })
    .chain(({ queries, gallery }) =>
      fc.record({
        // Few distinct scores, so that most are tied.
        rows: fc.array(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: gallery, maxLength: gallery }), { minLength: queries, maxLength: queries }),
        lists: fc.array(fc.uniqueArray(fc.nat(gallery - 1), { maxLength: gallery }), { minLength: queries, maxLength: queries }),
      }),
    )
    .filter(({ lists }) => lists.some(({ length }) => length > 0));

  it("agree with sorting", () => {
    fc.assert(
      fc.property(cases, ({ rows, lists }) => {
        const ours = measure(rows, lists, [1, 2, 5, 20]);
        const theirs = naive(rows, lists, [1, 2, 5, 20]);
        expect(Object.keys(ours)).toEqual(Object.keys(theirs));
        for (const name of Object.keys(ours)) expect(ours[name]).toBeCloseTo(theirs[name] ?? NaN, 12);
      }),
      { numRuns: 300 },
    );
  });

  it("never rise when a relevant score falls", () => {
    fc.assert(
      fc.property(cases, ({ rows, lists }) => {
        const query = lists.findIndex(({ length }) => length > 0);
        const lowered = rows.map((row, i) => row.map((score, j) => (i === query && j === lists[query]?.[0] ? score - 2 : score)));
        const before = measure(rows, lists, [1]);
        const after = measure(lowered, lists, [1]);
        for (const name of ["R@1", "mAP", "MRR"]) expect(after[name]).toBeLessThanOrEqual((before[name] ?? NaN) + 1e-12);
        expect(after.medianRank).toBeGreaterThanOrEqual(before.medianRank ?? NaN);
      }),
    );
  });
});
