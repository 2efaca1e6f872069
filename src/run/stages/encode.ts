import { rm } from "node:fs/promises";

import { type CompiledCollection, type CompiledExperiment, type CompiledSpace, type CompiledView, connectedViews, hasEncoder, taskViews } from "../../config/compiled.js";
import { batchTooLarge, hasBatch } from "../../connect/plan.js";
import { isFolder, joinParts, readClipRetrieval } from "../../data/clipRetrieval/read.js";
import { dataError, usageError } from "../../errors.js";
import { fileSha256 } from "../../store/checksums.js";
import { EMBEDDINGS, produce, receiveAt, type RunContext, storedMatrix, type StoredMatrix } from "../context.js";
import { alignViews, pickItems, type ViewedMatrix } from "./alignViews.js";
import { checkBefore } from "./checkBefore.js";
import { encodeCollection } from "./encodeCollection.js";
import { sampledItems } from "./sample.js";
import { viewName } from "./viewName.js";

export { encoderSpec } from "./encodeCollection.js";

/** The parts of a folder in one file, while they are imported. */
const JOINED = "parts.npy";
/** Raised when the import of a user's file would give other bytes than before. */
const IMPORT_VERSION = 1;

/** The embeddings of every collection in every space that the experiment looks at it from. */
export class EmbeddingTable {
  readonly #matrices = new Map<string, StoredMatrix>();

  set(view: CompiledView, matrix: StoredMatrix): void {
    this.#matrices.set(viewName(view), matrix);
  }

  /** The embeddings of a view; the encode stage has made all that the experiment names. */
  get(view: CompiledView): StoredMatrix {
    const matrix = this.#matrices.get(viewName(view));
    if (matrix === undefined) throw new Error(`no embeddings of ${viewName(view)}`);
    return matrix;
  }
}

/** Every (collection, space) that the experiment needs, each once, in a stable order. */
export function neededViews({ connect, evaluate }: Pick<CompiledExperiment, "connect" | "evaluate">): readonly CompiledView[] {
  const views: CompiledView[] = [...connectedViews(connect)];
  for (const task of evaluate) views.push(...taskViews(task));
  return [...new Map(views.map((view) => [viewName(view), view])).values()];
}

/** Embeds or imports everything that the experiment needs. */
export async function encodeStage(context: RunContext): Promise<EmbeddingTable> {
  await checkBatch(context);
  await checkBefore(context);
  const table = new EmbeddingTable();
  const { spaces, data } = context.experiment;
  const seen = new Map<string, ViewedMatrix[]>();
  for (const view of neededViews(context.experiment)) {
    const collection = data[view.data];
    const space = spaces[view.space];
    if (collection === undefined || space === undefined) throw new Error(`the experiment has no ${viewName(view)}`);
    const matrix = await sampleOf(context, collection, view, await embeddingsOf(context, collection, space, view));
    table.set(view, matrix);
    seen.set(view.data, [...(seen.get(view.data) ?? []), { view, matrix }]);
  }
  for (const views of seen.values()) {
    for (const { view, matrix } of await alignViews(context, views)) table.set(view, matrix);
  }
  checkDimensions(context.experiment, table);
  return table;
}

/** A batch cannot be larger than the overlap: to be known once it is listed, before hours of encoding. Exit 2. */
async function checkBatch({ experiment, lists }: RunContext): Promise<void> {
  const { connect, data, spaces } = experiment;
  if (connect.method !== "cmcr") return;
  const overlap = data[connect.overlap];
  if (overlap === undefined || overlap.source === null) return;
  const encoded = connect.sides.some(({ space }) => overlap.embeddings[space] === undefined && spaces[space] !== undefined);
  if (!encoded) return;
  const listed = await lists.get(overlap);
  const count = Math.min(listed.count, overlap.sample?.count ?? Infinity);
  if (!hasBatch(connect, count)) throw batchTooLarge(connect, count);
}

