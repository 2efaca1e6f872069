/** Methods side by side on one task: the same items, the same resamples, one entry of metrics.json. */

import { dataError } from "../errors.js";
import { bootstrap, type BootstrapOptions, type Bootstrapped, type Statistic } from "./bootstrap.js";
import { chanceStatistics } from "./chance.js";
import { classMetrics, type ClassNames, classNotes, confusionCells } from "./classes.js";
import { classificationChance, classificationStatistics, type ClassOutcomes } from "./classification.js";
import { COUNTED, LACKING, PRIMARY_METRIC, type TaskKind } from "./metricNames.js";
import { type BootstrappedMethods, type Compared, differencesFromFirst, type Replicates, type TaskMetrics, withoutReplicates } from "./metricsFile.js";
import { comparisonNotes, countNotes, seedNotes } from "./notes.js";
import { type Relevance, reverseRelevance } from "./relevance.js";
import { retrievalStatistics, retrievalValues } from "./retrieval.js";
import { overSeeds } from "./seeds.js";

/** Ranks of the relevant items both ways round. */
export interface RetrievalRanks {
  /** Laid out as the relevance's columns. */
  readonly forward: Uint32Array;
  /** Laid out as the columns of `reverseRelevance`. */
  readonly reverse: Uint32Array;
}

/** A method's ranks, or the expectation of random ranking. */
export type RetrievalMethod =
  | {
      readonly kind: "ranked";
      readonly name: string;
      /** One element for each seed. */
      readonly seeds: readonly RetrievalRanks[];
    }
  | { readonly kind: "chance"; readonly name: string };

export interface RetrievalComparison {
  readonly name: string;
  readonly relevance: Relevance;
  /** In the order in which they are reported; the first is the one that the others are compared with. */
  readonly methods: readonly RetrievalMethod[];
  readonly ks: readonly number[];
  readonly bootstrap: BootstrapOptions;
}

/** Metrics of all methods, both ways round. Thrown (exit 3) when no query has a relevant item. */
export function compareRetrieval({ name, relevance, methods, ks, bootstrap: options }: RetrievalComparison): Compared {
  requireRelevant(name, relevance);
  const reversed = reverseRelevance(relevance);
  const forward = oneWay(relevance, methods, "forward", ks, options);
  const backward = oneWay(reversed, methods, "reverse", ks, options);
  return compared(name, "retrieval", [relevance.queries, relevance.gallery], [forward.leftOut, backward.leftOut], forward.methods, backward.methods);
}

/** A method's outcomes, one element for each seed, or the expectation of guessing. */
export type ClassificationMethod = { readonly kind: "scored"; readonly name: string; readonly seeds: readonly ClassOutcomes[] } | { readonly kind: "chance"; readonly name: string };

export interface ClassificationComparison {
  readonly name: string;
  /** Column of each item's class. */
  readonly truth: Uint32Array;
  /** Of each column. */
  readonly classes: ClassNames;
  readonly methods: readonly ClassificationMethod[];
  readonly ks: readonly number[];
  readonly bootstrap: BootstrapOptions;
}

/**
 * Metrics of all methods, with each class's, and the confusion matrix of the first that
 * was measured. Thrown (exit 3) when there is no item.
 */
export function compareClassification({ name, truth, classes, methods, ks, bootstrap: options }: ClassificationComparison): Compared {
  requireItems(name, truth.length);
  const count = classes.labels.length;
  const ofMethod = (method: ClassificationMethod): Record<string, Statistic> =>
    method.kind === "chance" ? classificationChance(count, ks) : overSeeds(method.seeds.map((outcomes) => classificationStatistics(outcomes, truth, count, ks)));
  const statistics = methods.map((method) => [method.name, ofMethod(method)] as const);
  const entry = compared(name, "classification", [truth.length, count], [0, 0], bootstrapMethods(truth.length, statistics, options));
  const scored = methods.filter((method) => method.kind === "scored");
  const [first] = scored;
  if (first === undefined) return entry;
  const ofClasses = classMetrics(scored, truth, classes);
  const confusion = confusionCells(first.seeds, truth, count);
  const notes = [...entry.metrics.notes, ...classNotes(ofClasses, confusion, first.name)];
  return { ...entry, metrics: { ...entry.metrics, classes: ofClasses, notes }, confusion };
}

