import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

import type { RemoteConnector } from "../../bridge/types.js";
import type { CompiledTask, CompiledView } from "../../config/compiled.js";
import { dataError } from "../../errors.js";
import { requireRelevant } from "../../evaluate/compare.js";
import { type MetricsFile, metricsFile, type TaskMetrics } from "../../evaluate/metricsFile.js";
import { fileSha256, type Json, textSha256 } from "../../store/checksums.js";
import { writeFileWhole } from "../../store/files.js";
import { produce, type RunContext } from "../context.js";
import type { OpenTensors } from "../tensors.js";
import { evaluateClassification, taskTruth } from "./classification.js";
import type { EmbeddingTable } from "./encode.js";
import type { PseudoPairs } from "./enhance.js";
import { viewLabels } from "./itemsOfViews.js";
import type { MethodContext } from "./methods.js";
import { evaluateRetrieval, taskRelevance } from "./retrieval.js";

/** Raised when the evaluation would give other numbers than before. */
const EVALUATION_VERSION = 1;
const TASK_FILE = "task.json";

type Evaluator<T extends CompiledTask> = (
  context: MethodContext,
  task: T,
  projectors: RemoteConnector,
  seed: number,
  onMethod: (done: number, total: number) => void,
) => Promise<TaskMetrics>;

interface TaskKind<T extends CompiledTask> {
  readonly evaluate: Evaluator<T>;
  /** Finds what is wrong with a task's labels or lists, before hours of training and not after. */
  readonly check: (context: Pick<MethodContext, "run" | "table">, task: T) => Promise<unknown>;
}

/** What evaluates each kind of task; a kind without a line here does not compile. */
const TASK_KINDS: { readonly [K in CompiledTask["task"]]: TaskKind<Extract<CompiledTask, { readonly task: K }>> } = {
  retrieval: { evaluate: evaluateRetrieval, check: async (context, task) => { requireRelevant(task.name, await taskRelevance(context, task)); } },
  classification: { evaluate: evaluateClassification, check: taskTruth },
};

/** Reads every task's labels and lists. Exit 3 when one does not fit its items. */
export async function checkTasks(context: Pick<MethodContext, "run" | "table">): Promise<void> {
  for (const task of context.run.experiment.evaluate) await (TASK_KINDS[task.task] as TaskKind<CompiledTask>).check(context, task);
}

/** What the evaluation needs beside the run's context. */
export interface EvaluationInputs {
  readonly run: string;
  readonly table: EmbeddingTable;
  readonly pseudo: PseudoPairs;
  readonly tensors: OpenTensors;
  /** Path and checksum of projectors.safetensors. */
  readonly projectors: { readonly path: string; readonly sha256: string };
}

/** Evaluates every task by the projectors and by each of its baselines. */
export async function evaluateStage(context: RunContext, inputs: EvaluationInputs): Promise<MetricsFile> {
  const { experiment, worker } = context;
  let loaded: Promise<RemoteConnector> | undefined;
  const projectors = (): Promise<RemoteConnector> => (loaded ??= load(context, inputs.projectors));
  const tasks: TaskMetrics[] = [];
  for (const task of experiment.evaluate) {
    const entry = await produce(context, {
      stage: "evaluate",
      output: task.name,
      unit: "methods",
      inputs: await taskInputs(context, inputs, task),
      async make(pending, meter) {
        const method: MethodContext = { run: context, table: inputs.table, pseudo: inputs.pseudo, tensors: inputs.tensors };
        const { evaluate } = TASK_KINDS[task.task] as TaskKind<CompiledTask>;
        const metrics = await evaluate(method, task, await projectors(), experiment.seed, (done, total) => {
          meter.update(done, total);
        });
        await writeFileWhole(pending.file(TASK_FILE), `${JSON.stringify(metrics, null, 2)}\n`);
        return { files: [TASK_FILE], facts: {} };
      },
    });
    tasks.push(JSON.parse(await readFile(entry.path(TASK_FILE), "utf8")) as TaskMetrics);
  }
  if (loaded !== undefined) await worker.connectors.release(await loaded);
  return metricsFile(inputs.run, experiment.seed, tasks);
}

async function load({ worker }: RunContext, { path, sha256 }: EvaluationInputs["projectors"]): Promise<RemoteConnector> {
  if ((await fileSha256(path)) !== sha256) {
    throw dataError(`${path} does not match its checksum; it was changed or damaged. Run the experiment again.`, { reason: "CORRUPT", path });
  }
  return worker.connectors.loadProjectors(await readFile(path));
}

async function taskInputs(context: RunContext, { table, pseudo, projectors }: EvaluationInputs, task: CompiledTask): Promise<Json> {
  const { experiment, worker, signal } = context;
  const { connect } = experiment;
  const views = [task.query, task.task === "retrieval" ? task.gallery : task.classes];
  const labels = async (view: CompiledView): Promise<Json> => {
    const { labels: given = null, source = null } = experiment.data[view.data] ?? {};
    if (given === null) return null;
    if (given.kind === "file") return fileSha256(given.path, signal);
    if (source?.type === "builtin") return given.attribute;
    const { values, names } = await viewLabels({ run: context, table }, view);
    return { attribute: given.attribute, values: createHash("sha256").update(values).digest("hex"), names };
  };
  return {
    version: EVALUATION_VERSION,
    task: task as unknown as Json,
    seed: experiment.seed,
    projectors: projectors.sha256,
    views: views.map((view) => table.get(view).sha256),
    skipped: views.map((view) => textSha256(table.get(view).kept.skipped.join())),
    labels: await Promise.all(views.map(labels)),
    relevance: task.task === "retrieval" && task.relevance.kind === "file" ? await fileSha256(task.relevance.path, signal) : null,
    overlap: connect.method === "imported" ? [] : connect.sides.map(({ space }) => table.get({ data: connect.overlap, space }).sha256),
    memories: connect.method === "imported" ? [] : connect.sides.map(({ space, memory }) => table.get({ data: memory, space }).sha256),
    pseudo: pseudo?.map(({ sha256 }) => sha256) ?? null,
    torch: worker.info.torchVersion,
    device: worker.info.device.replace(/:\d+$/, ""),
  };
}