async function sampleOf(context: RunContext, { sample }: CompiledCollection, view: CompiledView, matrix: StoredMatrix): Promise<StoredMatrix> {
  const kept = sample === undefined ? matrix.kept : sampledItems(matrix.kept, sample);
  if (kept !== matrix.kept && matrix.regions !== null) {
    throw usageError(`data.${view.data}.sample: regions of ${view.data} are embedded, and a sample is drawn of whole items alone. Leave the sample out, or give the task a collection of its own.`, {
      reason: "IMPOSSIBLE_VALUE",
      path: `data.${view.data}.sample`,
    });
  }
  return kept === matrix.kept ? matrix : pickItems(context, view, matrix, kept);
}

async function embeddingsOf(context: RunContext, collection: CompiledCollection, space: CompiledSpace, { regions }: CompiledView): Promise<StoredMatrix> {
  const given = collection.embeddings[space.name];
  if (given !== undefined && regions !== undefined) {
    throw usageError(`data.${collection.name}.embeddings.${space.name}: given embeddings have a row for each whole image, and regions of ${collection.name} are asked for. Give data.${collection.name}.source, and leave these out.`, {
      reason: "IMPOSSIBLE_VALUE",
      path: `data.${collection.name}.embeddings.${space.name}`,
    });
  }
  if (given !== undefined) return imported(context, collection, space.name, given);
  if (collection.source === null || !hasEncoder(space)) throw new Error(`${collection.name} cannot be encoded by ${space.name}`);
  return encodeCollection(context, collection, space, regions);
}

async function imported(context: RunContext, { name, modality }: CompiledCollection, space: string, path: string): Promise<StoredMatrix> {
  const { worker, signal } = context;
  const parts = (await isFolder(path)) ? await readClipRetrieval(path, modality) : null;
  const sums: string[] = [];
  for (const part of parts?.paths ?? [path]) sums.push(await fileSha256(part, signal));
  const entry = await produce(context, {
    stage: "encode",
    output: `${name} in ${space}`,
    unit: "rows",
    inputs: { kind: "import", version: IMPORT_VERSION, ...(parts === null ? { sha256: sums[0] ?? "" } : { parts: sums }) },
    async make(pending, meter) {
      const file = parts === null ? path : pending.file(JOINED);
      if (parts !== null) await joinParts(parts, file, signal);
      const uploaded = worker.sharesFiles ? null : await worker.tensors.upload(file);
      const tensor = await receiveAt(worker, pending.file(EMBEDDINGS), (target) =>
        worker.tensors.import(uploaded ?? file, null, target, (done, total) => {
          meter.update(done, total);
        }),
      );
      await worker.tensors.release(tensor, ...(uploaded === null ? [] : [uploaded]));
      if (parts !== null) await rm(file);
      return { files: [EMBEDDINGS], facts: { rows: tensor.rows, dim: tensor.dim, dtype: "float32", source: path } };
    },
  });
  return storedMatrix(entry);
}

/** One space has one dimension, and the overlap the same items in both spaces. */
function checkDimensions({ connect, evaluate }: CompiledExperiment, table: EmbeddingTable): void {
  const [first, second] = connect.method === "imported" ? [] : connect.sides.map(({ space }) => table.get({ data: connect.overlap, space }));
  if (connect.method !== "imported" && first !== undefined && second !== undefined && first.rows !== second.rows) {
    throw dataError(
      `data.${connect.overlap}.embeddings: the overlap must hold the same items in both spaces; found ${first.rows} rows in ${connect.sides[0].space} and ${second.rows} in ${connect.sides[1].space}.`,
      { reason: "SHAPE_MISMATCH", path: `data.${connect.overlap}.embeddings` },
    );
  }
  const seen = new Map<string, { data: string; dim: number }>();
  for (const view of neededViews({ connect, evaluate })) {
    const { dim } = table.get(view);
    const known = seen.get(view.space);
    if (known === undefined) seen.set(view.space, { data: view.data, dim });
    else if (known.dim !== dim) {
      throw dataError(
        `data.${view.data}.embeddings.${view.space}: expected ${known.dim} dimensions, as ${known.data} has in ${view.space}; found ${dim}.`,
        { reason: "SHAPE_MISMATCH", path: `data.${view.data}.embeddings.${view.space}` },
      );
    }
  }
}