/** Thrown (exit 3) when no query has a relevant item in the gallery. */
export function requireRelevant(name: string, relevance: Relevance): void {
  if (relevance.columns.length > 0) return;
  throw dataError(`${name}: no query has a relevant item in the gallery, so nothing can be measured. Check that the labels of both sides count the same classes.`, {
    reason: "NOTHING_RELEVANT",
    path: name,
  });
}

/** The error for a task without a single item. */
export function requireItems(name: string, items: number): void {
  if (items === 0) throw dataError(`${name}: there is no item to measure.`, { reason: "NOTHING_TO_MEASURE", path: name });
}

/** Bootstraps the statistics of several methods on the same draws. Throws RangeError when two methods have one name. */
export function bootstrapMethods(items: number, methods: readonly (readonly [string, Readonly<Record<string, Statistic>>])[], options: BootstrapOptions): BootstrappedMethods {
  if (new Set(methods.map(([name]) => name)).size < methods.length) throw new RangeError("two methods have the same name");
  const flat = methods.flatMap(([, statistics], i) => Object.entries(statistics).map(([metric, statistic]) => [`${i} ${metric}`, statistic] as const));
  const drawn: Readonly<Record<string, Bootstrapped>> = bootstrap(items, Object.fromEntries(flat), options);
  const metricsOf = (index: number, statistics: Readonly<Record<string, Statistic>>): readonly (readonly [string, Bootstrapped])[] =>
    Object.keys(statistics).flatMap((metric) => {
      const estimate = drawn[`${index} ${metric}`];
      return estimate === undefined ? [] : [[metric, estimate] as const];
    });
  return Object.fromEntries(methods.map(([name, statistics], i) => [name, Object.fromEntries(metricsOf(i, statistics))]));
}

/** What methods came to that were bootstrapped together; the arguments are those of `taskEntry`. */
export function compared(...entry: Parameters<typeof taskEntry>): Compared {
  const [, , , , methods, reverse] = entry;
  const first = (from: BootstrappedMethods): Replicates["results"] => Object.values(from)[0] ?? {};
  return { metrics: taskEntry(...entry), replicates: { results: first(methods), ...(reverse === undefined ? {} : { reverse: first(reverse) }) } };
}

/** An entry of metrics.json from what was bootstrapped, with its notes. */
export function taskEntry(
  name: string,
  task: TaskKind,
  [queries, gallery]: readonly [number, number],
  [leftOutQueries, leftOutGallery]: readonly [number, number],
  methods: BootstrappedMethods,
  reverse?: BootstrappedMethods,
): TaskMetrics {
  const metric = PRIMARY_METRIC[task];
  const [rows, columns] = COUNTED[task];
  const notes = [
    ...comparisonNotes(methods, metric, reverse === undefined ? "" : "Query to gallery"),
    ...(reverse === undefined ? [] : comparisonNotes(reverse, metric, "Gallery to query")),
    ...seedNotes(methods, metric, rows),
    ...countNotes(queries, leftOutQueries, rows, LACKING[task]),
    ...(reverse === undefined ? [] : countNotes(gallery, leftOutGallery, columns, LACKING[task])),
  ];
  return {
    name,
    task,
    queries,
    gallery,
    leftOut: { queries: leftOutQueries, gallery: leftOutGallery },
    results: withoutReplicates(methods),
    ...(reverse === undefined ? {} : { reverse: withoutReplicates(reverse) }),
    differences: { results: differencesFromFirst(methods), ...(reverse === undefined ? {} : { reverse: differencesFromFirst(reverse) }) },
    notes,
  };
}

function oneWay(
  relevance: Relevance,
  methods: readonly RetrievalMethod[],
  way: "forward" | "reverse",
  ks: readonly number[],
  options: BootstrapOptions,
): { readonly methods: BootstrappedMethods; readonly leftOut: number } {
  const ofMethod = (method: RetrievalMethod): Record<string, Statistic> =>
    method.kind === "chance" ? chanceStatistics(relevance, ks) : overSeeds(method.seeds.map((ranks) => retrievalStatistics(retrievalValues(relevance, ranks[way], ks))));
  const statistics = methods.map((method) => [method.name, ofMethod(method)] as const);
  const { leftOut } = retrievalValues(relevance, new Uint32Array(relevance.columns.length), []);
  return { methods: bootstrapMethods(relevance.queries - leftOut, statistics, options), leftOut };
}
