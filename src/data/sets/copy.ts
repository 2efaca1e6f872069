import { stat } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";

import type { TableFormat } from "../../config/compiledSource.js";
import { CmcrError } from "../../errors.js";
import { csvRows } from "../tables/csv.js";
import { jsonListRows } from "../tables/jsonList.js";
import { linesOf, type Line } from "../tables/lines.js";
import { fieldText, type Row } from "../tables/row.js";
import type { Finding } from "./findings.js";

type CsvFormat = Extract<TableFormat, { readonly kind: "csv" }>;

export interface CopyOptions {
  readonly signal?: AbortSignal | undefined;
  readonly report: (finding: Finding) => void;
}

/** Where a finding is: a file of the copy, and the line or item of it. */
export interface Place {
  readonly file: string;
  readonly at: string;
}

const RELOAD = "Load the file again";

/**
 * A copy of a data set on this disk, as it is read: its annotation files as streams, what is
 * counted in them, and what is wrong with them. A file that cannot be read is reported once, and
 * its stream ends; one that is not there has no rows, since the layout tells that.
 */
export class SetCopy {
  readonly counts = new Map<string, number>();
  /** How often each of the known faults was there. */
  readonly knownFaults = new Map<string, number>();
  /** Annotation files that could not be read to their end. */
  readonly unread = new Set<string>();
  readonly signal: AbortSignal | undefined;
  readonly #report: (finding: Finding) => void;

  constructor(
    /** Absolute. */
    readonly root: string,
    { signal, report }: CopyOptions,
  ) {
    this.signal = signal;
    this.#report = report;
  }

  /** The absolute path of a file of the copy. */
  path(name: string): string {
    return join(this.root, name);
  }

  /** What lies at a path of the copy; null where nothing does. */
  async kindOf(name: string): Promise<"file" | "folder" | null> {
    const status = await stat(this.path(name)).catch(() => null);
    return status === null ? null : status.isDirectory() ? "folder" : status.isFile() ? "file" : null;
  }

  async has(name: string): Promise<boolean> {
    return (await this.kindOf(name)) !== null;
  }

  count(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  }

  /** Reports a fault. `fix` is a sentence without its full stop. */
  fault(reason: string, { file, at }: Place, message: string, fix: string): void {
    this.#report({ severity: "fault", reason, file, at, message, fix });
  }

  /** Reports one of the definition's known faults. */
  known(key: string, { file, at }: Place, message: string): void {
    this.knownFaults.set(key, (this.knownFaults.get(key) ?? 0) + 1);
    this.#report({ severity: "known", reason: key.toUpperCase().replaceAll("-", "_"), file, at, message, fix: "Nothing: it is there in the published file too, and handled" });
  }

  /** The rows of a table; those that have not exactly the columns are reported and left out. */
  async *table(name: string, format: CsvFormat, columns: readonly string[]): AsyncGenerator<Row & { readonly at: Place }> {
    let checked = false;
    for await (const row of this.#stream(name, () => csvRows(this.path(name), format, this.signal))) {
      const at = this.#place(name, row);
      if (!checked && format.columns === null) {
        const lacking = columns.filter((column) => !row.values.has(column));
        if (lacking.length > 0) {
          this.unread.add(name);
          this.fault("WRONG_COLUMNS", { file: name, at: "1" }, `has not the column${lacking.length === 1 ? "" : "s"} ${lacking.join(", ")}; it has ${[...row.values.keys()].join(", ")}`, `${RELOAD}, or name its columns ${columns.join(", ")}`);
          return;
        }
      }
      checked = true;
      const found = fieldCount(row);
      const expected = format.columns === null ? row.values.size : columns.length;
      if (found === expected && !hasExtra(row)) yield { ...row, at };
      else this.fault("WRONG_COLUMNS", at, `has ${found} field${found === 1 ? "" : "s"} where ${expected} are expected (${columns.join(", ")})`, "Correct the line, or load the file again");
    }
  }

  /** The objects of a list in a JSON document, as `jsonListRows` has them. */
  async *objects(name: string, key: string | null): AsyncGenerator<Row & { readonly at: Place }> {
    for await (const row of this.#stream(name, () => jsonListRows(this.path(name), key, this.signal))) yield { ...row, at: this.#place(name, row) };
  }

  /** The lines of a text file, without those that are empty. */
  async *lines(name: string): AsyncGenerator<Line & { readonly at: Place }> {
    for await (const line of this.#stream(name, () => linesOf(this.path(name), this.signal))) {
      if (line.text.trim() !== "") yield { ...line, at: { file: name, at: String(line.number) } };
    }
  }

  /** Runs `work` on a file of the copy; where it fails for the file's sake, that is a fault, and the result null. */
  async attempt<T>(name: string, work: (path: string) => Promise<T>): Promise<T | null> {
    try {
      return await work(this.path(name));
    } catch (error) {
      this.#failed(name, error);
      return null;
    }
  }

  async *#stream<T>(name: string, open: () => AsyncIterable<T>): AsyncGenerator<T> {
    if ((await this.kindOf(name)) !== "file") {
      this.unread.add(name);
      return;
    }
    try {
      yield* open();
    } catch (error) {
      this.#failed(name, error);
    }
  }

  #failed(name: string, error: unknown): void {
    if (!(error instanceof CmcrError) || error.code !== 3) throw error;
    this.unread.add(name);
    if (error.reason === "DATA_MISSING") return;
    const line = /:(\d+)$/.exec(error.path ?? "")?.[1];
    const item = /, (\S+ \d+)$/.exec(error.path ?? "")?.[1];
    // The place is told beside the message.
    const message = error.message.replace(this.path(name), "").replace(/^(:\d+|, \S+ \d+)?:? */, "").replace(/\.$/, "");
    this.fault(error.reason, { file: name, at: line ?? item ?? "" }, message, `${RELOAD}, or correct it there`);
  }

  #place(name: string, row: Row): Place {
    const { place } = row;
    const rest = isAbsolute(place) ? relative(this.root, place).split(sep).join("/").slice(name.length) : "";
    return { file: name, at: rest.replace(/^:/, "").replace(/^, /, "").replace(/^(\S+) (\d+)$/, (_, list: string, number: string) => (list === "item" ? `item ${number}` : `${list} ${number}`)) };
  }
}

/** Fields that the row has; those that a short row lacks are undefined. */
function fieldCount({ values }: Row): number {
  let count = 0;
  for (const value of values.values()) if (value !== undefined) count += 1;
  return count;
}

function hasExtra({ values }: Row): boolean {
  for (const name of values.keys()) if (/^column \d+$/.test(name)) return true;
  return false;
}

/** A field of a row as text without spaces around it; empty where there is none. */
export function textField(values: Row["values"], name: string): string {
  return fieldText(values.get(name))?.trim() ?? "";
}
