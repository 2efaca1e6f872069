/** The table at the end of a run: method by metric, for a terminal. */

import Table from "cli-table3";
import { createColors } from "picocolors";
import type { Estimate } from "../evaluate/bootstrap.js";
import { COUNTED, formatMetric, higherIsBetter, LACKING } from "../evaluate/metricNames.js";
import type { MethodEstimates, RetrievalExample, TaskMetrics } from "../evaluate/metricsFile.js";

export interface TableOptions {
  /** Characters to a line. When it is too narrow intervals become half-widths, then columns go from the right, then intervals. */
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
  const found = (task.examples ?? []).map((example) => renderExample(example, options, colors));
  const examples = found.length === 0 ? "" : ["What a few queries found; + belongs to the query:", ...found].join("\n");
  return [caption(task, colors), ...tables, ...renderSizes(task, options, colors), ...[notes, examples].filter((part) => part !== "")].join("\n\n");
}

/** The share of places found, by how large what sounds is: a column for each size that occurs. */
function renderSizes({ sizes }: TaskMetrics, options: TableOptions, colors: Colors): readonly string[] {
  const parts = Object.entries(sizes ?? {}).filter(([, { items }]) => items > 0);
  if (parts.length < 2) return [];
  const methods: Record<string, Record<string, Estimate>> = {};
  for (const [size, { items, results }] of parts) {
    for (const [name, metrics] of Object.entries(results)) {
      const [found] = Object.values(metrics);
      if (found !== undefined) methods[name] = { ...methods[name], [`${size} (${items})`]: found };
    }
  }
  return [`${colors.dim("places found, by the size of what sounds")}\n${renderMethods(methods, options, colors)}`];
}

/** A query and what it found, a line each; `+` marks what belongs to it. */
function renderExample({ query, found }: RetrievalExample, { width }: TableOptions, colors: Colors): string {
  const lines = found.map(({ item, relevant }, rank) => {
    const line = clip(`   ${relevant ? "+" : " "} ${rank + 1}. ${item}`, width);
    return relevant ? colors.green(line) : line;
  });
  return [clip(`- ${query}`, width), ...lines].join("\n");
}

function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(1, width - 1))}…`;
}

function caption({ name, task, queries, gallery, leftOut }: TaskMetrics, colors: Colors): string {
  const [rows, columns] = COUNTED[task];
  const counts = [count(queries, rows, leftOut.queries, task), count(gallery, columns, leftOut.gallery, task)].join(", ");
  return `${colors.bold(name)}: ${task}, ${counts}.`;
}

function count(all: number, noun: string, leftOut: number, task: TaskMetrics["task"]): string {
  return `${all} ${noun}${leftOut > 0 ? ` (${leftOut} without a ${LACKING[task]})` : ""}`;
}

/** How a value, its spread over seeds and its interval share a cell. */
type Form = "brackets" | "half-width" | "seeds" | "value";

/** With fewer columns than this, more of them are worth more than their intervals. */
const COLUMNS_WITH_INTERVALS = 4;

function legend(form: Form, seeds: number): string {
  const spread = `±: standard deviation over ${seeds} seeds.`;
  switch (form) {
    case "brackets":
      return seeds > 1 ? `${spread} Brackets: 95 % interval.` : "Brackets: 95 % interval.";
    case "half-width":
      return "±: half the width of the 95 % interval.";
    case "seeds":
      return `${spread} 95 % intervals: in metrics.json.`;
    case "value":
      return "95 % intervals: in metrics.json.";
  }
}

/** The widest of the forms that fits; else as many columns as fit, and a line that names those left out. */
function renderMethods(methods: MethodEstimates, { width }: TableOptions, colors: Colors): string {
  const metrics = [...new Set(Object.values(methods).flatMap((estimates) => Object.keys(estimates)))];
  const fewest = Math.min(COLUMNS_WITH_INTERVALS, metrics.length);
  const seeds = Math.max(1, ...Object.values(methods).flatMap((estimates) => Object.values(estimates).map((estimate) => estimate.seeds?.length ?? 1)));
  // With several seeds ± is their standard deviation, and never half an interval beside it.
  const middle: Form = seeds > 1 ? "seeds" : "half-width";
  const choices: readonly (readonly [Form, number])[] = [
    ["brackets", metrics.length],
    ...downFrom(metrics.length, fewest).map((shown) => [middle, shown] as const),
    ...downFrom(metrics.length, 1).map((shown) => ["value", shown] as const),
  ];
  const drawn = choices.map(([form, shown]) => () => ({ form, shown, text: draw(methods, metrics.slice(0, shown), form, colors) }));
  const narrowest = drawn.at(-1)?.();
  const chosen = firstFitting(drawn, ({ text }) => widthOf(text, colors) <= width) ?? narrowest;
  if (chosen === undefined) return "no method was measured";
  const hidden = chosen.shown < metrics.length ? ` The terminal is too narrow for ${metrics.slice(chosen.shown).join(", ")}: in metrics.json.` : "";
  return `${chosen.text}\n${colors.dim(wrap(`*: best value. ${legend(chosen.form, seeds)}${hidden}`, width, ""))}`;
}

function downFrom(high: number, low: number): readonly number[] {
  return Array.from({ length: Math.max(0, high - low + 1) }, (_, i) => high - i);
}

function firstFitting<T>(makers: readonly (() => T)[], fits: (made: T) => boolean): T | undefined {
  for (const make of makers) {
    const made = make();
    if (fits(made)) return made;
  }
  return undefined;
}

function draw(methods: MethodEstimates, metrics: readonly string[], form: Form, colors: Colors): string {
  const best = new Map(metrics.map((metric) => [metric, bestValue(methods, metric)]));
  const table = new Table({
    head: ["method", ...metrics.map((metric) => `${metric} `)],
    chars: BORDERS,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: ["left", ...metrics.map(() => "right" as const)],
  });
  for (const [name, estimates] of Object.entries(methods)) {
    const cells = metrics.map((metric) => {
      const estimate = estimates[metric];
      if (estimate === undefined) return "- ";
      const text = cell(metric, estimate, form);
      return estimate.value === best.get(metric) ? colors.green(colors.bold(`${text}*`)) : `${text} `;
    });
    table.push([name, ...cells]);
  }
  const [head = "", ...rows] = table.toString().split("\n").map((line) => line.trimEnd());
  const line = "-".repeat(Math.max(...[head, ...rows].map((row) => visible(row, colors))));
  return [head, line, ...rows].join("\n");
}

function cell(metric: string, { value, ci95: [low, high], std }: Estimate, form: Form): string {
  const text = formatMetric(metric, value);
  const spread = std === undefined ? "" : ` ±${withoutZero(formatMetric(metric, std))}`;
  switch (form) {
    case "brackets":
      return `${text}${spread} [${formatMetric(metric, low)}, ${formatMetric(metric, high)}]`;
    case "half-width":
      return `${text} ±${withoutZero(formatMetric(metric, (high - low) / 2))}`;
    case "seeds":
      return `${text}${spread}`;
    case "value":
      return text;
  }
}

/** A fraction as it stands after ±. */
function withoutZero(text: string): string {
  return text.replace(/^0(?=\.\d{3})/, "");
}

/** Undefined where there is nothing to be better than: fewer than two values, or all of them equal. */
function bestValue(methods: MethodEstimates, metric: string): number | undefined {
  const values = Object.values(methods).flatMap((estimates) => estimates[metric]?.value ?? []);
  return new Set(values).size < 2 ? undefined : higherIsBetter(metric) ? Math.max(...values) : Math.min(...values);
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
