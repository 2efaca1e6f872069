import { createHash } from "node:crypto";

import type { CompiledView } from "../../config/compiled.js";
import { keptByAll, type KeptItems, rowsOf } from "../../data/keptItems.js";
import { dataError } from "../../errors.js";
import { EMBEDDINGS, produce, receiveAt, type RunContext, storedMatrix, type StoredMatrix } from "../context.js";
import { pickNames } from "../encodedFiles.js";

/** Raised when picking rows would give other bytes than before. */
const PICK_VERSION = 1;

/** A collection as one space sees it. */
export interface ViewedMatrix {
  readonly view: CompiledView;
  readonly matrix: StoredMatrix;
}

/**
 * The same collection in several spaces with the same items in each: those that every
 * one of them has. A matrix that lacks no row of these stays as it is. Exit 3 when the
 * spaces do not have the same number of items to begin with.
 *
 * Those of regions are left alone: whoever looks at them finds their items by number, and
 * what another space cannot read is nothing to them, nor what they cannot read to others.
 */
export async function alignViews(context: RunContext, all: readonly ViewedMatrix[]): Promise<readonly ViewedMatrix[]> {
  const views = all.filter(({ matrix }) => matrix.regions === null);
  const [first] = views;
  if (first === undefined || views.every(({ matrix }) => matrix.kept.skipped.length === 0)) return views;
  for (const { view, matrix } of views) {
    if (matrix.kept.count === first.matrix.kept.count) continue;
    throw dataError(
      `data.${view.data}: in each space there must be the same items; found ${first.matrix.kept.count} in ${first.view.space} and ${matrix.kept.count} in ${view.space}, those that cannot be read among them.`,
      { reason: "SHAPE_MISMATCH", path: `data.${view.data}` },
    );
  }
  const kept = keptByAll(views.map(({ matrix }) => matrix.kept));
  const aligned: ViewedMatrix[] = [];
  for (const { view, matrix } of views) {
    aligned.push({ view, matrix: matrix.kept.skipped.length === kept.skipped.length ? { ...matrix, kept } : await pickItems(context, view, matrix, kept) });
  }
  return aligned;
}

/** The matrix of some of the items that another has; what they are called comes along. Exit 3 when none is left. */
export async function pickItems(context: RunContext, { data, space }: CompiledView, matrix: StoredMatrix, kept: KeptItems): Promise<StoredMatrix> {
  const { worker } = context;
  const rows = rowsOf(matrix.kept, kept);
  if (rows.length === 0) throw dataError(`data.${data}: no item can be read in every space that it is seen through.`, { reason: "NO_ITEMS", path: `data.${data}` });
  const entry = await produce(context, {
    stage: "encode",
    output: `${data} in ${space}, ${rows.length} of its items`,
    unit: "rows",
    inputs: { kind: "pick", version: PICK_VERSION, matrix: matrix.sha256, rows: createHash("sha256").update(rows).digest("hex") },
    async make(pending) {
      const source = await worker.tensors.put(matrix.path);
      const tensor = await receiveAt(worker, pending.file(EMBEDDINGS), (target) => worker.connectors.gather(source, rows, target));
      await worker.tensors.release(source, tensor);
      const names = await pickNames(matrix.entry, rows, (name) => pending.file(name));
      return { files: [EMBEDDINGS, ...names], facts: { rows: tensor.rows, dim: tensor.dim, dtype: "float32" } };
    },
  });
  return storedMatrix(entry, kept);
}
