import type { Worker } from "../bridge/worker.js";
import type { RemoteTensor } from "../bridge/types.js";
import type { CompiledExperiment } from "../config/compiled.js";
import { allItems, type KeptItems } from "../data/keptItems.js";
import { NpyFile } from "../data/npyFile.js";
import type { RegionLayout } from "../data/regions.js";
import { CmcrError, dataError } from "../errors.js";
import type { Json } from "../store/checksums.js";
import type { PendingFolder } from "../store/pendingFolder.js";
import type { DamagedEntry, Store, StoreEntry } from "../store/store.js";
import { ProgressMeter, type Reporter, type Stage } from "./events.js";
import type { ItemLists } from "./itemLists.js";
import type { SkippedList } from "./skippedList.js";

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
  /** The items of the experiment's collections. */
  readonly lists: ItemLists;
  /** The items that could not be read, for the run's folder. */
  readonly skipped: SkippedList;
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
  readonly entry: StoreEntry;
  /** Which of its collection's items the rows are. */
  readonly kept: KeptItems;
  /** Null: a row for each kept item. Else the rows are regions of the kept items. */
  readonly regions: RegionLayout | null;
}

/** Name of the matrix in its entry. */
export const EMBEDDINGS = "embeddings.npy";

/** The sole right to work on an output. */
export interface OutputClaim {
  /** Gives it up; `whole`: the output is in the store. */
  end(whole: boolean): Promise<void>;
}

interface OutputSpec {
  readonly stage: Stage;
  /** What people call it, such as `images in clip`. */
  readonly output: string;
  readonly unit: string;
  readonly inputs: Json;
  /**
   * Waits until nobody else makes this output; left out: the store's own claim. It is held while
   * the output is made and at no other time, and nothing that has a claim of its own is made in
   * the meantime, so nobody ever waits for one who waits.
   */
  readonly claim?: () => Promise<OutputClaim>;
  /** Rejects when the inputs turn out to be others, before an output of the store is taken. */
  readonly confirm?: () => Promise<void>;
  /** Writes the files into the pending folder; returns their names and what there is to know of them. */
  readonly make: (
    pending: PendingFolder,
    meter: ProgressMeter,
  ) => Promise<{ readonly files: readonly string[]; readonly facts: Readonly<Record<string, Json>> }>;
}

/**
 * Takes an output from the store, or makes it there. Whoever else wants it in the meantime, in
 * this process or another, waits and then takes it. A damaged one is reported and made again.
 */
export async function produce(context: RunContext, spec: OutputSpec): Promise<StoreEntry> {
  const { signal, report } = context;
  const started = performance.now();
  signal.throwIfAborted();
  let found = await find(context, spec);
  let entry = found;
  if (entry === null) {
    const claim = await (spec.claim?.() ?? storeClaim(context, spec));
    try {
      // Whoever had the claim before has made it, perhaps after it was looked for.
      found = await find(context, spec);
      entry = found ?? (await make(context, spec));
    } finally {
      await claim.end(entry !== null);
    }
  }
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

/** The claim of an output of which nothing is kept before it is whole. */
async function storeClaim(context: RunContext, spec: OutputSpec): Promise<OutputClaim> {
  try {
    const claim = await context.store.claim(spec.stage, spec.inputs, {
      signal: context.signal,
      onWait: (pid) => {
        reportWait(context, spec, pid);
      },
    });
    return { end: () => claim.releaseFolder() };
  } catch (error) {
    if (!(error instanceof CmcrError) || error.reason !== "IN_USE") throw error;
    // Whether a process of another machine is still there nobody can tell from here. Made twice it is the same.
    return { end: () => Promise.resolve() };
  }
}

/** Tells that another process makes an output, or another run of this one. */
export function reportWait({ report }: Pick<RunContext, "report">, { stage, output, unit }: Pick<OutputSpec, "stage" | "output" | "unit">, pid: number): void {
  if (pid !== process.pid) report({ event: "warning", message: `${output} is being made by process ${pid}; waiting for it` });
  else report({ event: "progress", stage, output, done: 0, total: null, unit, rate: null, secondsLeft: null, note: "waiting: another run makes it" });
}

async function find({ store, fresh, report, signal }: RunContext, { stage, inputs, confirm }: OutputSpec): Promise<StoreEntry | null> {
  if (fresh) return null;
  const onDamaged = ({ folder, problem }: DamagedEntry): void => {
    report({ event: "warning", message: `${folder} is damaged (${problem}); it is made again` });
  };
  const found = await store.find(stage, inputs, onDamaged, signal);
  if (found !== null) await confirm?.();
  return found;
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

/** The matrix of an entry whose facts have its rows and dimension; the rows are all items unless others are given. */
export function storedMatrix(entry: StoreEntry, kept?: KeptItems, regions: RegionLayout | null = null): StoredMatrix {
  const { rows, dim } = entry.manifest.facts;
  const file = entry.manifest.files[EMBEDDINGS];
  if (typeof rows !== "number" || typeof dim !== "number" || file === undefined) {
    throw dataError(`${entry.folder} does not describe its matrix. Remove it; it is made again.`, { reason: "CORRUPT", path: entry.folder });
  }
  return { path: entry.path(EMBEDDINGS), sha256: file.sha256, rows, dim, entry, kept: kept ?? allItems(rows), regions };
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
