import { readFile } from "node:fs/promises";

import type { RemoteConnector } from "../../bridge/types.js";
import type { CompiledExperiment, CompiledTask } from "../../config/compiled.js";
import { dataError } from "../../errors.js";
import { type BootstrapFile, taskBootstrap } from "../../evaluate/bootstrapFile.js";
import { type ConfusionFile, placeConfusion } from "../../evaluate/confusionFile.js";
import { type Compared, type MetricsFile, metricsFile } from "../../evaluate/metricsFile.js";
import { fileSha256 } from "../../store/checksums.js";
import type { RunContext } from "../context.js";
import type { OpenTensors } from "../tensors.js";
import { inOrder } from "../turns.js";
import { classificationKind } from "./classification.js";
import { counterfactualKind } from "./counterfactual.js";
import type { EmbeddingTable } from "./encode.js";
import type { PseudoPairs } from "./enhance.js";
import { localizationKind } from "./localization.js";
import { type MethodContext, projectorMethod } from "./methods.js";
import { baselineToMeasure, isPrior, type MethodToMeasure, outcomesOf, takeInHand, type TaskInHand } from "./outcomes.js";
import { retrievalKind } from "./retrieval.js";
import type { CountedContext, MeasuredMethod, TaskKind, TruthContext } from "./taskKind.js";

/** What evaluates each kind of task; a kind without a line here does not compile. */
const TASK_KINDS: Readonly<Record<CompiledTask["task"], TaskKind>> = {
  retrieval: kindOfTask("retrieval", retrievalKind),
  classification: kindOfTask("classification", classificationKind),
  localization: kindOfTask("localization", localizationKind),
  counterfactual: kindOfTask("counterfactual", counterfactualKind),
};

/** A kind without its types: it sees tasks of its own name alone, and of truths those that it has read itself. */
function kindOfTask<Name extends CompiledTask["task"], Truth>(_name: Name, kind: TaskKind<Extract<CompiledTask, { readonly task: Name }>, Truth>): TaskKind {
  return kind as unknown as TaskKind;
}

/** Methods in hand at a time: one is with the worker while another is looked for or written down. */
const AT_ONCE = 2;

/** What the projectors are called among the methods. */
const OWN = "cmcr";

/** Task name to what its kind holds the items against. */
export type Truths = ReadonlyMap<string, unknown>;

/** Reads every task's labels and lists. Exit 3 when one does not fit its items. */
export async function readTruths(context: TruthContext): Promise<Truths> {
  const truths = new Map<string, unknown>();
  for (const task of context.run.experiment.evaluate) truths.set(task.name, await TASK_KINDS[task.task].truth(context, task));
  return truths;
}

/** Refuses what cannot fit a task's items whichever of them can be read; `whole` as for a kind's own. Exit 3. */
export function checkTruth(context: CountedContext, task: CompiledTask, whole: boolean): Promise<void> {
  return TASK_KINDS[task.task].before(context, task, whole);
}

/** How many outcomes the evaluation stage makes or takes. */
export function outcomeCount({ evaluate, seeds }: Pick<CompiledExperiment, "evaluate" | "seeds">): number {
  return evaluate.reduce((sum, { baselines }) => sum + seeds.length + baselines.filter((baseline) => !isPrior(baseline)).length, 0);
}

/** A seed's projectors.safetensors. */
export interface SeededProjectors {
  readonly seed: number;
  readonly path: string;
  readonly sha256: string;
}

/** What the evaluation needs beside the run's context. */
export interface EvaluationInputs {
  readonly run: string;
  readonly table: EmbeddingTable;
  /** What baselines are fitted on: the first seed's. */
  readonly pseudo: PseudoPairs;
  readonly tensors: OpenTensors;
  readonly truths: Truths;
  /** Those of the first seed first. */
  readonly projectors: readonly SeededProjectors[];
}

/** What the evaluation came to: the content of three files. */
export interface Evaluation {
  readonly metrics: MetricsFile;
  readonly bootstrap: BootstrapFile;
  /** Of the tasks with too many classes for metrics.json. */
  readonly confusion: ConfusionFile;
}

