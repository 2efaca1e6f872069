/** The content of bootstrap.json, schema version 1: what a run's metrics were resampled to, for comparisons with other runs. */

import type { Bootstrapped } from "./bootstrap.js";
import type { TaskKind } from "./metricNames.js";
import type { Replicates, TaskMetrics } from "./metricsFile.js";

/** Metric name to one value for each resample, in the order of the draws; null where it is undefined. */
export type MetricReplicates = Readonly<Record<string, readonly (number | null)[]>>;

/** Metric name to its value with each seed, in the order of the seeds. */
export type MetricValues = Readonly<Record<string, readonly number[]>>;

/** What one task's metrics of the method cmcr were resampled to. */
export interface TaskBootstrap {
  readonly task: TaskKind;
  /** SHA-256 of what the items are held against. */
  readonly truth: string;
  /** `count/resamples/seed` of `results`. */
  readonly draws: string;
  readonly results: MetricReplicates;
  /** Retrieval with the gallery as queries. */
  readonly reverse?: MetricReplicates;
  /** `count/resamples/seed` of `reverse`. */
  readonly reverseDraws?: string;
  readonly values: { readonly results: MetricValues; readonly reverse?: MetricValues };
}

/** bootstrap.json. */
export interface BootstrapFile {
  readonly schemaVersion: 1;
  readonly run: string;
  readonly seeds: readonly number[];
  /** By task name, in the order of metrics.json. */
  readonly tasks: Readonly<Record<string, TaskBootstrap>>;
}

/** One task's part of the file. */
export function taskBootstrap({ task }: Pick<TaskMetrics, "task">, truth: string, { results, reverse }: Replicates): TaskBootstrap {
  return {
    task,
    truth,
    draws: drawsOf(results),
    results: replicatesOf(results),
    ...(reverse === undefined ? {} : { reverse: replicatesOf(reverse), reverseDraws: drawsOf(reverse) }),
    values: { results: valuesOf(results), ...(reverse === undefined ? {} : { reverse: valuesOf(reverse) }) },
  };
}

function drawsOf(metrics: Readonly<Record<string, Bootstrapped>>): string {
  return Object.values(metrics)[0]?.draws ?? "";
}

function replicatesOf(metrics: Readonly<Record<string, Bootstrapped>>): MetricReplicates {
  return mapMetrics(metrics, ({ replicates }) => Array.from(replicates, (value) => (Number.isNaN(value) ? null : value)));
}

function valuesOf(metrics: Readonly<Record<string, Bootstrapped>>): MetricValues {
  return mapMetrics(metrics, ({ value, seeds }) => seeds ?? [value]);
}

function mapMetrics<T>(metrics: Readonly<Record<string, Bootstrapped>>, change: (estimate: Bootstrapped) => T): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(metrics).map(([metric, estimate]) => [metric, change(estimate)]));
}
