/** A sweep's table for a terminal. */

import Table from "cli-table3";
import { createColors } from "picocolors";

import { formatMetric } from "../../evaluate/metricNames.js";
import type { TableOptions } from "../../report/table.js";
import { columnName, type SweepResult, type SweepTable } from "./table.js";
import { differenceText, legend, MARKS, signed, valueText } from "./tableFiles.js";

type Colors = ReturnType<typeof createColors>;

/** How much of each value is shown: all; without the intervals of differences; the value and what the difference is alone. */
const FORMS = ["full", "values", "short"] as const;
type Form = (typeof FORMS)[number];

/** Names are cut to no less than this before metrics are left out. */
const SHORTEST_NAME = 18;

const BORDERS = Object.fromEntries(
  ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right", "left", "left-mid", "mid", "mid-mid", "right", "right-mid"].map((name) => [name, ""]),
);

/**
 * The table as text without a trailing newline, no line longer than `width` where that can be:
 * first intervals are left out, then names are cut, then metrics are left out from the right,
 * and a line says which.
 */
export function sweepText(table: SweepTable, { width, color }: TableOptions): string {
  const colors = createColors(color);
  const longest = Math.max(...names(table).map((name) => name.length));
  const cuts = [longest, ...[40, 28, SHORTEST_NAME].filter((cut) => cut < longest)];
  const all = table.metrics.length;
  const choices = [
    ...FORMS.flatMap((form) => cuts.map((cut) => ({ form, cut, shown: all }))),
    ...Array.from({ length: all - 1 }, (_, index) => ({ form: "short" as const, cut: Math.min(longest, SHORTEST_NAME), shown: all - 1 - index })),
  ];
  let chosen = choices[choices.length - 1] ?? { form: "short" as const, cut: longest, shown: all };
  let text = "";
  for (const choice of choices) {
    text = draw(table, choice, colors);
    chosen = choice;
    if (Math.max(...text.split("\n").map((line) => visible(line))) <= width) break;
  }
  const hidden = table.metrics.slice(chosen.shown).map((metric) => columnName(metric, table.metrics));
  const said = [
    chosen.form === "full" ? legend(table) : shortLegend(table),
    ...(hidden.length === 0 ? [] : [`The terminal is too narrow for ${hidden.join(", ")}: in table.md.`]),
  ].join(" ");
  const title = `${colors.bold(table.sweep)}${table.complete ? "" : colors.yellow(" (incomplete)")}`;
  const notes = table.notes.map((note) => wrap(`- ${note}`, width, "  "));
  return [`${title}\n`, text, colors.dim(wrap(said, width, "")), ...(notes.length === 0 ? [] : ["", ...notes])].join("\n");
}

function names({ variants, baselines }: SweepTable): readonly string[] {
  return [...variants.map(({ name }) => name), ...baselines.map(({ name }) => `baseline: ${name}`), "variant"];
}

function shortLegend({ reference }: SweepTable): string {
  return `${MARKS.better} better and ${MARKS.worse} worse than ${reference}, where the paired 95 % interval excludes zero. Intervals: in table.md.`;
}

function draw(table: SweepTable, { form, cut, shown }: { readonly form: Form; readonly cut: number; readonly shown: number }, colors: Colors): string {
  const metrics = table.metrics.slice(0, shown);
  const drawn = new Table({
    head: ["variant", ...metrics.flatMap((metric) => [columnName(metric, table.metrics), `minus ${clip(table.reference, SHORTEST_NAME)}`]), "time"],
    chars: { ...BORDERS, middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: ["left", ...metrics.flatMap(() => ["right" as const, "right" as const]), "right"],
  });
  for (const { name, status, seconds, results } of table.variants) {
    const shownName = clip(name, cut);
    drawn.push([
      name === table.reference ? colors.bold(shownName) : shownName,
      ...results.slice(0, shown).flatMap((result) => cells(result, form, colors)),
      status === "complete" ? time(seconds) : status === "failed" ? colors.red(status) : colors.dim(status),
    ]);
  }
  const rows = table.variants.length;
  for (const { name, results } of table.baselines) {
    drawn.push([colors.dim(clip(`baseline: ${name}`, cut)), ...results.slice(0, shown).flatMap((result) => cells(result, form, colors)), ""]);
  }
  const [head = "", ...body] = drawn.toString().split("\n").map((line) => line.trimEnd());
  const line = "-".repeat(Math.max(...[head, ...body].map((row) => visible(row))));
  return [head, line, ...body.slice(0, rows), ...(table.baselines.length === 0 ? [] : [line, ...body.slice(rows)])].join("\n");
}

function cells({ metric, estimate, difference, verdict }: SweepResult, form: Form, colors: Colors): readonly [string, string] {
  const value = estimate === null ? "-" : form === "short" ? formatMetric(metric, estimate.value) : valueText(metric, estimate);
  if (difference === null || verdict === null) return [value, ""];
  const text = form === "full" ? differenceText(metric, difference) : signed(metric, difference.value);
  // A place for the mark in every row, so that numbers stand below each other.
  const marked = `${text} ${MARKS[verdict] === "" ? " " : MARKS[verdict]}`;
  return [value, verdict === "better" ? colors.green(marked) : verdict === "worse" ? colors.red(marked) : marked];
}

function time(seconds: number | null): string {
  return seconds === null ? "" : seconds < 100 ? `${Math.round(seconds)} s` : `${Math.floor(seconds / 60)}:${String(Math.round(seconds) % 60).padStart(2, "0")}`;
}

function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(1, width - 1))}…`;
}

/** Characters that a line takes on the terminal, its colour codes not counted. */
function visible(line: string): number {
  return line.replaceAll(/\u001b\[\d+m/g, "").length;
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
    } else line = longer;
  }
  return [...lines, line].join("\n");
}
