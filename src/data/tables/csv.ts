import { Readable } from "node:stream";

import { CsvError, parse } from "csv-parse";

import type { TableFormat } from "../../config/compiledSource.js";
import { dataError } from "../../errors.js";
import { LONGEST_LINE } from "./lines.js";
import { duplicateOf, type Row } from "./row.js";
import { textOf } from "./textStream.js";

type CsvFormat = Extract<TableFormat, { readonly kind: "csv" }>;

/** A row with its place, as csv-parse is asked to give it. */
interface Parsed {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/**
 * The rows of a file of delimited fields, in their order; memory stays flat. A row that is
 * shorter than the head lacks the columns at its end. Rejects with exit 3 for a file that
 * cannot be read or is not UTF-8, a quote that is not closed, a row of more than a mebibyte.
 */
export async function* csvRows(path: string, format: CsvFormat, signal?: AbortSignal): AsyncGenerator<Row> {
  const parser = parse({
    delimiter: format.delimiter,
    quote: format.quote,
    // Quotes inside of a field that does not begin with one are text, as other readers have it.
    relax_quotes: true,
    relax_column_count: true,
    skip_empty_lines: true,
    ltrim: format.skipSpace,
    record_delimiter: ["\r\n", "\n"],
    max_record_size: LONGEST_LINE,
    info: true,
    ...(format.comment === null ? {} : { comment: format.comment, comment_no_infix: true }),
  });
  const input = Readable.from(textOf(path, signal));
  // A failure of the input ends the parser, which raises it below.
  input.on("error", (error) => parser.destroy(error));
  input.pipe(parser);
  let columns = format.columns;
  let number = 0;
  try {
    for await (const item of parser) {
      const { record, info } = item as Parsed;
      if (columns === null) {
        columns = record.map((name) => name.trim());
        const duplicate = duplicateOf(columns);
        if (duplicate !== null) throw dataError(`${path}:${info.lines}: two columns are named "${duplicate}". Rename one.`, { reason: "BAD_TABLE", path });
        continue;
      }
      if (number === 0 && format.columns !== null && repeatsColumns(record, format.columns)) continue;
      yield { values: valuesOf(columns, record), place: `${path}:${info.lines}`, number };
      number += 1;
    }
  } catch (error) {
    if (error instanceof CsvError) throw csvFailure(path, error);
    throw error;
  } finally {
    input.destroy();
    parser.destroy();
  }
}

/** Whether a first row is a header after all, in a file that need not have one. */
function repeatsColumns(record: readonly string[], columns: readonly string[]): boolean {
  const normal = (name: string): string => name.trim().toLowerCase();
  return record.length > 0 && record.every((name, index) => normal(name) === normal(columns[index] ?? ""));
}

function valuesOf(columns: readonly string[], record: readonly string[]): Row["values"] {
  const values = new Map<string, unknown>();
  for (let index = 0; index < Math.max(columns.length, record.length); index += 1) values.set(columns[index] ?? `column ${index + 1}`, record[index]);
  return values;
}

const WHY: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: "a quote is opened and never closed",
  CSV_MAX_RECORD_SIZE: `the row has more than ${LONGEST_LINE} bytes. Is a quote left open, or is it another kind of file?`,
};

function csvFailure(path: string, error: CsvError): Error {
  const line = typeof error["lines"] === "number" ? `:${error["lines"]}` : "";
  return dataError(`${path}${line}: ${WHY[error.code] ?? error.message}.`.replace(/\?\.$/, "?"), { reason: "BAD_TABLE", path: `${path}${line}`, cause: error });
}
