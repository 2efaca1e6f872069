import type { Worker } from "../bridge/worker.js";
import type { RemoteTensor } from "../bridge/types.js";
import type { CompiledExperiment } from "../config/compiled.js";
import { NpyFile } from "../data/npyFile.js";
import { dataError } from "../errors.js";
import type { Json } from "../store/checksums.js";
import type { PendingFolder } from "../store/pendingFolder.js";
import type { Store, StoreEntry } from "../store/store.js";
import { ProgressMeter, type Reporter, type Stage } from "./events.js";

/** What a stage has to work with. */
export interface RunContext {
  readonly experiment: CompiledExperiment;
  readonly worker: Worker;
  readonly store: Store;
  readonly signal: AbortSignal;
  readonly report: Reporter;
  /** Make every output again, whatever the store has. */
  readonly fresh: boolean;
  /** What was made or taken, for the manifest. */
  readonly records: OutputRecord[];
}

/** One output of a stage, as the manifest lists it. */
export interface OutputRecord {
  readonly stage: Stage;
  readonly output: string;
  readonly key: string;
  readonly fromStore: boolean;
  readonly seconds: number;
  /** File name to SHA-256. */
  readonly files: Readonly<Record<string, string>>;
  /** All that it was made from; checksums of users' files among them. */
  readonly inputs: Json;
}

/** A matrix of the store, (rows, dim) float32 with L2-normalised rows. */
export interface StoredMatrix {
  readonly path: string;
  readonly sha256: string;
  readonly rows: number;
  readonly dim: number;
  /** Items' names, or null where their number says all. */
  readonly entry: StoreEntry;
}

/** Name of the matrix in its entry. */
export const EMBEDDINGS = "embeddings.npy";

interface OutputSpec {
  readonly stage: Stage;
  /** What people call it, such as `images in clip`. */
  readonly output: string;
  readonly unit: string;
  readonly inputs: Json;
  /** Writes the files into the pending folder; returns their names and what there is to know of them. */
  readonly make: (
    pending: PendingFolder,
    meter: ProgressMeter,
  ) => Promise<{ readonly files: readonly string[]; readonly facts: Readonly<Record<string, Json>> }>;
}

/** Takes an output from the store, or makes it there. A damaged one is reported and made again. */
export async function produce(context: RunContext, spec: OutputSpec): Promise<StoreEntry> {
  const { store, signal, report } = context;
  const started = performance.now();
  signal.throwIfAborted();
  const found = context.fresh
    ? null
    : await store.find(
        spec.stage,
        spec.inputs,
        ({ folder, problem }) => {
          report({ event: "warning", message: `${folder} is damaged (${problem}); it is made again` });
        },
        signal,
      );
  const entry = found ?? (await make(context, spec));
  const seconds = (performance.now() - started) / 1000;
  report({ event: "output", stage: spec.stage, output: spec.output, fromStore: found !== null, seconds });
  context.records.push({
    stage: spec.stage,
    output: spec.output,
    key: entry.manifest.key,
    fromStore: found !== null,
    seconds,
    files: Object.fromEntries(Object.entries(entry.manifest.files).map(([name, file]) => [name, file.sha256])),
    inputs: spec.inputs,
  });
  return entry;
}

async function make({ store, signal, report }: RunContext, spec: OutputSpec): Promise<StoreEntry> {
  const pending = await store.begin();
  try {
    const { files, facts } = await spec.make(pending, new ProgressMeter(report, spec.stage, spec.output, spec.unit));
    signal.throwIfAborted();
    return await store.commit(pending, spec.stage, spec.inputs, files, facts);
  } catch (error) {
    await pending.discard();
    throw error;
  }
}

/** The matrix of an entry whose facts have its rows and dimension. */
export function storedMatrix(entry: StoreEntry): StoredMatrix {
  const { rows, dim } = entry.manifest.facts;
  const file = entry.manifest.files[EMBEDDINGS];
  if (typeof rows !== "number" || typeof dim !== "number" || file === undefined) {
    throw dataError(`${entry.folder} does not describe its matrix. Remove it; it is made again.`, { reason: "CORRUPT", path: entry.folder });
  }
  return { path: entry.path(EMBEDDINGS), sha256: file.sha256, rows, dim, entry };
}

/** Puts a matrix of the worker into a file: written by the worker itself, or sent over the wire. */
export async function receiveAt(worker: Worker, path: string, work: (target: { readonly path: string } | "memory") => Promise<RemoteTensor>): Promise<RemoteTensor> {
  if (worker.sharesFiles) return work({ path });
  const tensor = await work("memory");
  const file = await NpyFile.create(path, "float32", [tensor.rows, tensor.dim]);
  try {
    await worker.tensors.download(tensor, (chunk) => file.append(chunk));
  } finally {
    await file.close();
  }
  return tensor;
}
