import type { Estimate } from "../../evaluate/bootstrap.js";
import { formatMetric } from "../../evaluate/metricNames.js";
import { columnName, type SweepResult, type SweepRow, type SweepTable } from "./table.js";

/** Marks of a difference whose interval excludes zero. */
export const MARKS: Readonly<Record<NonNullable<SweepResult["verdict"]>, string>> = { better: "▲", worse: "▼", undecided: "" };

/**
 * The table as CSV: a row for each variant and one for each of the best baselines, with full
 * precision. Columns: variant, status, each changed path, then for each metric its value, its
 * standard deviation over the seeds, its interval, the difference to the reference and its
 * interval, the verdict; at last seconds, folder and error.
 */
export function tableCsv(table: SweepTable): string {
  const { metrics, variants, baselines, reference } = table;
  const paths = [...new Set(variants.flatMap(({ changes }) => Object.keys(changes)))];
  const head = [
    "variant",
    "status",
    ...paths,
    ...metrics.flatMap((metric) => {
      const name = columnName(metric, metrics);
      return [name, `${name} std`, `${name} low`, `${name} high`, `${name} minus ${reference}`, `${name} difference low`, `${name} difference high`, `${name} verdict`];
    }),
    "seconds",
    "folder",
    "error",
  ];
  const rows = variants.map(({ name, status, changes, results, seconds, folder, error }) => [
    name,
    status,
    ...paths.map((path) => (Object.hasOwn(changes, path) ? csvValue(changes[path]) : "")),
    ...results.flatMap(numbers),
    seconds === null ? "" : seconds.toFixed(2),
    folder,
    error ?? "",
  ]);
  const others = baselines.map(({ name, results }) => [name, "baseline", ...paths.map(() => ""), ...results.flatMap(numbers), "", "", ""]);
  return [head, ...rows, ...others].map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("");
}

function numbers({ estimate, difference, verdict }: SweepResult): readonly string[] {
  const of = (one: Estimate | null): readonly string[] => (one === null ? ["", "", ""] : [String(one.value), String(one.ci95[0]), String(one.ci95[1])]);
  const [value = "", low = "", high = ""] = of(estimate);
  return [value, estimate?.std === undefined ? "" : String(estimate.std), low, high, ...of(difference), verdict ?? ""];
}

function csvValue(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** RFC 4180. */
function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** The table as Markdown, as it goes into a paper's draft or an issue. */
export function tableMarkdown(table: SweepTable): string {
  const { sweep, metrics, variants, baselines, reference, notes } = table;
  const head = ["variant", ...metrics.flatMap((metric) => [columnName(metric, metrics), `minus ${reference}`]), "seconds"];
  const rows = variants.map((row) => [row.name, ...row.results.flatMap(cells), rowEnd(row)]);
  const others = baselines.map(({ name, results }) => [`baseline: ${name}`, ...results.flatMap(cells), ""]);
  const line = (parts: readonly string[]): string => `| ${parts.map(escaped).join(" | ")} |`;
  const lines = [line(head), `| --- |${" ---: |".repeat(head.length - 1)}`, ...[...rows, ...others].map(line)];
  const title = `# ${sweep}${table.complete ? "" : " (incomplete)"}`;
  return `${title}\n\n${lines.join("\n")}\n\n${legend(table)}\n${notes.length === 0 ? "" : `\n${notes.map((note) => `- ${note}\n`).join("")}`}`;
}

function cells({ metric, estimate, difference, verdict }: SweepResult): readonly [string, string] {
  return [estimate === null ? "" : valueText(metric, estimate), difference === null ? "" : `${differenceText(metric, difference)} ${verdict === null ? "" : MARKS[verdict]}`.trimEnd()];
}

function rowEnd({ status, seconds }: SweepRow): string {
  return status === "complete" ? (seconds === null ? "" : String(Math.round(seconds))) : status;
}

/** `0.619 ±0.004 [0.595, 0.642]`: mean, standard deviation over the seeds, 95 % interval. */
export function valueText(metric: string, { value, std, ci95: [low, high] }: Estimate): string {
  const spread = std === undefined ? "" : ` ±${formatMetric(metric, std)}`;
  return `${formatMetric(metric, value)}${spread} [${formatMetric(metric, low)}, ${formatMetric(metric, high)}]`;
}

/** `-0.031 [-0.045, -0.018]`: with its 95 % interval. */
export function differenceText(metric: string, { value, ci95: [low, high] }: Estimate): string {
  return `${signed(metric, value)} [${signed(metric, low)}, ${signed(metric, high)}]`;
}

/** With its sign, also where it rounds to zero: which side of zero a bound is on decides. */
export function signed(metric: string, value: number): string {
  const sign = value < 0 ? "-" : value > 0 ? "+" : "";
  return `${sign}${formatMetric(metric, Math.abs(value))}`;
}

/** What the numbers and marks of a table mean. */
export function legend({ variants, reference }: SweepTable): string {
  const seeds = Math.max(0, ...variants.flatMap(({ results }) => results.map(({ estimate }) => estimate?.seeds?.length ?? 0)));
  const spread = seeds > 1 ? ` Means over ${seeds} seeds, ±: their standard deviation.` : "";
  return `Brackets: 95 % intervals.${spread} ${MARKS.better} better and ${MARKS.worse} worse than ${reference}, where the paired interval excludes zero.`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("|", "\\|").replaceAll(/\s+/g, " ");
}
