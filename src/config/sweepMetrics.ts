import { PRIMARY_METRIC, type TaskKind } from "../evaluate/metricNames.js";
import type { CompiledExperiment, CompiledTask } from "./compiled.js";
import type { Mistake } from "./mistake.js";
import { suggestion } from "./nearest.js";
import type { SweepFields } from "./sweep.js";

/** A column of a sweep's table. */
export interface SweepMetric {
  readonly task: string;
  /** Its name in metrics.json. */
  readonly metric: string;
  /** Retrieval with the gallery as queries. */
  readonly reverse: boolean;
}

/** The metrics of each kind of task that do not depend on its settings. */
const FIXED: Readonly<Record<TaskKind, readonly string[]>> = {
  retrieval: ["mAP", "MRR", "medianRank"],
  classification: ["meanPerClassRecall"],
  localization: ["cIoU@0.5", "AUC", "meanCIoU"],
  counterfactual: ["AP", "maxF1", "LocAcc"],
};

const WITH_K: Readonly<Partial<Record<TaskKind, string>>> = { retrieval: "R@", classification: "top" };

/** The names of the metrics that a task measures. */
export function metricNamesOf(task: Pick<CompiledTask, "task"> & { readonly ks?: readonly number[] }): readonly string[] {
  const prefix = WITH_K[task.task];
  return [...(prefix === undefined ? [] : (task.ks ?? []).map((k) => `${prefix}${k}`)), ...FIXED[task.task]];
}

/** The columns asked for, held against the tasks; each task's main metric where none are. */
export function sweepMetrics(asked: SweepFields["metrics"], { evaluate }: Pick<CompiledExperiment, "evaluate">, report: (mistake: Mistake) => void): readonly SweepMetric[] {
  if (evaluate.length === 0) {
    report({ path: ["experiment"], reason: "IMPOSSIBLE_VALUE", expected: "an experiment that evaluates something", found: "one without a task under evaluate" });
  }
  if (asked === undefined) return evaluate.map(({ name, task }) => ({ task: name, metric: PRIMARY_METRIC[task], reverse: false }));
  const seen = new Set<string>();
  for (const [index, column] of asked.entries()) {
    const at = ["metrics", index];
    const task = evaluate.find(({ name }) => name === column.task);
    const again = seen.has(JSON.stringify(column));
    seen.add(JSON.stringify(column));
    if (again) report({ path: at, reason: "IMPOSSIBLE_VALUE", expected: "each metric once", found: `${column.task} ${column.metric} again` });
    if (task === undefined) {
      const names = evaluate.map(({ name }) => name);
      report({ path: [...at, "task"], reason: "UNKNOWN_NAME", expected: "the name of a task under evaluate", found: JSON.stringify(column.task), hint: suggestion(column.task, names) });
      continue;
    }
    const known = metricNamesOf(task);
    if (!known.includes(column.metric)) {
      report({
        path: [...at, "metric"],
        reason: "UNKNOWN_NAME",
        expected: `a metric of ${task.name}, which is ${task.task}`,
        found: JSON.stringify(column.metric),
        hint: suggestion(column.metric, known),
      });
    }
    if (column.reverse && task.task !== "retrieval") {
      report({ path: [...at, "reverse"], reason: "IMPOSSIBLE_VALUE", expected: "false, as only a retrieval goes both ways", found: "true" });
    }
  }
  return asked;
}
