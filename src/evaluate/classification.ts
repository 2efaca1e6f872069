/** Zero-shot classification: items against one score per class. */

import { type CmcrError, dataError } from "../errors.js";
import { constantStatistic, meanStatistic, type Statistic } from "./bootstrap.js";
import { notANumber, type ScoreMatrix } from "./ranks.js";

/** What the scores say of each item. */
export interface ClassOutcomes {
  /** 1-based rank of the true class; among equal scores it counts as last. */
  readonly ranks: Uint32Array;
  /** The class that the item is taken for: the true one only when nothing equals its score, else the best of the others. */
  readonly predicted: Uint32Array;
}

/**
 * The column of each item's class, where `classLabels[j]` is the label of
 * column j. Thrown (exit 3) with the row whose label no class has.
 *
 * @param place names the labels in an error, such as their file
 */
export function classColumns(labels: ArrayLike<number>, classLabels: ArrayLike<number>, place: string): Uint32Array {
  const columnOf = new Map(Array.from(classLabels, (label, column) => [label, column]));
  return Uint32Array.from({ length: labels.length }, (_, row) => {
    const column = columnOf.get(labels[row] ?? NaN);
    if (column === undefined) {
      throw invalid(place, `row ${row} has the label ${labels[row] ?? "none"}, and none of the ${classLabels.length} classes has it. Number the classes as the score columns are, from 0, or add the class.`);
    }
    return column;
  });
}

/**
 * Ranks the true class of each item of a block of scores. Thrown (exit 3) with
 * the row and column of a NaN.
 *
 * @param truth column of the true class of each row of the block
 * @param firstRow row number of the block's first row, for errors
 */
export function classOutcomes(scores: ScoreMatrix, truth: Uint32Array, place: string, firstRow = 0): ClassOutcomes {
  if (truth.length !== scores.rows) {
    throw invalid(place, `there are ${truth.length} labels and ${scores.rows} rows of scores. Give one label for each row.`);
  }
  const ranks = new Uint32Array(scores.rows);
  const predicted = new Uint32Array(scores.rows);
  for (let row = 0; row < scores.rows; row += 1) {
    const base = row * scores.columns;
    const own = truth[row] ?? 0;
    const ownScore = scores.data[base + own] ?? NaN;
    let rank = 1;
    let best = own;
    let bestOther = -Infinity;
    for (let column = 0; column < scores.columns; column += 1) {
      const score = scores.data[base + column] ?? NaN;
      if (Number.isNaN(score)) throw notANumber(place, firstRow + row, column);
      if (column === own || score < ownScore) continue;
      rank += 1;
      if (best === own || score > bestOther) [best, bestOther] = [column, score];
    }
    ranks[row] = rank;
    predicted[row] = best;
  }
  return { ranks, predicted };
}

/**
 * The metrics, by their names in metrics.json: `top{k}`, the share of items
 * whose class is among the k best (a k beyond the classes is all of them), over
 * all items, as ULIP has it; `meanPerClassRecall`, the mean of each class's
 * top-1 share over the classes that have an item.
 */
export function classificationStatistics({ ranks }: ClassOutcomes, truth: Uint32Array, classes: number, ks: readonly number[]): Record<string, Statistic> {
  const correct = (k: number): Float64Array => Float64Array.from(ranks, (rank) => (rank <= k ? 1 : 0));
  return {
    ...Object.fromEntries(ks.map((k) => [`top${k}`, meanStatistic(correct(k))])),
    meanPerClassRecall: classRecallStatistic(correct(1), truth, classes),
  };
}

/** What guessing is expected to reach: k of the classes at a time. No item changes it. */
export function classificationChance(classes: number, ks: readonly number[]): Record<string, Statistic> {
  return {
    ...Object.fromEntries(ks.map((k) => [`top${k}`, constantStatistic(Math.min(1, k / classes))])),
    meanPerClassRecall: constantStatistic(1 / classes),
  };
}

/** Counts of items by true class (row) and the class that they are taken for (column), row-major (classes, classes). */
export function confusionMatrix({ predicted }: ClassOutcomes, truth: Uint32Array, classes: number): Uint32Array {
  const counts = new Uint32Array(classes * classes);
  truth.forEach((own, item) => {
    const cell = own * classes + (predicted[item] ?? 0);
    counts[cell] = (counts[cell] ?? 0) + 1;
  });
  return counts;
}

function classRecallStatistic(correct: Float64Array, truth: Uint32Array, classes: number): Statistic {
  const items = new Float64Array(classes);
  const hits = new Float64Array(classes);
  const resample = (multiplicities: Float64Array): number => {
    items.fill(0);
    hits.fill(0);
    for (let i = 0; i < truth.length; i += 1) {
      const own = truth[i] ?? 0;
      const times = multiplicities[i] ?? 0;
      items[own] = (items[own] ?? 0) + times;
      hits[own] = (hits[own] ?? 0) + times * (correct[i] ?? 0);
    }
    let sum = 0;
    let present = 0;
    for (let own = 0; own < classes; own += 1) {
      const count = items[own] ?? 0;
      if (count === 0) continue;
      sum += (hits[own] ?? 0) / count;
      present += 1;
    }
    return sum / present;
  };
  return { value: resample(new Float64Array(truth.length).fill(1)), resample };
}

function invalid(place: string, message: string): CmcrError {
  return dataError(`${place}: ${message}`, { reason: "LABELS_INVALID", path: place });
}
