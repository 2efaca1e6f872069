import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { autoSchemaElement, fileWriter, ParquetWriter } from "hyparquet-writer";

import type { Modality } from "../../config/compiled.js";
import { dataError, usageError } from "../../errors.js";
import { readNpyHeader, readNpyRows } from "../npy.js";
import { NpyFile } from "../npyFile.js";
import { encodeFloat16 } from "../npyFloat16.js";
import { ITEM_COLUMN, METADATA, PARTS, partSuffix, ROWS_PER_PARTITION } from "./layout.js";

/** Who a row is. */
export interface DescribedRow {
  /** Its key. */
  readonly id: string;
  /** The text itself, or null where it is none or not known. */
  readonly caption: string | null;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface ClipRetrievalOptions {
  /** An empty folder to write into. */
  readonly folder: string;
  readonly modality: Modality;
  /** A .npy (n, d) of float32 with normalised rows. */
  readonly embeddings: string;
  /** Who the n rows are, in their order. */
  readonly rows: AsyncIterable<DescribedRow>;
  /** Names of the rows' attributes, which become columns of the metadata. */
  readonly attributes: readonly string[];
  /** Default 1,000,000, as clip-retrieval has it. */
  readonly rowsPerPartition?: number;
  readonly signal?: AbortSignal;
}

/** Rows of a row group of the metadata: what is held at a time. */
const GROUP_ROWS = 1 << 16;
const BLOCK_BYTES = 1 << 24;
/** Columns that clip-retrieval makes itself: others' metadata never replace them. */
const RESERVED = ["image_path", "caption", "metadata"];

/**
 * Writes embeddings as clip-retrieval lays them out: parts of float16, each with its metadata as
 * Parquet. Returns how many partitions there are. Exit 2 for a modality that the layout has no
 * name for; exit 3 when there are more or fewer rows described than embedded.
 */
export async function writeClipRetrieval(options: ClipRetrievalOptions): Promise<number> {
  const { folder, modality, embeddings, rowsPerPartition = ROWS_PER_PARTITION, signal } = options;
  const name = PARTS[modality];
  if (name === null) throw usageError(`the layout of clip-retrieval has no place for ${modality}. It takes ${Object.keys(PARTS).filter((key) => PARTS[key as Modality] !== null).join(", ")}.`, { reason: "IMPOSSIBLE_VALUE", path: "--format" });
  const { shape } = await readNpyHeader(embeddings);
  const [rows = 0, dim = 0] = shape;
  const partitions = Math.max(1, Math.ceil(rows / rowsPerPartition));
  await mkdir(join(folder, name));
  await mkdir(join(folder, METADATA));
  const described = options.rows[Symbol.asyncIterator]();
  try {
    for (let partition = 0; partition < partitions; partition += 1) {
      const [start, end] = [partition * rowsPerPartition, Math.min(rows, (partition + 1) * rowsPerPartition)];
      const suffix = partSuffix(partition, partitions);
      await writePart(embeddings, join(folder, name, `${name}_${suffix}.npy`), { start, end, dim, ...(signal === undefined ? {} : { signal }) });
      const written = await writeMetadata(join(folder, METADATA, `${METADATA}_${suffix}.parquet`), described, end - start, options);
      if (written < end - start) throw mismatch(embeddings, rows, start + written);
    }
    if ((await described.next()).done !== true) throw mismatch(embeddings, rows, rows + 1);
  } finally {
    await described.return?.();
  }
  return partitions;
}

async function writePart(source: string, path: string, { start, end, dim, signal }: { readonly start: number; readonly end: number; readonly dim: number; readonly signal?: AbortSignal }): Promise<void> {
  const file = await NpyFile.create(path, "float16", [end - start, dim]);
  const step = Math.max(1, Math.floor(BLOCK_BYTES / Math.max(1, 4 * dim)));
  try {
    for (let row = start; row < end; row += step) {
      signal?.throwIfAborted();
      const { data } = await readNpyRows(source, row, Math.min(step, end - row));
      const bits = encodeFloat16(data instanceof Float32Array ? data : Float32Array.from(data, Number));
      await file.append(new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength));
    }
  } finally {
    await file.close();
  }
}

/** Writes the metadata of up to `count` rows; returns of how many. */
async function writeMetadata(path: string, rows: AsyncIterator<DescribedRow>, count: number, { modality, attributes, signal }: ClipRetrievalOptions): Promise<number> {
  const item = ITEM_COLUMN[modality];
  const columns = [...(modality === "text" ? ["caption", "text_id"] : [item]), ...attributes.filter((name) => !RESERVED.includes(name) && name !== item && name !== "text_id")];
  const writer = new ParquetWriter({ writer: fileWriter(path), schema: [{ name: "root", num_children: columns.length }, ...columns.map((name) => autoSchemaElement(name, ["", null]))] });
  let written = 0;
  while (written < count) {
    signal?.throwIfAborted();
    const values: (string | null)[][] = columns.map(() => []);
    let held = 0;
    for (; held < Math.min(GROUP_ROWS, count - written); held += 1) {
      const next = await rows.next();
      if (next.done === true) break;
      const fields: Readonly<Record<string, string | null>> = { ...next.value.attributes, caption: next.value.caption, text_id: next.value.id, ...(modality === "text" ? {} : { [item]: next.value.id }) };
      for (const [index, name] of columns.entries()) values[index]?.push(fields[name] ?? null);
    }
    if (held === 0) break;
    await writer.write({ columnData: columns.map((name, index) => ({ name, data: values[index] ?? [] })), rowGroupSize: held });
    written += held;
  }
  await writer.finish();
  return written;
}

function mismatch(path: string, rows: number, found: number): Error {
  return dataError(`${path} has ${rows} rows, and ${found > rows ? "more" : String(found)} are described. Make it again.`, { reason: "SHAPE_MISMATCH", path });
}
