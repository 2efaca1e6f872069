import { readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import { readNpyHeader } from "../data/npy.js";
import { formatShape } from "../data/npyHeader.js";
import { dataError, usageError } from "../errors.js";
import { syncFile } from "../store/files.js";
import { PendingFolder } from "../store/pendingFolder.js";
import { badArgument } from "./arguments.js";
import { receiveAt } from "./context.js";
import { readCompleteRun, readRunFile } from "./folder.js";
import type { RunManifest } from "./manifest.js";
import { projectorsOf } from "./projectorsFile.js";
import { openWorker } from "./workers.js";

/** The arguments of `cmcr project`. */
export interface ProjectRequest {
  readonly run: string;
  readonly file: string;
  readonly space: string;
  readonly out: string;
  /** Whose projectors, of a run with several; the first unless given. */
  readonly seed?: string | undefined;
}

/** Embeddings of a space, (n, d), into the run's joint space: a .npy (n, k), rows L2-normalised. */
export async function projectFile(request: ProjectRequest, signal: AbortSignal): Promise<{ readonly out: string; readonly rows: number; readonly dim: number }> {
  const folder = resolve(request.run);
  const { experiment } = await readCompleteRun(folder);
  const known = experiment.connect.sides.map(({ space }) => space);
  if (!known.includes(request.space)) {
    throw usageError(`--space: the run connects ${known.join(" and ")}; found "${request.space}".`, { reason: "UNKNOWN_NAME", path: "--space" });
  }
  const file = resolve(request.file);
  const out = resolve(request.out);
  const manifest = await readRunFile<RunManifest>(folder, "manifest");
  const { path: projectors } = await projectorsOf(folder, experiment, manifest, request.seed, signal);
  const shape = await checkEmbeddings(file);
  if (await isFolder(out)) throw badArgument("out", `expected the .npy file to write; found the folder ${out}`);
  const pending = await PendingFolder.beside(out);
  const worker = await openWorker({ settings: experiment.worker, roots: [dirname(file), pending.path], signal }).catch(async (error: unknown) => {
    await pending.discard();
    throw error;
  });
  try {
    const connector = await worker.connectors.loadProjectors(await readFile(projectors));
    const expected = connector.sides.find(({ space }) => space === request.space)?.inputDim;
    const [, found] = shape;
    if (found !== expected) {
      throw dataError(`${file}: expected ${expected ?? 0} columns, the dimension of ${request.space}; found ${found ?? 0}. Is it of another space?`, { reason: "SHAPE_MISMATCH", path: file });
    }
    const source = worker.sharesFiles ? file : await worker.tensors.upload(file);
    // Checks every value, and normalises: what training saw was normalised too.
    const rows = await worker.tensors.import(source, null, "memory", () => undefined);
    const tensor = await receiveAt(worker, pending.file("projected.npy"), (target) => worker.connectors.embed(connector, request.space, rows, null, target));
    await syncFile(pending.file("projected.npy"));
    await rename(pending.file("projected.npy"), out);
    return { out, rows: tensor.rows, dim: tensor.dim };
  } finally {
    await worker.close();
    await rm(pending.path, { recursive: true, force: true });
  }
}

/** Refuses what is no matrix of embeddings before a worker is started. Exit 3. */
async function checkEmbeddings(path: string): Promise<readonly number[]> {
  const { dtype, shape } = await readNpyHeader(path);
  if (shape.length !== 2 || shape.includes(0)) {
    throw dataError(`${path}: expected embeddings of shape (n, d), one row for each item; found shape ${formatShape(shape)}.`, { reason: "SHAPE_MISMATCH", path });
  }
  if (dtype !== "float16" && dtype !== "float32") {
    throw dataError(`${path}: expected float16 or float32; found ${dtype}. Write it with array.astype("float32").`, { reason: "DTYPE_MISMATCH", path });
  }
  return shape;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
}
