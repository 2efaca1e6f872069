import { open } from "node:fs/promises";

import { type FileMetaData, parquetMetadataAsync, parquetScan, parquetSchema } from "hyparquet";
import { compressors } from "hyparquet-compressors";

import { CmcrError, dataError, systemCode } from "../../errors.js";
import type { Row } from "./row.js";
import { unreadableFile } from "./textStream.js";

/** A column of a row group is decoded whole; a larger one would take the memory that is kept flat. */
const LARGEST_CHUNK_BYTES = 1 << 29;
const LARGEST_FOOTER_BYTES = 1 << 26;
/** Four bytes of length, and `PAR1`. */
const TAIL_BYTES = 8;

/** What the footer of a Parquet file says. */
export interface ParquetFooter {
  readonly rows: number;
  /** Columns at the top; nested ones by the name of their group. */
  readonly columns: readonly string[];
}

/** The footer alone. Rejects with exit 3 when the file is not there, or no Parquet file. */
export async function readParquetFooter(path: string): Promise<ParquetFooter> {
  return withParquet(path, ({ metadata }) => Promise.resolve({ rows: Number(metadata.num_rows), columns: columnsOf(metadata) }));
}

/**
 * The rows of a Parquet file with the columns named, or all; a row group of those columns is
 * in memory at a time. Rejects with exit 3 for a damaged file, and for a column whose
 * part in one row group has more than 512 MiB.
 */
export async function* parquetRows(path: string, columns: readonly string[] | null, signal?: AbortSignal): AsyncGenerator<Row> {
  const footer = await readParquetFooter(path);
  const wanted = columns === null ? footer.columns : columns.filter((column) => footer.columns.includes(column));
  let start = 0;
  for (let group = 0; ; group += 1) {
    signal?.throwIfAborted();
    const read = await withParquet(path, (file) => readGroup(file, group, start, wanted));
    if (read === null) return;
    for (let index = 0; index < read.rows; index += 1) {
      const values = new Map(wanted.map((column, at) => [column, read.columns[at]?.[index]]));
      yield { values, place: `${path}, row ${start + index}`, number: start + index };
    }
    start += read.rows;
  }
}

interface OpenParquet {
  readonly path: string;
  readonly metadata: FileMetaData;
  readonly buffer: { readonly byteLength: number; readonly slice: (start: number, end?: number) => Promise<ArrayBuffer> };
}

async function readGroup(
  { path, metadata, buffer }: OpenParquet,
  group: number,
  rowStart: number,
  names: readonly string[],
): Promise<{ readonly rows: number; readonly columns: readonly ArrayLike<unknown>[] } | null> {
  const described = metadata.row_groups[group];
  if (described === undefined) return null;
  const rows = Number(described.num_rows);
  const columns: ArrayLike<unknown>[] = [];
  const scan = await parquetScan({ file: buffer, metadata, columns: [...names], rowStart, rowEnd: rowStart + rows, compressors });
  for (const name of names) {
    const bytes = described.columns
      .filter((column) => column.meta_data?.path_in_schema[0] === name)
      .reduce((sum, column) => sum + Number(column.meta_data?.total_uncompressed_size ?? 0), 0);
    if (bytes > LARGEST_CHUNK_BYTES) {
      throw dataError(`${path}: the column "${name}" has ${bytes} bytes in one row group; at most ${LARGEST_CHUNK_BYTES} are read at once. Write it with smaller row groups.`, {
        reason: "TOO_LARGE",
        path,
      });
    }
    const column: ArrayLike<unknown> = await scan.readColumn({ column: name, rowStart, rowEnd: rowStart + rows });
    if (column.length !== rows) throw new RangeError(`the column "${name}" has ${column.length} values in a row group of ${rows}`);
    columns.push(column);
  }
  return { rows, columns };
}

function columnsOf(metadata: FileMetaData): readonly string[] {
  return parquetSchema(metadata).children.map(({ element }) => element.name);
}

async function withParquet<T>(path: string, use: (file: OpenParquet) => Promise<T>): Promise<T> {
  let handle;
  try {
    handle = await open(path, "r");
    const file = handle;
    const { size } = await file.stat();
    const slice = async (start: number, end = size): Promise<ArrayBuffer> => {
      const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - start));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
      return bytes.buffer.slice(0, bytesRead);
    };
    await checkTail(path, size, slice);
    const buffer = { byteLength: size, slice };
    const metadata = await parquetMetadataAsync(buffer);
    return await use({ path, metadata, buffer });
  } catch (error) {
    if (error instanceof CmcrError) throw error;
    if (systemCode(error) !== "") throw unreadableFile(path, error);
    const why = error instanceof Error ? error.message : String(error);
    throw dataError(`${path}: this Parquet file is damaged, or of a kind that is not read (${why}).`, { reason: "BAD_TABLE", path, cause: error });
  } finally {
    await handle?.close();
  }
}

async function checkTail(path: string, size: number, slice: (start: number, end: number) => Promise<ArrayBuffer>): Promise<void> {
  const tail = Buffer.from(await slice(Math.max(0, size - TAIL_BYTES), size));
  const footerBytes = tail.length < TAIL_BYTES ? 0 : tail.readUInt32LE(0);
  if (tail.length < TAIL_BYTES || tail.subarray(4).toString("latin1") !== "PAR1" || footerBytes > size - TAIL_BYTES) {
    throw dataError(`${path}: this is no Parquet file, or it is cut off.`, { reason: "BAD_TABLE", path });
  }
  if (footerBytes > LARGEST_FOOTER_BYTES) {
    throw dataError(`${path}: its footer claims ${footerBytes} bytes; at most ${LARGEST_FOOTER_BYTES} are read.`, { reason: "TOO_LARGE", path });
  }
}
