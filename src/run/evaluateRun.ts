import { basename, join, resolve } from "node:path";

import type { CompiledExperiment } from "../config/compiled.js";
import { loadExperiment } from "../config/load.js";
import { usageError } from "../errors.js";
import type { MetricsFile } from "../evaluate/metricsFile.js";
import { canonicalJson, type Json } from "../store/checksums.js";
import { writeFileWhole } from "../store/files.js";
import { Store } from "../store/store.js";
import type { RunContext } from "./context.js";
import { type RunOptions, storeFolder } from "./engine.js";
import { readCompleteRun, readRunFile, RUN_FILES } from "./folder.js";
import { ItemLists } from "./itemLists.js";
import type { RunManifest } from "./manifest.js";
import { type ProjectorsPath, projectorsOf } from "./projectorsFile.js";
import { mergedResults, writeResults } from "./results.js";
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
  /** Of a run with several: only the projectors of this seed. */
  readonly seed?: string | undefined;
}

/**
 * Evaluates the projectors of a finished run, those of every seed, and puts the
 * results among those of its metrics.json. Of one seed alone they are only reported:
 * beside means over all of them they would be taken for such. Exit 2 for an unknown
 * task or seed, and for a file that connects otherwise than the run did.
 */
export async function evaluateRun(path: string, options: EvaluateOptions): Promise<MetricsFile> {
  const { signal, report } = options;
  const folder = resolve(path);
  const run = await readCompleteRun(folder);
  const given = options.experiment === undefined ? run.experiment : await compatible(run.experiment, options.experiment);
  const manifest = await readRunFile<RunManifest>(folder, "manifest");
  const seeds = options.seed === undefined ? given.seeds.map(String) : [options.seed];
  const projectors: ProjectorsPath[] = [];
  for (const seed of seeds) projectors.push(await projectorsOf(folder, run.experiment, manifest, seed, signal));
  // Whose pseudo pairs baselines are fitted on does not depend on whose projectors are asked for.
  const experiment = { ...given, seeds: [given.seed], evaluate: chosen(given, options.tasks) };
  // Before anything is measured: the results of a damaged run have no place to go to.
  await readRunFile<MetricsFile>(folder, "metrics");

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
    const pseudo = (await enhanceStage(context, table, tensors)).get(given.seed) ?? null;
    const name = basename(folder);
    const evaluation = await evaluateStage(context, { run: name, table, pseudo, tensors, truths, projectors });
    const { metrics } = evaluation;
    const done = (): void => {
      report({ event: "metrics", metrics });
      report({ event: "done", run: name, folder, seconds: (performance.now() - started) / 1000 });
    };
    if (options.seed !== undefined) {
      done();
      return metrics;
    }
    const merged = await mergedResults(folder, evaluation);
    const { [RUN_FILES.confusion]: _confusion, ...before } = manifest.files;
    const files = { ...before, ...(await writeResults(folder, merged)) };
    await writeFileWhole(join(folder, RUN_FILES.manifest), `${JSON.stringify({ ...manifest, files }, null, 2)}\n`);
    done();
    return merged.metrics;
  } finally {
    await lists.close();
    await worker.close();
  }
}

async function compatible(run: CompiledExperiment, file: string): Promise<CompiledExperiment> {
  // The run has its projectors: where they once came from is of no matter.
  const { experiment } = await loadExperiment(file, { except: ["projectors"] });
  const essence = ({ connect, spaces, seeds, data }: CompiledExperiment): string => {
    // Imported projectors saw no data, and who embeds for them may change.
    if (connect.method === "imported") return canonicalJson({ preset: connect.preset, sides: connect.sides.map(({ space }) => space), seeds });
    return canonicalJson({
      connect: connect as unknown as Json,
      seeds,
      data: [connect.overlap, ...connect.sides.map(({ memory }) => memory)].map((name) => collectionEssence(data[name])),
      spaces: connect.sides.map(({ space }) => (spaces[space] ?? null) as unknown as Json),
    });
  };
  if (essence(experiment) !== essence(run)) {
    throw usageError(`${file} connects otherwise than the run did: seeds, spaces, connect and the data named in it must be the same. Run it as an experiment of its own.`, {
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
