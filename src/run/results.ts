import { rm } from "node:fs/promises";
import { join } from "node:path";

import type { BootstrapFile } from "../evaluate/bootstrapFile.js";
import type { ConfusionFile } from "../evaluate/confusionFile.js";
import type { MetricsFile } from "../evaluate/metricsFile.js";
import { fileSha256 } from "../store/checksums.js";
import { writeFileWhole } from "../store/files.js";
import { readOptionalRunFile, readRunFile, RUN_FILES } from "./folder.js";
import type { Evaluation } from "./stages/evaluate.js";

/** Writes what an evaluation came to into a run's folder: name to SHA-256 of what was written. */
export async function writeResults(folder: string, { metrics, bootstrap, confusion }: Evaluation): Promise<Readonly<Record<string, string>>> {
  const files = new Map<keyof typeof RUN_FILES, string>([
    ["metrics", JSON.stringify(metrics, null, 2)],
    // Numbers by the thousand, which nobody reads line by line.
    ["bootstrap", JSON.stringify(bootstrap)],
  ]);
  if (Object.keys(confusion.tasks).length > 0) files.set("confusion", JSON.stringify(confusion));
  else await rm(join(folder, RUN_FILES.confusion), { force: true });
  const sums: Record<string, string> = {};
  for (const [name, text] of files) {
    const path = join(folder, RUN_FILES[name]);
    await writeFileWhole(path, `${text}\n`);
    sums[RUN_FILES[name]] = await fileSha256(path);
  }
  return sums;
}

/** The run's results with those of an evaluation among them: old tasks in their order, those measured anew replaced, new ones at the end. */
export async function mergedResults(folder: string, fresh: Evaluation): Promise<Evaluation> {
  const before = await readRunFile<MetricsFile>(folder, "metrics");
  // Runs of before these files have none.
  const bootstrap = await readOptionalRunFile<BootstrapFile>(folder, "bootstrap");
  const confusion = await readOptionalRunFile<ConfusionFile>(folder, "confusion");
  const anew = new Map(fresh.metrics.tasks.map((task) => [task.name, task]));
  const added = fresh.metrics.tasks.filter(({ name }) => !before.tasks.some((task) => task.name === name));
  const untouched = Object.entries(confusion?.tasks ?? {}).filter(([name]) => !anew.has(name));
  return {
    metrics: { ...before, tasks: [...before.tasks.map((task) => anew.get(task.name) ?? task), ...added] },
    bootstrap: { ...fresh.bootstrap, tasks: { ...bootstrap?.tasks, ...fresh.bootstrap.tasks } },
    confusion: { ...fresh.confusion, tasks: { ...Object.fromEntries(untouched), ...fresh.confusion.tasks } },
  };
}
