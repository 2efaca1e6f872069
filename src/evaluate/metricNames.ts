/** The evaluation tasks that have metrics. */
export const TASKS = ["retrieval", "classification", "localization", "counterfactual"] as const;
export type TaskKind = (typeof TASKS)[number];

/** The metric of each task by which methods are compared in a sentence. */
export const PRIMARY_METRIC: Readonly<Record<TaskKind, string>> = {
  retrieval: "mAP",
  classification: "top1",
  localization: "cIoU@0.5",
  counterfactual: "AP",
};

/** What each row of a task is, and what it is held against, for captions. */
export const COUNTED: Readonly<Record<TaskKind, readonly [string, string]>> = {
  retrieval: ["queries", "gallery items"],
  classification: ["items", "classes"],
  localization: ["items", "boxes"],
  counterfactual: ["items", "sounding"],
};

/** What the rows that count in no metric lack. */
export const LACKING: Readonly<Record<TaskKind, string>> = {
  retrieval: "relevant item",
  classification: "class",
  localization: "box",
  counterfactual: "box",
};

/** Ranks are places counted from 1, of which fewer are better; all other metrics are fractions, of which more are. */
const RANK_METRICS: ReadonlySet<string> = new Set(["medianRank"]);

/** Whether a larger value of that metric is the better one. */
export function higherIsBetter(metric: string): boolean {
  return !RANK_METRICS.has(metric);
}

/** The value as a person reads it: fractions with three decimals, ranks with as few as they need. What rounds to zero has no sign. */
export function formatMetric(metric: string, value: number): string {
  return RANK_METRICS.has(metric) ? String(Math.round(value * 10) / 10) : value.toFixed(3).replace(/^-(?=0\.000$)/, "");
}