/** Evaluates every task by the projectors of each seed and by each of its baselines. */
export async function evaluateStage(run: RunContext, inputs: EvaluationInputs): Promise<Evaluation> {
  const { experiment, worker } = run;
  const context: MethodContext = { run, table: inputs.table, pseudo: inputs.pseudo, tensors: inputs.tensors };
  const opened = new Map<number, Promise<RemoteConnector>>();
  const open = (projectors: SeededProjectors): Promise<RemoteConnector> => {
    const known = opened.get(projectors.seed) ?? load(run, projectors);
    opened.set(projectors.seed, known);
    return known;
  };
  const results: TaskResult[] = [];
  for (const task of experiment.evaluate) {
    const kind = TASK_KINDS[task.task];
    const inHand = await takeInHand(run, context, kind, task, inputs.truths.get(task.name));
    const toMeasure = task.baselines.filter((baseline) => !isPrior(baseline)).map((baseline) => baselineToMeasure(context, kind, task, baseline));
    const all = [...inputs.projectors.map((seeded) => projectorsToMeasure(inHand, seeded, inputs.projectors.length, open)), ...toMeasure];
    const outcomes = await inOrder(all.map((method) => () => outcomesOf(inHand, method)), AT_ONCE);
    const own = outcomes.slice(0, inputs.projectors.length);
    const ofBaselines = new Map(toMeasure.map(({ name }, index) => [name, outcomes.slice(own.length + index, own.length + index + 1)]));
    const methods: MeasuredMethod[] = [{ kind: "measured", name: OWN, seeds: own }];
    for (const baseline of task.baselines) {
      const { name } = baseline;
      methods.push(isPrior(baseline) ? { kind: "prior", name, baseline } : { kind: "measured", name, seeds: ofBaselines.get(name) ?? [] });
    }
    const compared = kind.compare(task, inHand.truth, methods);
    const [first] = own;
    const finished = first === undefined ? undefined : await kind.finish?.(context, task, inHand.truth, compared.metrics, first);
    results.push({ compared: { ...compared, metrics: finished ?? compared.metrics }, truth: inHand.truthSha256 });
  }
  for (const connector of opened.values()) await worker.connectors.release(await connector);
  return evaluation(inputs.run, inputs.projectors.map(({ seed }) => seed), results);
}

interface TaskResult {
  readonly compared: Compared;
  /** SHA-256 of what its items are held against. */
  readonly truth: string;
}

function evaluation(run: string, seeds: readonly number[], results: readonly TaskResult[]): Evaluation {
  const placed = results.map(({ compared }) => placeConfusion(compared));
  return {
    metrics: metricsFile(run, seeds, placed.map(({ metrics }) => metrics)),
    bootstrap: {
      schemaVersion: 1,
      run,
      seeds,
      tasks: Object.fromEntries(results.map(({ compared: { metrics, replicates }, truth }) => [metrics.name, taskBootstrap(metrics, truth, replicates)])),
    },
    confusion: { schemaVersion: 1, run, tasks: Object.fromEntries(placed.flatMap(({ metrics, apart }) => (apart === null ? [] : [[metrics.name, apart]]))) },
  };
}

/** The projectors of one of so many seeds. */
function projectorsToMeasure({ context }: TaskInHand, seeded: SeededProjectors, seeds: number, open: (projectors: SeededProjectors) => Promise<RemoteConnector>): MethodToMeasure {
  return {
    name: seeds === 1 ? OWN : `${OWN}, seed ${seeded.seed}`,
    identity: { projectors: seeded.sha256 },
    open: async () => ({ there: projectorMethod(context, await open(seeded)), back: null }),
  };
}

async function load({ worker }: RunContext, { path, sha256 }: SeededProjectors): Promise<RemoteConnector> {
  if ((await fileSha256(path)) !== sha256) {
    throw dataError(`${path} does not match its checksum; it was changed or damaged. Run the experiment again.`, { reason: "CORRUPT", path });
  }
  return worker.connectors.loadProjectors(await readFile(path));
}
