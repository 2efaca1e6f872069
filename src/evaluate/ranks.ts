import { type CmcrError, dataError } from "../errors.js";
import type { Relevance } from "./relevance.js";

/** Scores of rows (queries, items) against columns (gallery, classes), row-major; higher is more alike. */
export interface ScoreMatrix {
  readonly data: Float32Array | Float64Array;
  readonly rows: number;
  readonly columns: number;
}

/** Gallery columns that are gathered at a time, so that reading against the grain stays within the cache. */
const COLUMN_BLOCK = 32;

/**
 * The 1-based ranks, ascending, of the relevant items of one query. Ties count
 * against the method: the j-th best relevant item has rank
 * j + (number of irrelevant items whose score is at least its own).
 *
 * @param scores one row, of the whole gallery
 * @param relevant distinct columns
 * @param ranks where they are written, as long as `relevant`
 * @returns the first column whose score is NaN, else -1
 */
export function rankRelevant(scores: Float32Array | Float64Array, relevant: Uint32Array, ranks: Uint32Array): number {
  const best = Float64Array.from(relevant, (column) => scores[column] ?? NaN).sort().reverse();
  const highest = best[0] ?? Infinity;
  const lowest = best[best.length - 1] ?? Infinity;
  // starts[j]: items that outrank the relevant item j and all worse ones, but none better.
  const starts = new Uint32Array(best.length + 1);
  for (let column = 0; column < scores.length; column += 1) {
    const score = scores[column] ?? NaN;
    if (Number.isNaN(score)) return column;
    if (score < lowest) continue;
    const j = score >= highest ? 0 : firstAtMost(best, score);
    starts[j] = (starts[j] ?? 0) + 1;
  }
  // The relevant items were counted among all others; only irrelevant ones may outrank.
  for (const score of best) {
    const j = firstAtMost(best, score);
    starts[j] = (starts[j] ?? 0) - 1;
  }
  let above = 0;
  for (let j = 0; j < best.length; j += 1) {
    above += starts[j] ?? 0;
    ranks[j] = above + j + 1;
  }
  return -1;
}

/** Index of the first of the descending scores that is at most `score`. */
function firstAtMost(descending: Float64Array, score: number): number {
  let low = 0;
  let high = descending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((descending[middle] ?? 0) <= score) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Ranks of every query's relevant items from a whole score matrix, laid out as
 * `relevance.columns` and ascending within each query. Thrown (exit 3) with the
 * row and column of a NaN.
 *
 * @param place names the scores in an error, such as their file
 */
export function rankRows(scores: ScoreMatrix, relevance: Relevance, place: string): Uint32Array {
  const { offsets, columns } = relevance;
  const ranks = new Uint32Array(columns.length);
  for (let row = 0; row < scores.rows; row += 1) {
    const values = scores.data.subarray(row * scores.columns, (row + 1) * scores.columns);
    const [start, end] = [offsets[row] ?? 0, offsets[row + 1] ?? 0];
    const nan = rankRelevant(values, columns.subarray(start, end), ranks.subarray(start, end));
    if (nan >= 0) throw notANumber(place, row, nan);
  }
  return ranks;
}

/** The same for the gallery's items as queries: `reversed` is `reverseRelevance` of the task's relevance. */
export function rankColumns(scores: ScoreMatrix, reversed: Relevance, place: string): Uint32Array {
  const { offsets, columns } = reversed;
  const { data, rows, columns: width } = scores;
  const ranks = new Uint32Array(columns.length);
  const block = Array.from({ length: COLUMN_BLOCK }, () => new Float64Array(rows));
  for (let first = 0; first < width; first += COLUMN_BLOCK) {
    const gathered = block.slice(0, Math.min(COLUMN_BLOCK, width - first));
    for (let row = 0; row < rows; row += 1) {
      const base = row * width + first;
      for (const [i, column] of gathered.entries()) column[row] = data[base + i] ?? NaN;
    }
    for (const [i, values] of gathered.entries()) {
      const [start, end] = [offsets[first + i] ?? 0, offsets[first + i + 1] ?? 0];
      const nan = rankRelevant(values, columns.subarray(start, end), ranks.subarray(start, end));
      if (nan >= 0) throw notANumber(place, nan, first + i);
    }
  }
  return ranks;
}

/** The error for a score that is NaN, at a row and column counted from 0. */
export function notANumber(place: string, row: number, column: number): CmcrError {
  return dataError(`${place}: the score at row ${row}, column ${column} is NaN, so nothing can be ranked. Find the embedding or the division that made it.`, {
    reason: "NOT_FINITE",
    path: place,
  });
}
