import { baselines } from "../../config/baselines.js";
import type { CompiledBaseline, CompiledTask, CompiledView } from "../../config/compiled.js";
import { pathText } from "../../config/mistake.js";
import { namedFiles } from "../../config/namedFiles.js";
import { readNpy } from "../../data/npy.js";
import { NpyFile } from "../../data/npyFile.js";
import type { RegionLayout } from "../../data/regions.js";
import { dataError } from "../../errors.js";
import { arraysSha256, canonicalJson, fileSha256, type Json, textSha256 } from "../../store/checksums.js";
import type { StoreEntry } from "../../store/store.js";
import { produce, type RunContext } from "../context.js";
import { Turns } from "../turns.js";
import { baselineIdentity, baselineMethod, type MethodContext } from "./methods.js";
import type { MethodPair, Outcomes, TaskKind } from "./taskKind.js";

/** Raised when outcomes would be others than before whatever the kind of task. */
const OUTCOMES_VERSION = 1;
const ARRAY_FILE = ".npy";

/** A task as it is about to be measured. */
export interface TaskInHand {
  readonly run: RunContext;
  readonly context: MethodContext;
  readonly kind: TaskKind;
  readonly task: CompiledTask;
  readonly truth: unknown;
  /** All that outcomes depend on beside the method. */
  readonly subject: Readonly<Record<string, Json>>;
  /** SHA-256 of what the items are held against, whatever embeds them. */
  readonly truthSha256: string;
  /** Methods go through the worker one after the other: each may need as much memory as there is. */
  readonly turns: Turns;
}

/** Gathers what the outcomes of every method on a task depend on. */
export async function takeInHand(run: RunContext, context: MethodContext, kind: TaskKind, task: CompiledTask, truth: unknown): Promise<TaskInHand> {
  const views = kind.views(task).map((view) => ({ view, matrix: context.table.get(view) }));
  const items = views.map(({ matrix: { kept } }) => ({ items: kept.count, skipped: textSha256(kept.skipped.join()) }));
  const identity = kind.identity(truth, task);
  const subject = {
    kind: "outcomes",
    version: OUTCOMES_VERSION,
    task: measuredFields(task),
    kindVersion: kind.version,
    views: views.map(({ view, matrix }) => ({ space: view.space, sha256: matrix.sha256, regions: matrix.regions === null ? null : layoutSha256(matrix.regions) })),
    items,
    truth: identity,
    truthFiles: await truthFiles(run, task, kind.views(task)),
    torch: run.worker.info.torchVersion,
    device: run.worker.info.device.replace(/:\d+$/, ""),
  };
  return { run, context, kind, task, truth, subject, truthSha256: textSha256(canonicalJson({ task: task.task, items, identity })), turns: new Turns() };
}

/** A method that is measured with the worker's help. */
export interface MethodToMeasure {
  /** Such as `cmcr`, for people. */
  readonly name: string;
  /** All that tells it from other methods: part of the key. */
  readonly identity: Json;
  /** Called only when its outcomes are not in the store. */
  readonly open: () => Promise<MethodPair>;
}

/** The outcomes of one method on a task, from the store or measured now. */
export async function outcomesOf({ run, context, kind, task, truth, subject, turns }: TaskInHand, method: MethodToMeasure): Promise<Outcomes> {
  const entry = await produce(run, {
    stage: "evaluate",
    output: `${task.name} by ${method.name}`,
    unit: "methods",
    inputs: { ...subject, method: method.identity },
    async make(pending) {
      const outcomes = await turns.take(async () => {
        const opened = await method.open();
        try {
          return await kind.measure(context, task, truth, opened);
        } finally {
          await opened.there.release();
        }
      });
      for (const [name, array] of Object.entries(outcomes)) await writeArray(pending.file(`${name}${ARRAY_FILE}`), array);
      return { files: Object.keys(outcomes).map((name) => `${name}${ARRAY_FILE}`), facts: {} };
    },
  });
  return readOutcomes(entry);
}

/** A baseline as it is measured: fitted from the query's space into the other one, and on demand the other way. */
export function baselineToMeasure(context: MethodContext, kind: TaskKind, task: CompiledTask, baseline: CompiledBaseline): MethodToMeasure {
  const views = kind.views(task);
  const [from, to] = views.map(({ space }) => space);
  if (from === undefined || to === undefined) throw new Error(`${task.name} does not compare two views`);
  return {
    name: baseline.name,
    identity: { baseline: baselineIdentity(context, baseline, views) },
    open: async () => ({ there: await baselineMethod(context, baseline, from, to), back: () => baselineMethod(context, baseline, to, from) }),
  };
}

/** Whether a baseline's metrics are expected values, for which nothing is measured. */
export function isPrior({ method }: CompiledBaseline): boolean {
  return baselines.get(method).computed === "expectation";
}

/** A task without what changes no outcome: its name, the cut-offs, what it is compared with, the intervals. */
function measuredFields({ name: _name, ks: _ks, baselines: _baselines, bootstrap: _bootstrap, ...fields }: CompiledTask): Json {
  return fields as unknown as Json;
}

/** Checksums of the users' files that the truth was read from, by field: the manifest tells of every input. */
async function truthFiles({ experiment, signal }: Pick<RunContext, "experiment" | "signal">, task: CompiledTask, views: readonly CompiledView[]): Promise<Json> {
  const wanted = task.task === "localization" || task.task === "counterfactual" ? "boxes" : task.task === "retrieval" ? task.relevance.kind : "labels";
  const index = experiment.evaluate.findIndex(({ name }) => name === task.name);
  const sums: Record<string, Json> = {};
  for (const { path, field, use } of namedFiles(experiment)) {
    const ofView = (use.kind === "labels" || use.kind === "boxes") && use.kind === wanted && views.some(({ data }) => data === use.collection);
    const ofTask = use.kind === "relevance" && field[1] === index;
    if (ofView || ofTask) sums[ofTask ? "relevance" : pathText(field)] = await fileSha256(path, signal);
  }
  return sums;
}

function layoutSha256({ offsets, boxes, grid }: RegionLayout): string {
  const shape = Uint32Array.of(grid?.rows ?? 0, grid?.columns ?? 0);
  return arraysSha256(shape, offsets, Float64Array.from(boxes.flat()));
}

/** Writes an array into a folder that nobody sees yet, and whose files are synced once they are all there. */
async function writeArray(path: string, array: Uint32Array | Float64Array): Promise<void> {
  const file = await NpyFile.create(path, array instanceof Uint32Array ? "uint32" : "float64", [array.length]);
  try {
    await file.append(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  } finally {
    await file.close();
  }
}

async function readOutcomes(entry: StoreEntry): Promise<Outcomes> {
  const outcomes: Record<string, Uint32Array | Float64Array> = {};
  for (const file of Object.keys(entry.manifest.files)) {
    const { data } = await readNpy(entry.path(file));
    if (!(data instanceof Uint32Array) && !(data instanceof Float64Array)) {
      throw dataError(`${entry.path(file)} holds no outcomes. Remove ${entry.folder}; it is made again.`, { reason: "CORRUPT", path: entry.folder });
    }
    outcomes[file.slice(0, -ARRAY_FILE.length)] = data;
  }
  return outcomes;
}
