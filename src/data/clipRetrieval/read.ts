import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";

import type { Modality } from "../../config/compiled.js";
import { type CmcrError, dataError } from "../../errors.js";
import { type NpyDtype, readNpyHeader } from "../npy.js";
import { NpyFile } from "../npyFile.js";
import { readParquetFooter } from "../tables/parquet.js";
import { METADATA, PARTS } from "./layout.js";
import { copyElements } from "./copyElements.js";

/** What `cmcr encode` calls the embeddings in a folder of its own layout. */
const STORED = "embeddings.npy";

/** The embeddings of one modality in a folder of clip-retrieval. */
export interface ClipRetrievalParts {
  /** In the order in which clip-retrieval's own consumers take them: that of their names. */
  readonly paths: readonly string[];
  readonly dtype: NpyDtype;
  readonly shape: readonly [rows: number, dim: number];
}

/**
 * Looks at a folder that clip-retrieval wrote, or at the `img_emb` (`text_emb`, …) in it: headers
 * and footers alone. Rejects with exit 3 when it has no embeddings of the modality, its parts do not
 * fit together, or have another number of rows than their metadata.
 */
export async function readClipRetrieval(path: string, modality: Modality): Promise<ClipRetrievalParts> {
  if ((await readdir(path)).includes(STORED)) {
    throw bad(path, `expected a file of embeddings or a folder of clip-retrieval, found a folder of cmcr encode. Give ${join(path, STORED)}`);
  }
  const name = PARTS[modality];
  if (name === null) throw bad(path, `clip-retrieval has no embeddings of the modality ${modality}`);
  const inside = basename(await realpath(path)) === name ? path : join(path, name);
  if (!(await isFolder(inside))) {
    const there = (await readdir(path)).filter((entry) => entry.endsWith("_emb"));
    throw bad(path, `expected the folder ${name} of ${modality} embeddings in it, as clip-retrieval writes it; found ${there.length === 0 ? "none like it" : there.join(", ")}`);
  }
  const pattern = new RegExp(`^${name}_(\\d+)\\.npy$`);
  const names = (await readdir(inside)).filter((entry) => pattern.test(entry)).sort();
  if (names.length === 0) throw bad(inside, `expected ${name}_0.npy and so on in it, found none`);
  const headers = await Promise.all(names.map((entry) => readNpyHeader(join(inside, entry))));
  const metadata = await metadataRows(join(inside, "..", METADATA));
  let rows = 0;
  for (const [index, { dtype, shape }] of headers.entries()) {
    const entry = names[index] ?? "";
    const [n = 0, d = 0] = shape;
    const [first] = headers;
    if (shape.length !== 2) throw bad(join(inside, entry), `expected a matrix (n, d), found shape (${shape.join(", ")})`);
    if (d !== first?.shape[1]) throw bad(join(inside, entry), `expected ${first?.shape[1] ?? 0} dimensions, as ${names[0] ?? ""} has, found ${d}`);
    if (dtype !== first.dtype) throw bad(join(inside, entry), `expected ${first.dtype}, as ${names[0] ?? ""} has, found ${dtype}`);
    const suffix = pattern.exec(entry)?.[1] ?? "";
    const described = metadata?.get(suffix);
    if (described !== undefined && described !== n) throw bad(join(inside, entry), `it has ${n} rows, and ${METADATA}_${suffix}.parquet ${described}; they do not belong together`);
    metadata?.delete(suffix);
    rows += n;
  }
  const [left] = metadata?.keys() ?? [];
  if (left !== undefined) throw bad(inside, `${METADATA}_${left}.parquet is there, and ${name}_${left}.npy is not; was the inference interrupted?`);
  const [first] = headers;
  return { paths: names.map((entry) => join(inside, entry)), dtype: first?.dtype ?? "float16", shape: [rows, first?.shape[1] ?? 0] };
}

/** Joins the parts into one .npy of their type; memory stays flat. */
export async function joinParts({ paths, dtype, shape }: ClipRetrievalParts, target: string, signal?: AbortSignal): Promise<void> {
  const file = await NpyFile.create(target, dtype, shape);
  try {
    for (const path of paths) await copyElements(path, file, signal);
  } finally {
    await file.close();
  }
}

/** Rows of each partition's metadata by the end of its name; null where there is no metadata. */
async function metadataRows(folder: string): Promise<Map<string, number> | null> {
  if (!(await isFolder(folder))) return null;
  const rows = new Map<string, number>();
  for (const name of await readdir(folder)) {
    const suffix = /^metadata_(\d+)\.parquet$/.exec(name)?.[1];
    if (suffix !== undefined) rows.set(suffix, (await readParquetFooter(join(folder, name))).rows);
  }
  return rows;
}

/** Whether there is a folder at a path. */
export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
}

function bad(path: string, why: string): CmcrError {
  return dataError(`${path}: ${why}.`, { reason: "CLIP_RETRIEVAL", path });
}
