/**
 * Retrieval metrics from the ranks of the relevant items. Queries without a
 * relevant item are left out of every metric, and counted.
 */

import { meanStatistic, medianStatistic, type Statistic } from "./bootstrap.js";
import type { Relevance } from "./relevance.js";

/** One value a query, of the queries that have a relevant item, in their order. */
export interface RetrievalValues {
  /** The k of each `R@k`. */
  readonly ks: readonly number[];
  /** For each k: 1 where a relevant item is among the first k, else 0. A k beyond the gallery is the whole gallery. */
  readonly recalled: readonly Float64Array[];
  /** Average precision over the whole ranking: mean, over the relevant items, of j / rank of the j-th best. */
  readonly averagePrecision: Float64Array;
  /** 1 / rank of the best relevant item. */
  readonly reciprocalRank: Float64Array;
  /** Rank of the best relevant item, from 1. */
  readonly firstRank: Float64Array;
  /** Queries that have no relevant item. */
  readonly leftOut: number;
}

/**
 * Values of every query.
 *
 * @param ranks 1-based, laid out as `relevance.columns`, ascending within each query
 */
export function retrievalValues(relevance: Pick<Relevance, "offsets" | "queries">, ranks: Uint32Array, ks: readonly number[]): RetrievalValues {
  const { offsets, queries } = relevance;
  const kept = Uint32Array.from({ length: queries }, (_, i) => i).filter((i) => (offsets[i + 1] ?? 0) > (offsets[i] ?? 0));
  const firstRank = Float64Array.from(kept, (i) => ranks[offsets[i] ?? 0] ?? NaN);
  const averagePrecision = Float64Array.from(kept, (i) => {
    const [start, end] = [offsets[i] ?? 0, offsets[i + 1] ?? 0];
    let sum = 0;
    for (let k = start; k < end; k += 1) sum += (k - start + 1) / (ranks[k] ?? NaN);
    return sum / (end - start);
  });
  return {
    ks,
    recalled: ks.map((k) => firstRank.map((rank) => (rank <= k ? 1 : 0))),
    averagePrecision,
    reciprocalRank: firstRank.map((rank) => 1 / rank),
    firstRank,
    leftOut: queries - kept.length,
  };
}

/**
 * The metrics, by their names in metrics.json. `R@k` is the share of queries
 * with at least one relevant item among the first k, as CLIP_benchmark has it;
 * `mAP` runs over the whole ranking, unlike CLAP's mAP@10; `medianRank` is the
 * median rank of the best relevant item and, of an even number of queries, the
 * mean of the two in the middle, where CLAP rounds down.
 */
export function retrievalStatistics(values: RetrievalValues): Record<string, Statistic> {
  return {
    ...Object.fromEntries(values.ks.map((k, i) => [`R@${k}`, meanStatistic(values.recalled[i] ?? new Float64Array(0))])),
    mAP: meanStatistic(values.averagePrecision),
    MRR: meanStatistic(values.reciprocalRank),
    medianRank: medianStatistic(values.firstRank),
  };
}
