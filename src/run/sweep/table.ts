/** The content of a sweep's table.json, schema version 1. */

import { type CompiledExperiment, type CompiledTask, type CompiledView, taskViews } from "../../config/compiled.js";
import type { SweepMetric } from "../../config/sweepMetrics.js";
import type { Estimate } from "../../evaluate/bootstrap.js";
import type { BootstrapFile } from "../../evaluate/bootstrapFile.js";
import { higherIsBetter } from "../../evaluate/metricNames.js";
import type { MetricsFile, TaskMetrics } from "../../evaluate/metricsFile.js";
import { type RunDifference, runDifference } from "../../evaluate/runDifference.js";
import { plural } from "../../plural.js";
import { canonicalJson, type Json } from "../../store/checksums.js";
import type { VariantStatus } from "./events.js";

/** One value of a row. */
export interface SweepResult extends SweepMetric {
  /** Null where it was not measured. */
  readonly estimate: Estimate | null;
  /** This minus the reference's, paired; null for the reference itself and where it cannot be told. */
  readonly difference: Estimate | null;
  /** Whether the difference's interval excludes zero, and on which side: `undecided` where it does not. */
  readonly verdict: "better" | "worse" | "undecided" | null;
}

/** A variant in the table. */
export interface SweepRow {
  readonly name: string;
  readonly status: VariantStatus;
  /** Its run, relative to the sweep's folder. */
  readonly folder: string;
  /** Its own changes: path to value. */
  readonly changes: Readonly<Record<string, unknown>>;
  readonly seconds: number | null;
  /** Why it failed. */
  readonly error?: string;
  readonly results: readonly SweepResult[];
}

/** table.json. */
export interface SweepTable {
  readonly schemaVersion: 1;
  readonly sweep: string;
  /** Whether every variant is finished well. */
  readonly complete: boolean;
  readonly reference: string;
  readonly metrics: readonly SweepMetric[];
  readonly variants: readonly SweepRow[];
  /** The best baselines of the reference's run: of each metric one. */
  readonly baselines: readonly { readonly name: string; readonly results: readonly SweepResult[] }[];
  /** What must be said beside the numbers, in sentences. */
  readonly notes: readonly string[];
}

/** What a finished run measured. */
export interface VariantResult {
  readonly metrics: MetricsFile;
  /** Null for a run that has none. */
  readonly bootstrap: BootstrapFile | null;
}

/** A variant as the table takes it. */
export interface TableVariant extends Omit<SweepRow, "results"> {
  readonly experiment: CompiledExperiment;
  /** Null while it is not finished. */
  readonly result: VariantResult | null;
}

export interface TableInput {
  readonly sweep: string;
  readonly reference: string;
  readonly metrics: readonly SweepMetric[];
  readonly variants: readonly TableVariant[];
}

/** With so many differences some exclude zero by chance, which should be said. */
const MANY_DIFFERENCES = 10;

/** The table of a sweep, of what is finished so far. */
export function sweepTable({ sweep, reference: name, metrics, variants }: TableInput): SweepTable {
  const reference = variants.find((variant) => variant.name === name);
  const notes: string[] = [];
  const rows = variants.map(({ experiment, result, ...row }): SweepRow => {
    const own = { ...row, experiment, result };
    const compared = reference === undefined || row.name === name ? null : comparison(own, reference, metrics, notes);
    return { ...row, results: metrics.map((metric) => resultOf(metric, estimateIn(result?.metrics, metric), differenceIn(compared, metric))) };
  });
  const unfinished = variants.filter(({ status }) => status !== "complete").length;
  const differences = rows.flatMap(({ results }) => results.filter(({ difference }) => difference !== null)).length;
  return {
    schemaVersion: 1,
    sweep,
    complete: unfinished === 0,
    reference: name,
    metrics,
    variants: rows,
    baselines: bestBaselines(reference?.result?.metrics, metrics),
    notes: [
      ...(unfinished === 0 ? [] : [`${unfinished} of ${plural(variants.length, "variant")} ${unfinished === 1 ? "is" : "are"} not finished.`]),
      ...rows.flatMap((row) => (row.status === "failed" ? [`${row.name} failed: ${row.error ?? "no reason is known"}`] : [])),
      ...(reference?.result === null ? [`${name}, the reference, is not finished: there are no differences yet.`] : []),
      ...new Set(notes),
      ...(differences < MANY_DIFFERENCES ? [] : [`Of ${differences} differences about ${Math.max(1, Math.round(differences / 20))} would exclude zero at 95 % even if nothing differed.`]),
    ],
  };
}

/** Task name to how a variant differs from the reference. */
type Comparison = ReadonlyMap<string, RunDifference>;

