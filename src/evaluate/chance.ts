/**
 * What a uniformly random ranking is expected to reach, in closed form. In all
 * of it n items are ranked, of which r are relevant, 1 <= r <= n.
 */

import { meanStatistic, type Statistic } from "./bootstrap.js";
import type { Relevance } from "./relevance.js";

/** Chance that none of the first k is relevant: C(n - r, k) / C(n, k). */
export function missProbability(n: number, r: number, k: number): number {
  if (k > n - r) return 0;
  // C(n - r, k) / C(n, k) = C(n - k, r) / C(n, r): the shorter of the two products.
  const [steps, other] = k < r ? [k, r] : [r, k];
  let product = 1;
  for (let i = 0; i < steps; i += 1) product *= (n - other - i) / (n - i);
  return product;
}

/** Expected R@k: the chance that at least one of the first k is relevant. */
export function expectedRecall(n: number, r: number, k: number): number {
  return 1 - missProbability(n, r, k);
}

/**
 * Expected average precision: ((r - 1) / (n - 1) (n - H_n) + H_n) / n with H_n
 * the n-th harmonic number. An item is relevant at rank i with chance r / n, and
 * each of the i - 1 before it then with (r - 1) / (n - 1); summed over i.
 */
export function expectedAveragePrecision(n: number, r: number): number {
  if (n === 1) return 1;
  let harmonic = 0;
  for (let i = n; i >= 1; i -= 1) harmonic += 1 / i;
  return (((r - 1) / (n - 1)) * (n - harmonic) + harmonic) / n;
}

/** Expected reciprocal rank: sum over j of P(first = j) / j, where P(1) = r / n and P(j + 1) = P(j) (n - r - j + 1) / (n - j). */
export function expectedReciprocalRank(n: number, r: number): number {
  let sum = 0;
  let probability = r / n;
  for (let j = 1; j <= n - r + 1; j += 1) {
    sum += probability / j;
    probability *= (n - r - j + 1) / (n - j);
  }
  return sum;
}

/** How many of the queries have that many relevant items. */
export interface RelevantCount {
  readonly relevant: number;
  readonly queries: number;
}

/** Rounding in the sum of probabilities must not hide that it is one half. */
const HALF_TOLERANCE = 1e-12;

/**
 * Median of the rank of the first relevant item, over queries and rankings
 * together: the smallest m with P(rank <= m) >= 1/2 and, where that is exactly
 * one half, halfway to m + 1, as for a median of an even number.
 */
export function medianFirstRank(n: number, counts: readonly RelevantCount[]): number {
  const total = counts.reduce((sum, { queries }) => sum + queries, 0);
  const reached = (m: number): number => counts.reduce((sum, { relevant, queries }) => sum + queries * expectedRecall(n, relevant, m), 0) / total;
  let low = 1;
  let high = n;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (reached(middle) >= 0.5 - HALF_TOLERANCE) high = middle;
    else low = middle + 1;
  }
  return reached(low) <= 0.5 + HALF_TOLERANCE ? low + 0.5 : low;
}

/**
 * The metrics of a retrieval task under random ranking, resampled over queries
 * as those of a method are: their number of relevant items may differ.
 */
export function chanceStatistics({ offsets, queries, gallery }: Pick<Relevance, "offsets" | "queries" | "gallery">, ks: readonly number[]): Record<string, Statistic> {
  const relevant = Uint32Array.from({ length: queries }, (_, i) => (offsets[i + 1] ?? 0) - (offsets[i] ?? 0)).filter((r) => r > 0);
  const distinct = [...new Set(relevant)].sort((a, b) => a - b);
  const place = new Map(distinct.map((r, i) => [r, i]));
  const groups = relevant.map((r) => place.get(r) ?? 0);
  const expected = (value: (r: number) => number): Statistic => {
    const ofGroup = distinct.map(value);
    return meanStatistic(Float64Array.from(groups, (group) => ofGroup[group] ?? NaN));
  };
  return {
    ...Object.fromEntries(ks.map((k) => [`R@${k}`, expected((r) => expectedRecall(gallery, r, k))])),
    mAP: expected((r) => expectedAveragePrecision(gallery, r)),
    MRR: expected((r) => expectedReciprocalRank(gallery, r)),
    medianRank: medianRankStatistic(gallery, distinct, groups),
  };
}

function medianRankStatistic(gallery: number, distinct: readonly number[], groups: Uint32Array): Statistic {
  const median = (weight: (item: number) => number): number => {
    const queries = new Float64Array(distinct.length);
    groups.forEach((group, item) => {
      queries[group] = (queries[group] ?? 0) + weight(item);
    });
    return medianFirstRank(gallery, distinct.map((relevant, i) => ({ relevant, queries: queries[i] ?? 0 })));
  };
  const value = median(() => 1);
  // With one number of relevant items no resample differs.
  return { value, resample: distinct.length === 1 ? () => value : (multiplicities) => median((item) => multiplicities[item] ?? 0) };
}
