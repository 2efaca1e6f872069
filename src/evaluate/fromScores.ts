/** What `cmcr metrics TASK` computes: the metrics of one method from its scores or maps, of any origin. */

import { dataError } from "../errors.js";
import type { BootstrapOptions } from "./bootstrap.js";
import { classificationStatistics, classColumns, classOutcomes, confusionMatrix } from "./classification.js";
import { bootstrapMethods, compareRetrieval, requireItems } from "./compare.js";
import { counterfactualStatistics } from "./counterfactual.js";
import { type Box, type LocalizationOptions, localizationStatistics, type MapBlock, measureMaps } from "./localization.js";
import type { TaskKind } from "./metricNames.js";
import { type MetricEstimates, withoutReplicates } from "./metricsFile.js";
import { rankColumns, rankRows, type ScoreMatrix } from "./ranks.js";
import { type Relevance, reverseRelevance } from "./relevance.js";

/** One method's metrics: what the command prints. */
export interface ScoredMetrics {
  readonly task: TaskKind;
  /** All rows: queries, or items. */
  readonly queries: number;
  /** Gallery items, classes, boxes, or items that sound. */
  readonly gallery: number;
  /** Rows, and for retrieval gallery items, that count in no metric as nothing is relevant to them. */
  readonly leftOut: { readonly queries: number; readonly gallery: number };
  readonly results: MetricEstimates;
  /** Retrieval with the gallery as queries. */
  readonly reverse?: MetricEstimates;
}

/** The k of `R@k` where none are named. */
export const RETRIEVAL_KS: readonly number[] = [1, 5, 10];
/** The k of `top{k}` where none are named. */
export const CLASSIFICATION_KS: readonly number[] = [1, 3, 5];

export interface ScoredOptions {
  readonly ks: readonly number[];
  readonly bootstrap: BootstrapOptions;
  /** Names the data in an error, such as their file. */
  readonly place: string;
}

/** The name under which the one method goes through the comparison. */
const METHOD = "scores";

/** Rows are queries, columns gallery items. Thrown (exit 3) for a NaN, a relevance of another size, and when no query has a relevant item. */
export function retrievalFromScores(scores: ScoreMatrix, relevance: Relevance, { ks, bootstrap, place }: ScoredOptions): ScoredMetrics {
  if (relevance.queries !== scores.rows || relevance.gallery !== scores.columns) {
    throw dataError(`${place}: the scores are ${scores.rows} x ${scores.columns}, and the relevance is of ${relevance.queries} queries and ${relevance.gallery} gallery items. Rows are queries, columns gallery items.`, {
      reason: "RELEVANCE_INVALID",
      path: place,
    });
  }
  const forward = rankRows(scores, relevance, place);
  const reverse = rankColumns(scores, reverseRelevance(relevance), place);
  const { task, queries, gallery, leftOut, ...metrics } = compareRetrieval({
    name: place,
    relevance,
    methods: [{ kind: "ranked", name: METHOD, seeds: [{ forward, reverse }] }],
    ks,
    bootstrap,
  }).metrics;
  return { task, queries, gallery, leftOut, results: metrics.results[METHOD] ?? {}, reverse: metrics.reverse?.[METHOD] ?? {} };
}

/** Rows are items, columns classes; `labels` has the column of each item's class. Thrown (exit 3) for a NaN, and for a label that is no column. */
export function classificationFromScores(
  scores: ScoreMatrix,
  labels: ArrayLike<number>,
  { ks, bootstrap, place }: ScoredOptions,
): ScoredMetrics & { /** Row: true class; column: the class that the item is taken for. */ readonly confusion: readonly (readonly number[])[] } {
  const classes = scores.columns;
  const truth = classColumns(labels, Uint32Array.from({ length: classes }, (_, column) => column), place);
  const outcomes = classOutcomes(scores, truth, place);
  requireItems(place, scores.rows);
  const methods = bootstrapMethods(scores.rows, [[METHOD, classificationStatistics(outcomes, truth, classes, ks)]], bootstrap);
  const counts = confusionMatrix(outcomes, truth, classes);
  return {
    task: "classification",
    queries: scores.rows,
    gallery: classes,
    leftOut: { queries: 0, gallery: 0 },
    results: withoutReplicates(methods)[METHOD] ?? {},
    confusion: Array.from({ length: classes }, (_, own) => Array.from(counts.subarray(own * classes, (own + 1) * classes))),
  };
}

export interface MapsOptions extends LocalizationOptions {
  readonly bootstrap: BootstrapOptions;
  readonly place: string;
}

type Maps = AsyncIterable<MapBlock> | Iterable<MapBlock>;
type Boxes = readonly (readonly Box[])[];

/** Items without a box are left out, and counted. Thrown (exit 3) as for `measureMaps`, and when no item has a box. */
export async function localizationFromMaps(maps: Maps, boxes: Boxes, { bootstrap, place, ...options }: MapsOptions): Promise<ScoredMetrics> {
  requireBoxes(boxes, place);
  const measures = await measureMaps(maps, boxes, options, place);
  const ciou = measures.ciou.filter((_, item) => (measures.boxes[item] ?? 0) > 0);
  const methods = bootstrapMethods(ciou.length, [[METHOD, localizationStatistics(ciou)]], bootstrap);
  return {
    task: "localization",
    queries: boxes.length,
    gallery: boxes.reduce((sum, { length }) => sum + length, 0),
    leftOut: { queries: boxes.length - ciou.length, gallery: 0 },
    results: withoutReplicates(methods)[METHOD] ?? {},
  };
}

/** Nothing sounds in items without a box. Thrown (exit 3) as for `measureMaps`, and when no item has a box. */
export async function counterfactualFromMaps(maps: Maps, boxes: Boxes, { bootstrap, place, ...options }: MapsOptions): Promise<ScoredMetrics> {
  requireBoxes(boxes, place);
  const measures = await measureMaps(maps, boxes, options, place);
  const methods = bootstrapMethods(boxes.length, [[METHOD, counterfactualStatistics(measures)]], bootstrap);
  return {
    task: "counterfactual",
    queries: boxes.length,
    gallery: boxes.filter(({ length }) => length > 0).length,
    leftOut: { queries: 0, gallery: 0 },
    results: withoutReplicates(methods)[METHOD] ?? {},
  };
}

function requireBoxes(boxes: Boxes, place: string): void {
  requireItems(place, boxes.length);
  if (boxes.every(({ length }) => length === 0)) {
    throw dataError(`${place}: no item has a box, so no place can be right or wrong.`, { reason: "NOTHING_TO_MEASURE", path: place });
  }
}
