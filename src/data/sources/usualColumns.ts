import type { TableFormat } from "../../config/compiledSource.js";
import { CSV } from "../../config/sources/tableFields.js";

/** Names of columns of captions, the likeliest first. */
const TEXTS = ["caption", "text", "captions", "sentence", "title", "description"] as const;
/** Names of columns of files. */
const FILES = ["path", "file", "file_name", "filename", "filepath", "file_path", "image_path", "audio_path", "image", "audio", "video", "wav", "name"] as const;
const FIVE = [1, 2, 3, 4, 5].map((number) => `caption_${number}`);

/** Types of tables by their files' endings. */
export const TABLES: Readonly<Record<string, { readonly type: string; readonly format: TableFormat }>> = {
  ".csv": { type: "csv", format: CSV },
  ".tsv": { type: "tsv", format: { ...CSV, delimiter: "\t" } },
  ".jsonl": { type: "jsonl", format: { kind: "jsonl" } },
  ".ndjson": { type: "jsonl", format: { kind: "jsonl" } },
  ".parquet": { type: "parquet", format: { kind: "parquet" } },
};

/** The columns that hold captions, by their usual names; null where none has one. */
export function textColumns(columns: readonly string[]): string | readonly string[] | null {
  return FIVE.every((column) => columns.includes(column)) ? FIVE : usual(columns, TEXTS);
}

/** The column that holds files' names, by its usual name; null where none has one. */
export function fileColumn(columns: readonly string[]): string | null {
  return usual(columns, FILES);
}

function usual(columns: readonly string[], names: readonly string[]): string | null {
  return names.find((name) => columns.includes(name)) ?? columns.find((column) => names.includes(column.toLowerCase())) ?? null;
}
