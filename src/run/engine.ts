import { join, resolve } from "node:path";

import { InterruptedError, WorkerLostError } from "../bridge/errors.js";
import type { Worker } from "../bridge/worker.js";
import type { CompiledExperiment } from "../config/compiled.js";
import type { MetricsFile } from "../evaluate/metricsFile.js";
import { fileSha256 } from "../store/checksums.js";
import { writeFileWhole } from "../store/files.js";
import { Store } from "../store/store.js";
import type { OutputRecord, RunContext } from "./context.js";
import type { Reporter, Stage } from "./events.js";
import { RUN_FILES, RunFolder, seedFile } from "./folder.js";
import { ItemLists } from "./itemLists.js";
import { programVersion, type RunManifest, type StageRecord } from "./manifest.js";
import { writeResults } from "./results.js";
import { SkippedList } from "./skippedList.js";
import { connectStage } from "./stages/connect.js";
import { encodeStage, neededViews } from "./stages/encode.js";
import { enhanceStage, pairOutputs } from "./stages/enhance.js";
import { type Evaluation, evaluateStage, outcomeCount, readTruths } from "./stages/evaluate.js";
import { OpenTensors } from "./tensors.js";
import { experimentRoots, openWorker } from "./workers.js";

export interface RunOptions {
  readonly signal: AbortSignal;
  readonly report: Reporter;
  /** Make every output again, whatever the store has. */
  readonly fresh: boolean;
  /** A worker that is already there, and stays when the run ends; it may read the store and all that the experiment names. */
  readonly worker?: Worker;
}

/** A finished run. */
export interface RunResult {
  readonly folder: string;
  readonly metrics: MetricsFile;
}

/** Where the store of the runs in `out` is. */
export function storeFolder(out: string): string {
  return join(resolve(out), ".store");
}

/** Starts a run in a new folder of `out`. */
export async function startRun(
  experiment: CompiledExperiment,
  options: RunOptions & { readonly out: string; readonly name: string; readonly source: string },
): Promise<RunResult> {
  const folder = await RunFolder.create(options.out, options.name, options.source, experiment);
  return execute(folder, experiment, storeFolder(options.out), options);
}

/** Goes on with a run that was interrupted or has failed; whatever it finished is in the store. */
export async function resumeRun(path: string, options: RunOptions): Promise<RunResult> {
  const { folder, experiment } = await RunFolder.resume(path);
  return execute(folder, experiment, storeFolder(join(folder.path, "..")), options);
}

async function execute(folder: RunFolder, experiment: CompiledExperiment, storeRoot: string, options: RunOptions): Promise<RunResult> {
  const { report, signal } = options;
  const started = performance.now();
  const startedAt = new Date().toISOString();
  const log: string[] = [];
  report({ event: "run", run: folder.name, folder: folder.path });
  let worker: Worker | undefined;
  let lists: ItemLists | undefined;
  try {
    const store = await Store.open(storeRoot);
    worker = options.worker ?? await openWorker({
      settings: experiment.worker,
      roots: [store.root, ...experimentRoots(experiment)],
      signal,
      onLine: (line) => log.push(line),
    });
    const { info } = worker;
    report({
      event: "worker",
      device: info.device,
      deviceName: info.deviceName,
      torchVersion: info.torchVersion,
      threads: info.threads,
      pid: info.pid,
    });
    const records: OutputRecord[] = [];
    lists = new ItemLists({ manifests: store.manifests, worker, signal, report });
    const skipped = new SkippedList(folder.file("skipped"));
    const context: RunContext = { experiment, worker, store, signal, report, fresh: options.fresh, records, lists, skipped };
    const { evaluation, stages, trained } = await runStages(context, folder);
    const { metrics } = evaluation;
    const results = await writeResults(folder.path, evaluation);
    const names = [RUN_FILES.experiment, RUN_FILES.resolved, ...trained];
    const manifest: RunManifest = {
      schemaVersion: 1,
      run: folder.name,
      status: "complete",
      cmcr: await programVersion(),
      worker: info,
      seed: experiment.seed,
      seeds: experiment.seeds,
      startedAt,
      finishedAt: new Date().toISOString(),
      stages,
      outputs: records,
      files: { ...Object.fromEntries(await Promise.all(names.map(async (name) => [name, await fileSha256(join(folder.path, name))] as const))), ...results },
    };
    await writeFileWhole(folder.file("manifest"), `${JSON.stringify(manifest, null, 2)}\n`);
    await folder.setState("complete");
    report({ event: "metrics", metrics });
    report({ event: "done", run: folder.name, folder: folder.path, seconds: (performance.now() - started) / 1000 });
    return { folder: folder.path, metrics };
  } catch (error) {
    const interrupted = signal.aborted;
    const why = error instanceof Error ? error.message : String(error);
    // Where even that cannot be written, the first error tells more than the second.
    await folder.setState(interrupted ? "interrupted" : "failed", why).catch(() => undefined);
    if (interrupted) throw new InterruptedError(folder.path);
    throw error instanceof WorkerLostError ? new WorkerLostError(`${error.message}\nGo on with: cmcr run --resume ${folder.path}`, error) : error;
  } finally {
    await lists?.close();
    if (options.worker === undefined) await worker?.close();
    await folder.log(log);
  }
}

interface Finished {
  readonly evaluation: Evaluation;
  readonly stages: readonly StageRecord[];
  /** What the trainings left in the run's folder, relative to it. */
  readonly trained: readonly string[];
}

async function runStages(context: RunContext, folder: RunFolder): Promise<Finished> {
  const { experiment, worker } = context;
  const stages: StageRecord[] = [];
  const stage = async <T>(name: Stage, outputs: number, work: () => Promise<T>): Promise<T> => {
    context.report({ event: "stage", stage: name, outputs });
    const began = performance.now();
    const before = context.records.length;
    const result = await work();
    const made = context.records.slice(before);
    const record = {
      stage: name,
      seconds: (performance.now() - began) / 1000,
      made: made.filter(({ fromStore }) => !fromStore).length,
      fromStore: made.filter(({ fromStore }) => fromStore).length,
    };
    stages.push(record);
    context.report({ event: "stage-end", ...record });
    return result;
  };

  const tensors = new OpenTensors(worker);
  const table = await stage("encode", neededViews(experiment).length, () => encodeStage(context));
  const truths = await readTruths({ run: context, table });
  const pseudo = await stage("enhance", pairOutputs(experiment), () => enhanceStage(context, table, tensors));
  const connected = await stage("connect", experiment.seeds.length, () => connectStage(context, table, pseudo, tensors));
  const trained: string[] = [];
  for (const { seed, entry } of connected) {
    for (const name of ["projectors", "train"] as const) {
      const place = seedFile(name, experiment, seed);
      await folder.take(place, entry.path(RUN_FILES[name]));
      trained.push(place);
    }
  }
  const projectors = connected.map(({ seed, entry }) => ({ seed, path: entry.path(RUN_FILES.projectors), sha256: entry.manifest.files[RUN_FILES.projectors]?.sha256 ?? "" }));
  const evaluation = await stage("evaluate", outcomeCount(experiment), () =>
    evaluateStage(context, { run: folder.name, table, pseudo: pseudo.get(experiment.seed) ?? null, tensors, truths, projectors }),
  );
  // A worker that outlives the run would keep them.
  await tensors.release();
  return { evaluation, stages, trained };
}
