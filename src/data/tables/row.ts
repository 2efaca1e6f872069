import { suggestion } from "../../config/nearest.js";
import { type CmcrError, dataError } from "../../errors.js";

/** One row of a table of any format. */
export interface Row {
  /** By column; undefined or absent where the row has no such field. */
  readonly values: ReadonlyMap<string, unknown>;
  /** The file and the line or row, for messages. */
  readonly place: string;
  /** From 0, headers not counted. */
  readonly number: number;
}

/** A table of any format, opened. */
export interface Table {
  readonly path: string;
  /** The columns, as far as the head or the first row tells them. */
  readonly columns: readonly string[];
  /** From the first row on, each time that it is called; a format with separate columns reads those that are wanted alone. */
  readonly rows: (wanted?: readonly string[]) => AsyncIterable<Row>;
}

/** A name that a list has twice, or null. */
export function duplicateOf(names: readonly string[]): string | null {
  return names.find((name, index) => names.indexOf(name) !== index) ?? null;
}

/** The error for a column that a table lacks: it names those that are there. */
export function missingColumn(path: string, column: string, columns: readonly string[]): CmcrError {
  return dataError(`${path}: expected a column "${column}", found ${columns.length === 0 ? "none" : columns.join(", ")}. ${suggestion(column, columns)}`.trim(), {
    reason: "MISSING_COLUMN",
    path,
  });
}

/** A field as text: text as it is, numbers and truth values as JSON has them; null for anything else, or nothing. */
export function fieldText(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  return null;
}
