import type { MetricsFile } from "../../evaluate/metricsFile.js";
import { renderTask } from "../../report/table.js";
import { stdoutHasColors } from "../colors.js";

const DEFAULT_WIDTH = 100;

/** Prints one table for each task on standard output. */
export function printResults(metrics: MetricsFile): void {
  const options = { width: process.stdout.columns || DEFAULT_WIDTH, color: stdoutHasColors() };
  for (const task of metrics.tasks) process.stdout.write(`\n${renderTask(task, options)}\n`);
  process.stdout.write("\n");
}
