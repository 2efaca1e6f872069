import { describe, expect, it } from "vitest";
import { EXIT } from "../../../src/errors.js";
import { classificationFromScores, CLASSIFICATION_KS, counterfactualFromMaps, localizationFromMaps, RETRIEVAL_KS, retrievalFromScores } from "../../../src/evaluate/fromScores.js";
import { relevanceFromRows } from "../../../src/evaluate/relevance.js";
import type { Box } from "../../../src/evaluate/localization.js";

const options = { bootstrap: { resamples: 100, seed: 0 }, place: "scores.npy" };
const scores = { data: new Float32Array([9, 1, 2, 8, 7, 9, 1, 3, 2]), rows: 3, columns: 3 };
const values = (results: Readonly<Record<string, { readonly value: number }>>) => Object.fromEntries(Object.entries(results).map(([name, { value }]) => [name, value]));

describe("metrics of scores from anywhere", () => {
  it("retrieval, both ways round", () => {
    const metrics = retrievalFromScores(scores, relevanceFromRows(3, 3, "test"), { ...options, ks: RETRIEVAL_KS });
    expect(metrics).toMatchObject({ task: "retrieval", queries: 3, gallery: 3, leftOut: { queries: 0, gallery: 0 } });
    // Ranks 1, 3, 2, and for columns 1, 1, 2 (2 of column 2 ties).
    expect(values(metrics.results)).toEqual({ "R@1": 1 / 3, "R@5": 1, "R@10": 1, mAP: expect.closeTo(11 / 18, 12), MRR: expect.closeTo(11 / 18, 12), medianRank: 2 });
    expect(values(metrics.reverse ?? {})).toMatchObject({ "R@1": 2 / 3, medianRank: 1, MRR: expect.closeTo((1 + 1 + 1 / 3) / 3, 12) });
    for (const { value, ci95 } of Object.values(metrics.results)) expect(ci95[0] <= value && value <= ci95[1]).toBe(true);
    expect(Object.keys(metrics.results.mAP ?? {})).toEqual(["value", "ci95"]);
  });

  it("classification, with its confusion matrix", () => {
    const metrics = classificationFromScores(scores, new Int32Array([0, 1, 2]), { ...options, ks: CLASSIFICATION_KS });
    expect(metrics).toMatchObject({ task: "classification", queries: 3, gallery: 3 });
    expect(values(metrics.results)).toEqual({ top1: 1 / 3, top3: 1, top5: 1, meanPerClassRecall: 1 / 3 });
    expect(metrics.confusion).toEqual([
      [1, 0, 0],
      [0, 0, 1],
      [0, 1, 0],
    ]);
  });

  const maps = [{ data: new Float32Array([1, 2, 3, 4, 9, 8, 1, 0, 5, 5, 1, 1]), count: 3, height: 1, width: 4 }];
  const boxes: Box[][] = [[[0.5, 0, 1, 1]], [[0.5, 0, 1, 1]], []];

  it("localization, silent items left out and counted", async () => {
    const metrics = await localizationFromMaps(maps, boxes, { ...options, threshold: null });
    expect(metrics).toMatchObject({ task: "localization", queries: 3, gallery: 2, leftOut: { queries: 1, gallery: 0 } });
    expect(values(metrics.results)).toEqual({ "cIoU@0.5": 0.5, AUC: expect.closeTo(0.5 + 0.5 * 0.025, 12), meanCIoU: 0.5 });
  });

  it("counterfactual, silent items counted against", async () => {
    const metrics = await counterfactualFromMaps(maps, boxes, { ...options, threshold: null });
    expect(metrics).toMatchObject({ task: "counterfactual", queries: 3, gallery: 2 });
    // Confidences 4, 9, 5: found, misplaced, silent. All detected: precision 1/3, recall 1.
    expect(values(metrics.results)).toEqual({ AP: expect.closeTo(1 / 3, 12), maxF1: 0.5, LocAcc: 0.5 });
  });

  it("refuses what does not fit, with exit 3", async () => {
    const fails = (reason: string) => expect.objectContaining({ code: EXIT.data, reason });
    expect(() => retrievalFromScores(scores, relevanceFromRows(4, 4, "test"), { ...options, ks: [1] })).toThrow(fails("RELEVANCE_INVALID"));
    expect(() => classificationFromScores(scores, [0, 1, 3], { ...options, ks: [1] })).toThrow(fails("LABELS_INVALID"));
    expect(() => classificationFromScores({ data: new Float32Array(0), rows: 0, columns: 3 }, [], { ...options, ks: [1] })).toThrow(fails("NOTHING_TO_MEASURE"));
    await expect(localizationFromMaps(maps, [[], [], []], { ...options, threshold: null })).rejects.toThrow(fails("NOTHING_TO_MEASURE"));
    await expect(counterfactualFromMaps([], [], { ...options, threshold: null })).rejects.toThrow(fails("NOTHING_TO_MEASURE"));
  });
});
