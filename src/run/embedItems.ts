import { readFile, rename, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";

import type { ItemBatch, RemoteTensor } from "../bridge/types.js";
import type { LoadedProjectors } from "../bridge/connectorClient.js";
import type { Worker } from "../bridge/worker.js";
import { type CompiledEncoder, type CompiledExperiment, hasEncoder, MODALITIES, type Modality } from "../config/compiled.js";
import { dataError, systemCode, usageError } from "../errors.js";
import { syncFile } from "../store/files.js";
import { PendingFolder } from "../store/pendingFolder.js";
import { badArgument } from "./arguments.js";
import { receiveAt } from "./context.js";
import { sidesFor } from "./embedSide.js";
import { refuseExisting } from "./newFile.js";
import { readFinishedRun } from "./projectorsFile.js";
import { encoderSpec } from "./stages/encodeCollection.js";
import { experimentRoots, openWorker } from "./workers.js";

/** The arguments of `cmcr embed`, as typed. */
export interface EmbedRequest {
  readonly run: string;
  readonly modality: string;
  /** Texts, or paths of files. */
  readonly items: readonly string[];
  readonly space?: string | undefined;
  /** A .npy (n, k) to write; without it the embeddings come back. */
  readonly out?: string | undefined;
  /** Whose projectors, of a run with several; the first unless given. */
  readonly seed?: string | undefined;
}

/** Joint embeddings of items, in their order. */
export interface Embedded {
  readonly run: string;
  readonly space: string;
  readonly modality: Modality;
  /** Of the joint space. */
  readonly dimension: number;
  readonly count: number;
  /** L2-normalised rows, (count, dimension) row-major; null where they went into a file. */
  readonly rows: Float32Array | null;
  readonly out: string | null;
}

/**
 * Embeds items into a run's joint space: the encoder of one of its spaces, then that
 * space's projector. Exit 2 when the run has no encoder for the modality, 3 for an
 * item that cannot be read; then nothing is written.
 */
export async function embedItems(request: EmbedRequest, signal: AbortSignal): Promise<Embedded> {
  const modality = MODALITIES.find((name) => name === request.modality);
  if (modality === undefined) throw badArgument("modality", `expected one of ${MODALITIES.join(", ")}; found "${request.modality}"`);
  const out = request.out === undefined ? null : resolve(request.out);
  if (out !== null) {
    if (!out.endsWith(".npy")) throw badArgument("out", `expected the .npy file to write; found ${request.out ?? ""}`);
    await refuseExisting("out", out);
  }
  const folder = resolve(request.run);
  const { experiment, projectors } = await readFinishedRun(folder, request.seed, signal);
  const candidates = candidateSpaces(experiment, modality, request.space);
  const items = await checkItems(modality, request.items);

  const pending = out === null ? null : await PendingFolder.beside(out);
  let worker: Worker | undefined;
  try {
    worker = await openWorker({ settings: experiment.worker, roots: [...(pending === null ? [] : [pending.path]), ...rootsOf(experiment, modality, items)], signal });
    const { encoder, dimension } = await chooseEncoder(worker, candidates, modality);
    const connector = await worker.connectors.loadProjectors(projectors);
    checkDimension(connector, encoder, dimension);
    const described = { run: basename(folder), space: encoder.name, modality, dimension: connector.outputDim, count: items.length };
    const encoded = await worker.encoders.encode(encoderSpec(encoder), modality, items.length, batches(worker, modality, items, encoder.batchSize), "memory", () => undefined);
    const { connectors } = worker;
    const target = (to: { readonly path: string } | "memory"): Promise<RemoteTensor> => connectors.embed(connector, encoder.name, encoded, null, to);
    if (pending === null || out === null) return { ...described, rows: await download(worker, await target("memory")), out: null };
    const file = pending.file("embeddings.npy");
    await receiveAt(worker, file, target);
    await syncFile(file);
    signal.throwIfAborted();
    await rename(file, out);
    return { ...described, rows: null, out };
  } finally {
    await worker?.close();
    await pending?.discard();
  }
}

/** The spaces with an encoder that may embed the modality, the one that is meant first. Exit 2 when there is none. */
function candidateSpaces(experiment: CompiledExperiment, modality: Modality, given: string | undefined): readonly CompiledEncoder[] {
  const connected = experiment.connect.sides.map(({ space }) => space);
  if (given !== undefined && !connected.includes(given)) {
    throw usageError(`--space: the run connects ${connected.join(" and ")}; found "${given}".`, { reason: "UNKNOWN_NAME", path: "--space" });
  }
  const wanted = given === undefined ? sidesFor(experiment, modality) : [given];
  const encoders = wanted.flatMap((name) => {
    const space = experiment.spaces[name];
    return space !== undefined && hasEncoder(space) ? [space] : [];
  });
  if (encoders.length > 0) return encoders;
  const name = wanted[0] ?? "";
  throw usageError(
    `${modality} goes through the space ${name}, which is precomputed: the run has no encoder of it. Embed the items with that encoder yourself, then: cmcr project RUN --space ${name} FILE.npy --out FILE.npy`,
    { reason: "IMPOSSIBLE_VALUE", path: "--modality" },
  );
}

/** The first of the spaces whose encoder embeds the modality, and its dimension. Exit 2 when there is none. */
async function chooseEncoder(worker: Worker, spaces: readonly CompiledEncoder[], modality: Modality): Promise<{ readonly encoder: CompiledEncoder; readonly dimension: number }> {
  const known: string[] = [];
  for (const encoder of spaces) {
    const { modalities, dimension } = await worker.encoders.describe(encoderSpec(encoder));
    if (modalities.includes(modality)) return { encoder, dimension };
    known.push(`${encoder.name} embeds ${modalities.join(" and ")}`);
  }
  throw usageError(`--modality: no encoder for ${modality}: ${known.join("; ")}.`, { reason: "IMPOSSIBLE_VALUE", path: "--modality" });
}

/** Holds the encoder's dimension against the head's. Exit 2 when they differ. */
function checkDimension({ sides }: LoadedProjectors, { name }: CompiledEncoder, dimension: number): void {
  const expected = sides.find(({ space }) => space === name)?.inputDim;
  if (expected === dimension) return;
  throw usageError(`the encoder of ${name} gives ${dimension} dimensions, and the projector of ${name} takes ${expected ?? 0}. Is it the encoder that the projectors were trained with?`, {
    reason: "SHAPE_MISMATCH",
    path: `spaces.${name}`,
  });
}

/** The items as the worker takes them: texts, or absolute paths of files that are there. Exit 3 for one that is not. */
async function checkItems(modality: Modality, items: readonly string[]): Promise<readonly string[]> {
  if (items.length === 0) throw usageError("name at least one item: a text or a file; - reads them from standard input, one a line.", { reason: "BAD_COMMAND_LINE" });
  const place = (index: number): string => `item ${index + 1} of ${items.length}`;
  if (modality === "text") {
    const empty = items.findIndex((text) => text.trim() === "");
    if (empty >= 0) throw dataError(`${place(empty)} is empty: there is nothing to embed.`, { reason: "DATA_CORRUPT", path: place(empty) });
    return items;
  }
  return Promise.all(
    items.map(async (item, index) => {
      const path = resolve(item);
      const status = await stat(path).catch((cause: unknown) => {
        const code = systemCode(cause);
        const why = code === "ENOENT" || code === "ENOTDIR" ? "is not there" : `cannot be read (${code})`;
        throw dataError(`${place(index)}: ${item} ${why}.`, { reason: "DATA_MISSING", path: item, cause });
      });
      if (!status.isFile()) throw dataError(`${place(index)}: ${item} is no file. cmcr encode embeds folders.`, { reason: "DATA_UNREADABLE", path: item });
      return path;
    }),
  );
}

/** Folders that the worker must see: those of the encoders' weights, and of the items. */
function rootsOf(experiment: CompiledExperiment, modality: Modality, items: readonly string[]): readonly string[] {
  return [...experimentRoots({ ...experiment, data: {} }), ...(modality === "text" ? [] : items.map((path) => dirname(path)))];
}

async function* batches({ sharesFiles }: Worker, modality: Modality, items: readonly string[], size: number): AsyncGenerator<ItemBatch> {
  for (let at = 0; at < items.length; at += size) {
    const batch = items.slice(at, at + size);
    if (modality === "text") yield { kind: "texts", texts: batch };
    else if (sharesFiles) yield { kind: "files", paths: batch };
    else {
      const content = async (path: string) => ({ name: path, content: { kind: "data", data: await readFile(path) }, part: null }) as const;
      yield { kind: "items", items: await Promise.all(batch.map(content)) };
    }
  }
}

async function download(worker: Worker, tensor: RemoteTensor): Promise<Float32Array> {
  const bytes = Buffer.alloc(tensor.rows * tensor.dim * 4);
  let at = 0;
  await worker.tensors.download(tensor, (chunk) => {
    at += chunk.copy(bytes, at);
    return Promise.resolve();
  });
  return Float32Array.from({ length: tensor.rows * tensor.dim }, (_, index) => bytes.readFloatLE(4 * index));
}
