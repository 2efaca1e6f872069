/** The content of metrics.json, schema version 1. Shares are fractions, never percent. */

import { type Bootstrapped, type Estimate, estimateOf, pairedDifference } from "./bootstrap.js";
import type { ClassMetrics, ConfusionCell } from "./classes.js";
import type { TaskKind } from "./metricNames.js";

/** Metric name to its estimate. */
export type MetricEstimates = Readonly<Record<string, Estimate>>;
/** Method name to its metrics, in the order of the experiment file. */
export type MethodEstimates = Readonly<Record<string, MetricEstimates>>;

/** The same with the resampled values, from which differences are taken. */
export type BootstrappedMethods = Readonly<Record<string, Readonly<Record<string, Bootstrapped>>>>;

/** What a query found: its best gallery items, best first. */
export interface RetrievalExample {
  readonly query: string;
  readonly found: readonly { readonly item: string; readonly relevant: boolean }[];
}

/** Metrics of the items whose sounding part is of one size. */
export interface SizeMetrics {
  readonly items: number;
  /** Empty where there is no such item. */
  readonly results: MethodEstimates;
}

/** What one task measured. */
export interface TaskMetrics {
  readonly name: string;
  readonly task: TaskKind;
  /** All rows: queries, or items. */
  readonly queries: number;
  /** Gallery items, classes, boxes, or items that sound. */
  readonly gallery: number;
  /** Of those, how many have no relevant item, and so count in no metric. */
  readonly leftOut: { readonly queries: number; readonly gallery: number };
  /** Items that could not be read, and so are not even rows; absent where every one could. */
  readonly unreadable?: { readonly queries: number; readonly gallery: number };
  readonly results: MethodEstimates;
  /** Retrieval with the gallery as queries. */
  readonly reverse?: MethodEstimates;
  /** The first method minus each other one, paired. */
  readonly differences: { readonly results: MethodEstimates; readonly reverse?: MethodEstimates };
  /** What the numbers say, in sentences. */
  readonly notes: readonly string[];
  /** Of localization and counterfactual recognition: the sounding items by how large what sounds is, as SLAVC parts them (`small`, `medium`, `large`, `huge`). */
  readonly sizes?: Readonly<Record<string, SizeMetrics>>;
  /** Classification: every class, in the order of the confusion matrix. */
  readonly classes?: readonly ClassMetrics[];
  /**
   * Classification by the first method: how many items of each class (row) were taken for each (column), all seeds
   * together; a tie for the first place counts as taken for another class. With more than 100 classes the name of a
   * file beside this one, which holds the cells that are not 0.
   */
  readonly confusion?: readonly (readonly number[])[] | string;
  /** What a few queries found, not chosen by how well they did; where items have names. */
  readonly examples?: readonly RetrievalExample[];
}

/** What a comparison of methods came to: the entry of metrics.json, and what the first method was resampled to, metric by metric. */
export interface Compared {
  readonly metrics: TaskMetrics;
  readonly replicates: Replicates;
  /** Classification by the first method, all seeds together. */
  readonly confusion?: readonly ConfusionCell[];
}

/** Resampled metrics of one method, both ways round where there are two. */
export interface Replicates {
  readonly results: Readonly<Record<string, Bootstrapped>>;
  readonly reverse?: Readonly<Record<string, Bootstrapped>>;
}

/** metrics.json. */
export interface MetricsFile {
  readonly schemaVersion: 1;
  readonly run: string;
  /** The first seed. */
  readonly seed: number;
  /** Only where there are several: values are means over these. */
  readonly seeds?: readonly number[];
  readonly tasks: readonly TaskMetrics[];
}

/** Puts a run's metrics together. Throws RangeError when two tasks have one name. */
export function metricsFile(run: string, seeds: readonly number[], tasks: readonly TaskMetrics[]): MetricsFile {
  const names = new Set(tasks.map(({ name }) => name));
  if (names.size < tasks.length) throw new RangeError("two tasks have the same name");
  return { schemaVersion: 1, run, seed: seeds[0] ?? 0, ...(seeds.length > 1 ? { seeds } : {}), tasks };
}

/** Values and intervals alone. */
export function withoutReplicates(methods: BootstrappedMethods): MethodEstimates {
  return mapValues(methods, (metrics) => mapValues(metrics, estimateOf));
}

/** The first method minus each of the others, metric by metric. */
export function differencesFromFirst(methods: BootstrappedMethods): MethodEstimates {
  const [first, ...others] = Object.entries(methods);
  if (first === undefined) return {};
  const [, reference] = first;
  return Object.fromEntries(
    others.map(([name, metrics]) => {
      const entries = Object.entries(metrics).flatMap(([metric, estimate]) => {
        const own = reference[metric];
        return own === undefined ? [] : [[metric, estimateOf(pairedDifference(own, estimate))] as const];
      });
      return [name, Object.fromEntries(entries)];
    }),
  );
}

function mapValues<In, Out>(record: Readonly<Record<string, In>>, change: (value: In) => Out): Readonly<Record<string, Out>> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