function comparison(own: TableVariant, reference: TableVariant, metrics: readonly SweepMetric[], notes: string[]): Comparison {
  const differences = new Map<string, RunDifference>();
  for (const task of new Set(metrics.map((metric) => metric.task))) {
    const first = own.result?.bootstrap?.tasks[task];
    const second = reference.result?.bootstrap?.tasks[task];
    if (first === undefined || second === undefined) continue;
    if (!sameItems(own.experiment, reference.experiment, task)) {
      notes.push(`${own.name} has other test items than ${reference.name} in ${task}: they cannot be paired, so there is no difference.`);
      continue;
    }
    try {
      const difference = runDifference(first, second);
      differences.set(task, difference);
      notes.push(...difference.notices.map((notice) => `${own.name}: ${notice}`));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      notes.push(`${own.name} was not drawn as ${reference.name} was in ${task} (other items, or another bootstrap): they cannot be paired, so there is no difference.`);
    }
  }
  return differences;
}

/** Whether two experiments hold the same items against each other in a task of that name, whatever embeds them. */
export function sameItems(first: CompiledExperiment, second: CompiledExperiment, name: string): boolean {
  const items = (experiment: CompiledExperiment): string | null => {
    const task = experiment.evaluate.find((one) => one.name === name);
    return task === undefined ? null : canonicalJson({ task: task.task, truth: truthOf(task), views: itemViews(task).map(({ data, space }) => itemsOf(experiment, data, space)) });
  };
  const own = items(first);
  return own !== null && own === items(second);
}

/** The views whose items are the test's. How the classes are described is a part of the method. */
function itemViews(task: CompiledTask): readonly CompiledView[] {
  return task.task === "classification" ? [task.query] : taskViews(task);
}

function truthOf(task: CompiledTask): Json {
  return task.task === "retrieval" ? task.relevance : null;
}

/** What tells which items a collection has: its source or, where it has none, the file of its embeddings. */
function itemsOf({ data }: CompiledExperiment, name: string, space: string): Json {
  const collection = data[name];
  if (collection === undefined) return null;
  const { source, labels, embeddings, boxes, sample = null } = collection;
  return { source: (source ?? embeddings[space] ?? null) as Json, labels, sample, boxes };
}

function differenceIn(comparison: Comparison | null, { task, metric, reverse }: SweepMetric): Estimate | null {
  const difference = comparison?.get(task);
  return (reverse ? difference?.reverse : difference?.results)?.[metric] ?? null;
}

function estimateIn(metrics: MetricsFile | undefined, column: SweepMetric, method?: string): Estimate | null {
  const task = metrics?.tasks.find(({ name }) => name === column.task);
  const methods = column.reverse ? task?.reverse : task?.results;
  const own = method ?? Object.keys(methods ?? {})[0];
  return (own === undefined ? undefined : methods?.[own])?.[column.metric] ?? null;
}

function resultOf(column: SweepMetric, estimate: Estimate | null, difference: Estimate | null): SweepResult {
  return { ...column, estimate, difference, verdict: difference === null ? null : verdictOf(column.metric, difference) };
}

/** A difference says something only where its interval excludes zero. */
function verdictOf(metric: string, { ci95: [low, high] }: Estimate): SweepResult["verdict"] {
  if (!(low > 0 || high < 0)) return "undecided";
  return low > 0 === higherIsBetter(metric) ? "better" : "worse";
}

/** Chance is no rival. */
const NO_RIVALS: ReadonlySet<string> = new Set(["chance"]);

/** Of each metric the best baseline, in the order of the columns, each with all its values. */
function bestBaselines(metrics: MetricsFile | undefined, columns: readonly SweepMetric[]): SweepTable["baselines"] {
  const best = columns.flatMap((column) => bestBaseline(metrics, column) ?? []);
  return [...new Set(best)].map((name) => ({
    name,
    results: columns.map((column) => resultOf(column, estimateIn(metrics, column, name), negated(baselineDifference(metrics, column, name)))),
  }));
}

function bestBaseline(metrics: MetricsFile | undefined, column: SweepMetric): string | undefined {
  const task = metrics?.tasks.find(({ name }) => name === column.task);
  const [, ...others] = Object.entries((column.reverse ? task?.reverse : task?.results) ?? {});
  const sign = higherIsBetter(column.metric) ? 1 : -1;
  const ranked = others.flatMap(([name, estimates]) => (NO_RIVALS.has(name) || estimates[column.metric] === undefined ? [] : [{ name, value: sign * (estimates[column.metric]?.value ?? NaN) }]));
  return ranked.sort((a, b) => b.value - a.value)[0]?.name;
}

/** The method minus a baseline, as metrics.json has it. */
function baselineDifference(metrics: MetricsFile | undefined, column: SweepMetric, name: string): Estimate | null {
  const differences: TaskMetrics["differences"] | undefined = metrics?.tasks.find((task) => task.name === column.task)?.differences;
  return (column.reverse ? differences?.reverse : differences?.results)?.[name]?.[column.metric] ?? null;
}

function negated(estimate: Estimate | null): Estimate | null {
  if (estimate === null) return null;
  const { value, ci95: [low, high], std } = estimate;
  return { value: -value, ci95: [-high, -low], ...(std === undefined ? {} : { std }) };
}

/** How a metric's column is headed. */
export function columnName({ task, metric, reverse }: SweepMetric, columns: readonly SweepMetric[]): string {
  const several = columns.some((column) => column.task !== task);
  return `${several ? `${task} ` : ""}${metric}${reverse ? ", reverse" : ""}`;
}
