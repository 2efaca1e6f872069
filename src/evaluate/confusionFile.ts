/** Where a confusion matrix goes: into metrics.json, or beside it where it is large. */

import { type ClassNames, type ConfusionCell, confusionRows } from "./classes.js";
import type { Compared, TaskMetrics } from "./metricsFile.js";

/** Its name in the run's folder. */
export const CONFUSION_FILE = "confusion.json";
/** With more classes a matrix is a file's matter: of a thousand it has a million cells, most of them 0. */
const MOST_CLASSES = 100;

/** One task's confusion matrix without the cells that are 0. */
export interface ConfusionTable {
  /** The label of each class, by its place. */
  readonly labels: readonly number[];
  /** What the classes are called, where labels have names. */
  readonly names: ClassNames["names"];
  /** Ascending by true class, then by the class that items are taken for; all seeds together. */
  readonly cells: readonly ConfusionCell[];
}

/** confusion.json, schema version 1. */
export interface ConfusionFile {
  readonly schemaVersion: 1;
  readonly run: string;
  readonly tasks: Readonly<Record<string, ConfusionTable>>;
}

/** A task's metrics with its confusion matrix, or with the name of the file that it belongs into. */
export function placeConfusion({ metrics, confusion: cells }: Compared): { readonly metrics: TaskMetrics; readonly apart: ConfusionTable | null } {
  const { classes } = metrics;
  if (cells === undefined || classes === undefined) return { metrics, apart: null };
  if (classes.length <= MOST_CLASSES) return { metrics: { ...metrics, confusion: confusionRows(cells, classes.length) }, apart: null };
  const names = classes.some(({ name }) => name !== undefined) ? classes.map(({ name, label }) => name ?? String(label)) : null;
  return { metrics: { ...metrics, confusion: CONFUSION_FILE }, apart: { labels: classes.map(({ label }) => label), names, cells } };
}
