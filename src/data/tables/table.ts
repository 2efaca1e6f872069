import type { TableFormat } from "../../config/compiledSource.js";
import { dataError } from "../../errors.js";
import { csvRows } from "./csv.js";
import { jsonListRows } from "./jsonList.js";
import { jsonlRows } from "./jsonl.js";
import { nameCaptionRows } from "./nameCaption.js";
import { parquetRows, readParquetFooter } from "./parquet.js";
import type { Row, Table } from "./row.js";

/**
 * Opens a table: reads its head, or its first row where it has none. Rejects with exit 3 when
 * it cannot be read, is of another format, or has no row.
 */
export async function openTable(path: string, format: TableFormat, signal?: AbortSignal): Promise<Table> {
  if (format.kind === "parquet") {
    const { columns, rows } = await readParquetFooter(path);
    if (rows === 0) throw noRows(path);
    return { path, columns, rows: (wanted) => parquetRows(path, wanted ?? null, signal) };
  }
  const rows = (): AsyncGenerator<Row> => (READERS[format.kind] as AnyReader)(path, format, signal);
  for await (const { values } of rows()) return { path, columns: [...values.keys()], rows };
  throw noRows(path);
}

type AnyReader = (path: string, format: TableFormat, signal?: AbortSignal) => AsyncGenerator<Row>;
type Reader<Kind extends TableFormat["kind"]> = (path: string, format: Extract<TableFormat, { readonly kind: Kind }>, signal?: AbortSignal) => AsyncGenerator<Row>;

const READERS: { readonly [Kind in Exclude<TableFormat["kind"], "parquet">]: Reader<Kind> } = {
  csv: csvRows,
  jsonl: (path, _format, signal) => jsonlRows(path, signal),
  json: (path, { key }, signal) => jsonListRows(path, key, signal),
  "name-caption": (path, _format, signal) => nameCaptionRows(path, signal),
};

function noRows(path: string): Error {
  return dataError(`${path} has no rows, so there is nothing to read.`, { reason: "NO_ITEMS", path });
}
