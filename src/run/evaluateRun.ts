import { basename, join, resolve } from "node:path";

import type { CompiledExperiment } from "../config/compiled.js";
import { loadExperiment } from "../config/load.js";
import { dataError, usageError } from "../errors.js";
import type { MetricsFile } from "../evaluate/metricsFile.js";
import { canonicalJson, fileSha256, type Json } from "../store/checksums.js";
import { writeFileWhole } from "../store/files.js";
import { Store } from "../store/store.js";
import type { RunContext } from "./context.js";
import { type RunOptions, storeFolder } from "./engine.js";
import { readCompleteRun, readRunFile, RUN_FILES } from "./folder.js";
import { ItemLists } from "./itemLists.js";
import type { RunManifest } from "./manifest.js";
import { SkippedList } from "./skippedList.js";
import { encodeStage } from "./stages/encode.js";
import { enhanceStage } from "./stages/enhance.js";
import { evaluateStage, readTruths } from "./stages/evaluate.js";
import { OpenTensors } from "./tensors.js";
import { experimentRoots, openWorker } from "./workers.js";

export interface EvaluateOptions extends RunOptions {
  /** Names of the tasks; empty: all. */
  readonly tasks: readonly string[];
  /** A copy of the run's experiment file, with other data and tasks. */
  readonly experiment: string | undefined;
}

/**
 * Evaluates the projectors of a finished run, and puts the results among those of
 * its metrics.json. Exit 2 for an unknown task, and for a file that connects
 * otherwise than the run did.
 */
export async function evaluateRun(path: string, options: EvaluateOptions): Promise<MetricsFile> {
  const { signal, report } = options;
  const folder = resolve(path);
  const run = await readCompleteRun(folder);
  const given = options.experiment === undefined ? run.experiment : await compatible(run.experiment, options.experiment);
  const experiment = { ...given, evaluate: chosen(given, options.tasks) };
  const manifest = await readRunFile<RunManifest>(folder, "manifest");
  const before = await readRunFile<MetricsFile>(folder, "metrics");
  const projectors = join(folder, RUN_FILES.projectors);
  const sha256 = manifest.files[RUN_FILES.projectors] ?? "";
  if ((await fileSha256(projectors, signal)) !== sha256) {
    throw dataError(`${projectors} does not match the manifest; it was changed or damaged. Run the experiment again.`, { reason: "CORRUPT", path: projectors });
  }

  const started = performance.now();
  const store = await Store.open(storeFolder(join(folder, "..")));
  const worker = await openWorker({ settings: experiment.worker, roots: [store.root, ...experimentRoots(experiment)], signal });
  const lists = new ItemLists({ manifests: store.manifests, worker, signal, report });
  try {
    const skipped = new SkippedList(join(folder, RUN_FILES.skipped));
    const context: RunContext = { experiment, worker, store, signal, report, fresh: options.fresh, records: [], lists, skipped };
    const tensors = new OpenTensors(worker);
    const table = await encodeStage(context);
    const truths = await readTruths({ run: context, table });
    const pseudo = await enhanceStage(context, table, tensors);
    const name = basename(folder);
    const { metrics } = await evaluateStage(context, { run: name, table, pseudo, tensors, truths, projectors: [{ seed: experiment.seed, path: projectors, sha256 }] });
    const merged = merge(before, metrics);
    const text = `${JSON.stringify(merged, null, 2)}\n`;
    await writeFileWhole(join(folder, RUN_FILES.metrics), text);
    const files = { ...manifest.files, [RUN_FILES.metrics]: await fileSha256(join(folder, RUN_FILES.metrics)) };
    await writeFileWhole(join(folder, RUN_FILES.manifest), `${JSON.stringify({ ...manifest, files }, null, 2)}\n`);
    report({ event: "metrics", metrics });
    report({ event: "done", run: name, folder, seconds: (performance.now() - started) / 1000 });
    return merged;
  } finally {
    await lists.close();
    await worker.close();
  }
}

async function compatible(run: CompiledExperiment, file: string): Promise<CompiledExperiment> {
  // The run has its projectors: where they once came from is of no matter.
  const { experiment } = await loadExperiment(file, { except: ["projectors"] });
  const essence = ({ connect, spaces, seed, data }: CompiledExperiment): string => {
    // Imported projectors saw no data, and who embeds for them may change.
    if (connect.method === "imported") return canonicalJson({ preset: connect.preset, sides: connect.sides.map(({ space }) => space), seed });
    return canonicalJson({
      connect: connect as unknown as Json,
      seed,
      data: [connect.overlap, ...connect.sides.map(({ memory }) => memory)].map((name) => collectionEssence(data[name])),
      spaces: connect.sides.map(({ space }) => (spaces[space] ?? null) as unknown as Json),
    });
  };
  if (essence(experiment) !== essence(run)) {
    throw usageError(`${file} connects otherwise than the run did: seed, spaces, connect and the data named in it must be the same. Run it as an experiment of its own.`, {
      reason: "IMPOSSIBLE_VALUE",
      path: file,
    });
  }
  return experiment;
}

/** What determines a collection's rows. How many may be unreadable decides only whether it fails, and boxes are held against them. */
function collectionEssence(collection: CompiledExperiment["data"][string] | undefined): Json {
  if (collection === undefined) return null;
  const { unreadable: _unreadable, boxes: _boxes, ...essence } = collection;
  return essence as unknown as Json;
}

function chosen({ evaluate }: CompiledExperiment, names: readonly string[]): CompiledExperiment["evaluate"] {
  if (names.length === 0) return evaluate;
  const known = evaluate.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw usageError(`there is no task named "${unknown}". Known: ${known.join(", ")}.`, { reason: "UNKNOWN_NAME", path: "--task" });
  }
  return evaluate.filter(({ name }) => names.includes(name));
}

/** The old tasks in their order, those measured anew replaced, new ones at the end. */
function merge(old: MetricsFile, fresh: MetricsFile): MetricsFile {
  const anew = new Map(fresh.tasks.map((task) => [task.name, task]));
  const kept = old.tasks.map((task) => anew.get(task.name) ?? task);
  const added = fresh.tasks.filter(({ name }) => !old.tasks.some((task) => task.name === name));
  return { ...old, tasks: [...kept, ...added] };
}
