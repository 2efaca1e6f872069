import { createReadStream } from "node:fs";
import { mkdir, readFile, rename } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { createInterface } from "node:readline";

import { MODALITIES, type Modality } from "../config/compiled.js";
import { type DescribedRow, writeClipRetrieval } from "../data/clipRetrieval/write.js";
import { ROWS_PER_PARTITION } from "../data/clipRetrieval/layout.js";
import { dataError } from "../errors.js";
import { ENTRY_FILE, type EntryManifest, PendingFolder } from "../store/pendingFolder.js";
import { badArgument, countArgument } from "./arguments.js";
import { EMBEDDINGS } from "./context.js";
import { IDS, NAMES } from "./encodedFiles.js";
import { refuseExisting } from "./newFile.js";

/** The arguments of `cmcr data export`, as typed. */
export interface ExportEmbeddingsRequest {
  readonly folder: string;
  readonly format: string;
  readonly out: string;
  readonly rowsPerFile?: string | undefined;
}

export interface ExportedEmbeddings {
  readonly folder: string;
  readonly format: string;
  readonly rows: number;
  readonly partitions: number;
}

/**
 * Writes the embeddings that `cmcr encode` made in another layout; the new folder appears whole or not
 * at all. Exit 2 when something is there already, exit 3 when the folder is none of `cmcr encode`.
 */
export async function exportEmbeddings(request: ExportEmbeddingsRequest, signal: AbortSignal): Promise<ExportedEmbeddings> {
  if (request.format !== "clip-retrieval") throw badArgument("format", `expected clip-retrieval; found "${request.format}"`);
  const rowsPerPartition = request.rowsPerFile === undefined ? ROWS_PER_PARTITION : countArgument("rows-per-file", request.rowsPerFile);
  const folder = resolve(request.folder);
  const out = resolve(request.out);
  await refuseExisting("out", out);
  const { modality, rows, files } = await readEntry(folder);
  const pending = await PendingFolder.beside(out);
  try {
    const target = pending.file(basename(out));
    await mkdir(target);
    const partitions = await writeClipRetrieval({
      folder: target,
      modality,
      embeddings: join(folder, EMBEDDINGS),
      rows: describedRows(folder, modality, rows, files),
      attributes: [],
      rowsPerPartition,
      signal,
    });
    await rename(target, out);
    return { folder: out, format: request.format, rows, partitions };
  } finally {
    await pending.discard();
  }
}

interface Entry {
  readonly modality: Modality;
  readonly rows: number;
  readonly files: readonly string[];
}

async function readEntry(folder: string): Promise<Entry> {
  const text = await readFile(join(folder, ENTRY_FILE), "utf8").catch((cause: unknown) => {
    throw dataError(`${folder} is no folder of embeddings that cmcr encode made: it has no ${ENTRY_FILE}.`, { reason: "DATA_MISSING", path: folder, cause });
  });
  try {
    const { inputs, facts, files } = JSON.parse(text) as EntryManifest;
    const named = typeof inputs === "object" && inputs !== null && "modality" in inputs ? inputs["modality"] : null;
    const modality = MODALITIES.find((name) => name === named);
    if (modality !== undefined && typeof facts["rows"] === "number" && EMBEDDINGS in files) return { modality, rows: facts["rows"], files: Object.keys(files) };
  } catch {
    // Said below.
  }
  throw dataError(`${join(folder, ENTRY_FILE)} does not describe embeddings with their modality. Make the folder again with cmcr encode.`, { reason: "CORRUPT", path: folder });
}

async function* describedRows(folder: string, modality: Modality, rows: number, files: readonly string[]): AsyncGenerator<DescribedRow> {
  const captions = modality === "text" ? await captionsOf(folder, files) : null;
  let row = 0;
  for await (const id of idsOf(folder, rows, files)) {
    yield { id, caption: captions?.[row] ?? null, attributes: {} };
    row += 1;
  }
}

async function* idsOf(folder: string, rows: number, files: readonly string[]): AsyncGenerator<string> {
  if (!files.includes(IDS)) {
    for (let row = 0; row < rows; row += 1) yield await Promise.resolve(String(row));
    return;
  }
  for await (const line of createInterface({ input: createReadStream(join(folder, IDS)) })) yield JSON.parse(line) as string;
}

/** The texts are among the names, which long lists do not have. */
async function captionsOf(folder: string, files: readonly string[]): Promise<readonly string[]> {
  if (!files.includes(NAMES)) {
    throw dataError(`${folder} does not hold its texts, as there are too many of them, and clip-retrieval's metadata needs them. Encode them with --format clip-retrieval.`, {
      reason: "NO_CAPTIONS",
      path: folder,
    });
  }
  return JSON.parse(await readFile(join(folder, NAMES), "utf8")) as readonly string[];
}
