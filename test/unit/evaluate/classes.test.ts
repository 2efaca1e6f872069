import { describe, expect, it } from "vitest";
import { randomSource } from "../../../src/connect/random.js";
import { classMetrics, classNotes, confusionCells, confusionRows } from "../../../src/evaluate/classes.js";
import { type ClassOutcomes, classOutcomes } from "../../../src/evaluate/classification.js";
import { compareClassification } from "../../../src/evaluate/compare.js";
import { CONFUSION_FILE, placeConfusion } from "../../../src/evaluate/confusionFile.js";

/** Six items of three classes out of four; class 3 has none. */
const truth = Uint32Array.from([0, 0, 1, 1, 2, 2]);
const taken = (...predicted: readonly number[]): ClassOutcomes => ({
  predicted: Uint32Array.from(predicted),
  ranks: Uint32Array.from(predicted, (column, item) => (column === truth[item] ? 1 : 2)),
});
const seeds = [taken(0, 1, 1, 1, 0, 2), taken(0, 1, 1, 3, 0, 0)];
const named = { labels: [10, 11, 12, 13], names: ["cup", "bowl", "vase", "lamp"] };

describe("classes", () => {
  it("count what items are taken for, all seeds together", () => {
    const cells = confusionCells(seeds, truth, 4);
    expect(confusionRows(cells, 4)).toEqual([
      [2, 2, 0, 0],
      [0, 3, 0, 1],
      [3, 0, 1, 0],
      [0, 0, 0, 0],
    ]);
    expect(cells.every(([, , items]) => items > 0)).toBe(true);
    expect(cells.reduce((sum, [, , items]) => sum + items, 0)).toBe(12);
  });

  it("have the mean recall of the seeds, and null where there is no item", () => {
    const classes = classMetrics([{ name: "cmcr", seeds }, { name: "ridge", seeds: [taken(0, 0, 0, 0, 0, 0)] }], truth, named);
    expect(classes.map(({ recall }) => recall)).toEqual([
      { cmcr: 0.5, ridge: 1 },
      { cmcr: 0.75, ridge: 0 },
      { cmcr: 0.25, ridge: 0 },
      { cmcr: null, ridge: null },
    ]);
    expect(classes.map(({ label, name, items }) => [label, name, items])).toEqual([[10, "cup", 2], [11, "bowl", 2], [12, "vase", 2], [13, "lamp", 0]]);
    expect(classMetrics([], truth, { labels: [0, 1, 2, 3], names: null })[0]).toEqual({ label: 0, items: 2, recall: {} });
  });

  it("say which are missing, recognised least, and mixed up most", () => {
    const classes = classMetrics([{ name: "cmcr", seeds }], truth, named);
    expect(classNotes(classes, confusionCells(seeds, truth, 4), "cmcr")).toEqual([
      "1 of 4 classes has no item and is in no mean of recalls: lamp.",
      "Recognised least by cmcr: vase (recall 0.250), cup (recall 0.500), bowl (recall 0.750).",
      "Mixed up most by cmcr: vase taken for cup (3 times), cup taken for bowl (2 times), bowl taken for lamp (once).",
    ]);
  });

  it("leave the mean of recalls to those that have an item", () => {
    const { metrics } = compareClassification({ name: "shapes", truth, classes: named, methods: [{ kind: "scored", name: "cmcr", seeds }], ks: [1], bootstrap: { resamples: 20, seed: 0 } });
    expect(metrics.results.cmcr?.meanPerClassRecall?.value).toBeCloseTo(0.5, 12);
    expect(metrics.notes).toContain("1 of 4 classes has no item and is in no mean of recalls: lamp.");
  });
});

describe("the confusion matrix", () => {
  const compared = (count: number) => {
    const random = randomSource(3);
    const own = Uint32Array.from({ length: 2 * count }, (_, item) => item % count);
    const data = Float64Array.from({ length: 2 * count * count }, () => random.nextUint32());
    const outcomes = classOutcomes({ data, rows: 2 * count, columns: count }, own, "test");
    const labels = Array.from({ length: count }, (_, place) => place);
    return { outcomes, own, result: compareClassification({ name: "many", truth: own, classes: { labels, names: null }, methods: [{ kind: "scored", name: "cmcr", seeds: [outcomes] }], ks: [1], bootstrap: { resamples: 2, seed: 0 } }) };
  };

  it("is in metrics.json up to 100 classes", () => {
    const { metrics, apart } = placeConfusion(compared(100).result);
    expect(apart).toBeNull();
    expect(metrics.confusion).toHaveLength(100);
  });

  it("is a file's matter beyond", () => {
    const { outcomes, own, result } = compared(101);
    const { metrics, apart } = placeConfusion(result);
    expect(metrics.confusion).toBe(CONFUSION_FILE);
    expect(metrics.classes).toHaveLength(101);
    expect(apart?.cells).toEqual(confusionCells([outcomes], own, 101));
    expect(apart?.labels).toHaveLength(101);
  });
});
