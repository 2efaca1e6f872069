/** The table at the end of a run: method by metric, for a terminal. */

import Table from "cli-table3";
import { createColors } from "picocolors";
import type { Estimate } from "../evaluate/bootstrap.js";
import { COUNTED, formatMetric, higherIsBetter } from "../evaluate/metricNames.js";
import type { MethodEstimates, TaskMetrics } from "../evaluate/metricsFile.js";

export interface TableOptions {
  /** Characters to a line. Intervals go first when it is too narrow, then columns from the right. */
  readonly width: number;
  /** Whether the terminal shows colours. */
  readonly color: boolean;
}

type Colors = ReturnType<typeof createColors>;

/** cli-table3's borders, all off but the line below the head. */
const BORDERS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
};

/**
 * A task's results as text without a trailing newline: a caption with the
 * counts, a table for each direction, and what the numbers say. The best value
 * of each column is marked with `*`, and with colour where there is one.
 */
export function renderTask(task: TaskMetrics, options: TableOptions): string {
  const colors = createColors(options.color);
  const tables =
    task.reverse === undefined
      ? [renderMethods(task.results, options, colors)]
      : [
          `${colors.dim("query to gallery")}\n${renderMethods(task.results, options, colors)}`,
          `${colors.dim("gallery to query")}\n${renderMethods(task.reverse, options, colors)}`,
        ];
  const notes = task.notes.map((note) => wrap(`- ${note}`, options.width, "  ")).join("\n");
  return [caption(task, colors), ...tables, ...(notes === "" ? [] : [notes])].join("\n\n");
}

function caption({ name, task, queries, gallery, leftOut }: TaskMetrics, colors: Colors): string {
  const [rows, columns] = COUNTED[task];
  const counts = [count(queries, rows, leftOut.queries), count(gallery, columns, leftOut.gallery)].join(", ");
  return `${colors.bold(name)}: ${task}, ${counts}. Brackets: 95 % intervals. *: best.`;
}

function count(all: number, noun: string, leftOut: number): string {
  return `${all} ${noun}${leftOut > 0 ? ` (${leftOut} without a relevant one)` : ""}`;
}

/** The widest of the forms that fits; else as many columns as fit, and a line that names those left out. */
function renderMethods(methods: MethodEstimates, { width }: TableOptions, colors: Colors): string {
  const metrics = [...new Set(Object.values(methods).flatMap((estimates) => Object.keys(estimates)))];
  const full = draw(methods, metrics, true, colors);
  if (widthOf(full, colors) <= width) return full;
  for (let shown = metrics.length; shown > 0; shown -= 1) {
    const text = draw(methods, metrics.slice(0, shown), false, colors);
    if (widthOf(text, colors) > width && shown > 1) continue;
    const hidden = shown < metrics.length ? [wrap(`${metrics.slice(shown).join(", ")} in metrics.json: the terminal is too narrow for them.`, width, "")] : [];
    return [text, ...hidden].join("\n");
  }
  return "";
}

function draw(methods: MethodEstimates, metrics: readonly string[], intervals: boolean, colors: Colors): string {
  const best = new Map(metrics.map((metric) => [metric, bestValue(methods, metric)]));
  const table = new Table({
    head: ["method", ...metrics],
    chars: BORDERS,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: ["left", ...metrics.map(() => "right" as const)],
  });
  for (const [name, estimates] of Object.entries(methods)) {
    const cells = metrics.map((metric) => {
      const estimate = estimates[metric];
      if (estimate === undefined) return " ";
      const text = cell(metric, estimate, intervals);
      return estimate.value === best.get(metric) ? colors.green(colors.bold(`${text}*`)) : `${text} `;
    });
    table.push([name, ...cells]);
  }
  const [head = "", ...rows] = table.toString().split("\n").map((line) => line.trimEnd());
  const line = "-".repeat(Math.max(...[head, ...rows].map((row) => visible(row, colors))));
  return [head, line, ...rows].join("\n");
}

function cell(metric: string, { value, ci95: [low, high] }: Estimate, intervals: boolean): string {
  const text = formatMetric(metric, value);
  return intervals ? `${text} [${formatMetric(metric, low)}, ${formatMetric(metric, high)}]` : text;
}

function bestValue(methods: MethodEstimates, metric: string): number | undefined {
  const values = Object.values(methods).flatMap((estimates) => estimates[metric]?.value ?? []);
  return values.length < 2 ? undefined : higherIsBetter(metric) ? Math.max(...values) : Math.min(...values);
}

function widthOf(text: string, colors: Colors): number {
  return Math.max(...text.split("\n").map((line) => visible(line, colors)));
}

/** Characters that a line takes on the terminal, its colour codes not counted. */
function visible(line: string, colors: Colors): number {
  return colors.isColorSupported ? line.replace(/\u001b\[\d+m/g, "").length : line.length;
}

/** Breaks a text at spaces; lines after the first begin with `indent`. */
function wrap(text: string, width: number, indent: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (longer.length > width && line.trim() !== "") {
      lines.push(line);
      line = indent + word;
    } else {
      line = longer;
    }
  }
  return [...lines, line].join("\n");
}
