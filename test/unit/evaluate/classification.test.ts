import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../../src/errors.js";
import { classColumns, classificationChance, classificationStatistics, classOutcomes, confusionMatrix } from "../../../src/evaluate/classification.js";
import type { ScoreMatrix } from "../../../src/evaluate/ranks.js";

function matrix(rows: readonly (readonly number[])[]): ScoreMatrix {
  return { data: Float64Array.from(rows.flat()), rows: rows.length, columns: rows[0]?.length ?? 0 };
}

function measure(rows: readonly (readonly number[])[], labels: readonly number[], ks: readonly number[]) {
  const truth = Uint32Array.from(labels);
  const classes = rows[0]?.length ?? 0;
  const outcomes = classOutcomes(matrix(rows), truth, "test");
  const values = Object.entries(classificationStatistics(outcomes, truth, classes, ks)).map(([name, { value }]) => [name, value]);
  return { outcomes, metrics: Object.fromEntries(values) as Record<string, number>, confusion: [...confusionMatrix(outcomes, truth, classes)] };
}

describe("hand-made cases", () => {
  it("ties, an empty class, and a k beyond the classes", () => {
    // Three items, four classes; class 2 has no item.
    const rows = [
      [0.9, 0.1, 0.2, 0.3],
      [0.5, 0.5, 0.1, 0.2],
      [0.1, 0.2, 0.4, 0.3],
    ];
    const { outcomes, metrics, confusion } = measure(rows, [0, 1, 3], [1, 2, 5]);
    expect([...outcomes.ranks]).toEqual([1, 2, 2]);
    // Item 1 ties its own class with class 0, and is taken for class 0.
    expect([...outcomes.predicted]).toEqual([0, 0, 2]);
    expect(metrics).toEqual({ top1: 1 / 3, top2: 1, top5: 1, meanPerClassRecall: 1 / 3 });
    expect(confusion).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
  });

  it("weighs every class that occurs alike", () => {
    const rows = [
      [1, 0],
      [1, 0],
      [1, 0],
      [1, 0],
    ];
    expect(measure(rows, [0, 0, 0, 1], [1]).metrics).toEqual({ top1: 0.75, meanPerClassRecall: 0.5 });
  });

  it("takes equal scores for the first of the other classes, the true one last", () => {
    const { outcomes } = measure(
      [
        [0.2, 0.2, 0.2],
        [0.2, 0.2, 0.2],
        [-Infinity, -Infinity, -Infinity],
      ],
      [0, 2, 1],
      [1],
    );
    expect([...outcomes.ranks]).toEqual([3, 3, 3]);
    expect([...outcomes.predicted]).toEqual([1, 0, 0]);
  });

  it("guesses k of the classes", () => {
    const values = Object.entries(classificationChance(4, [1, 3, 5])).map(([name, { value, resample }]) => [name, value, resample(new Float64Array(2))]);
    expect(values).toEqual([
      ["top1", 0.25, 0.25],
      ["top3", 0.75, 0.75],
      ["top5", 1, 1],
      ["meanPerClassRecall", 0.25, 0.25],
    ]);
  });
});

describe("labels", () => {
  it("find the column of their class", () => {
    expect(classColumns([30, 10, 30], [10, 20, 30], "labels.npy")).toEqual(new Uint32Array([2, 0, 2]));
  });

  it("are refused where no class has them", () => {
    expect(() => classColumns([0, 4], [0, 1, 2, 3], "labels.npy")).toThrow(
      expect.objectContaining({ code: EXIT.data, path: "labels.npy", message: expect.stringContaining("row 1 has the label 4") }),
    );
    expect(() => classOutcomes(matrix([[0, 1]]), new Uint32Array(2), "labels.npy")).toThrow(/2 labels and 1 rows/);
  });

  it("a NaN is named with its row in the whole, and its column", () => {
    expect(() => classOutcomes(matrix([[0, 1], [0, NaN]]), new Uint32Array(2), "scores.npy", 100)).toThrow(/row 101, column 1/);
  });
});

describe("random data", () => {
  const cases = fc
    .record({ items: fc.integer({ min: 1, max: 10 }), classes: fc.integer({ min: 1, max: 6 }) })
    .chain(({ items, classes }) =>
      fc.record({
        rows: fc.array(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: classes, maxLength: classes }), { minLength: items, maxLength: items }),
        labels: fc.array(fc.nat(classes - 1), { minLength: items, maxLength: items }),
        times: fc.array(fc.nat(3), { minLength: items, maxLength: items }),
      }),
    );

  it("agree with sorting, and with items repeated", () => {
    fc.assert(
      fc.property(cases, ({ rows, labels, times }) => {
        const classes = rows[0]?.length ?? 0;
        const naive = (indices: readonly number[]) => {
          const ranked = indices.map((i) => {
            const [row = [], own = 0] = [rows[i], labels[i]];
            const order = [...row.keys()].sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0) || Number(a === own) - Number(b === own));
            return { own, rank: order.indexOf(own) + 1, first: order[0] ?? -1 };
          });
          const present = [...new Set(ranked.map(({ own }) => own))];
          const recall = (own: number) => {
            const mine = ranked.filter((item) => item.own === own);
            return mine.filter(({ first }) => first === own).length / mine.length;
          };
          return {
            top1: ranked.filter(({ rank }) => rank <= 1).length / ranked.length,
            top3: ranked.filter(({ rank }) => rank <= 3).length / ranked.length,
            meanPerClassRecall: present.map(recall).reduce((a, b) => a + b, 0) / present.length,
            predicted: ranked.map(({ first }) => first),
          };
        };
        const { outcomes, metrics } = measure(rows, labels, [1, 3]);
        const { predicted, ...expected } = naive([...labels.keys()]);
        expect([...outcomes.predicted]).toEqual(predicted);
        for (const [name, value] of Object.entries(expected)) expect(metrics[name]).toBeCloseTo(value, 12);
        const repeated = times.flatMap((count, i) => new Array<number>(count).fill(i));
        if (repeated.length === 0) return;
        const recall = classificationStatistics(outcomes, Uint32Array.from(labels), classes, [1]).meanPerClassRecall;
        expect(recall?.resample(Float64Array.from(times))).toBeCloseTo(naive(repeated).meanPerClassRecall, 12);
      }),
      { numRuns: 300 },
    );
  });
});
