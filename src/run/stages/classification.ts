import type { RemoteConnector, RemoteTensor } from "../../bridge/types.js";
import type { CompiledClassification } from "../../config/compiled.js";
import { itemOfRows } from "../../data/keptItems.js";
import { inOneNumbering, type Labels } from "../../data/labels.js";
import { type ClassOutcomes, classColumns, classOutcomes } from "../../evaluate/classification.js";
import { type ClassificationMethod, compareClassification } from "../../evaluate/compare.js";
import type { TaskMetrics } from "../../evaluate/metricsFile.js";
import { viewLabels, withLeftOut } from "./itemsOfViews.js";
import { baselineMethod, type Method, type MethodContext, projectorMethod } from "./methods.js";

/** The classes of a task: the label of each, and the class that each prompt belongs to. */
interface Classes {
  readonly labels: Int32Array;
  readonly ofPrompt: Uint32Array;
}

/** Zero-shot classification of the items by the projectors and by each baseline. */
export async function evaluateClassification(
  context: MethodContext,
  task: CompiledClassification,
  projectors: RemoteConnector,
  seed: number,
  onMethod: (done: number, total: number) => void,
): Promise<TaskMetrics> {
  const { classes, truth } = await taskTruth(context, task);
  const total = task.baselines.length + 1;
  const outcomes = (method: Method) => outcomesOf(context, task, method, classes, truth);
  const methods: ClassificationMethod[] = [{ kind: "scored", name: "cmcr", outcomes: await outcomes(projectorMethod(context, projectors)) }];
  onMethod(1, total);
  for (const baseline of task.baselines) {
    if (baseline.method === "chance") methods.push({ kind: "chance", name: baseline.name });
    else {
      const method = await baselineMethod(context, baseline, task.query.space, task.classes.space);
      methods.push({ kind: "scored", name: baseline.name, outcomes: await outcomes(method) });
      await method.release();
    }
    onMethod(methods.length, total);
  }
  const { resamples } = task.bootstrap;
  const metrics = compareClassification({
    name: task.name,
    truth,
    classes: classes.labels.length,
    methods,
    ks: task.ks,
    bootstrap: { seed, resamples },
  });
  return withLeftOut(context, metrics, task.query, task.classes);
}

/** The classes, and the class of each item. Exit 3 when an item's label is none of the classes'. */
export async function taskTruth(context: Pick<MethodContext, "run" | "table">, task: CompiledClassification): Promise<{ readonly classes: Classes; readonly truth: Uint32Array }> {
  const own = await viewLabels(context, task.query);
  const prompts = await promptLabels(context, task);
  const [items, given] = inOneNumbering(own, prompts);
  const labels = Int32Array.from(new Set(given.values)).sort();
  const classes = { labels, ofPrompt: classColumns(given.values, labels, `data.${task.classes.data}.labels`) };
  return { classes, truth: classColumns(items.values, labels, `data.${task.query.data}.labels`) };
}

/** The label of each prompt: prompts of one label make one class. Without labels each item is a class of its own, by its number. */
async function promptLabels(context: Pick<MethodContext, "run" | "table">, task: CompiledClassification): Promise<Labels> {
  if (context.run.experiment.data[task.classes.data]?.labels == null) {
    return { values: Int32Array.from(itemOfRows(context.table.get(task.classes).kept)), names: null };
  }
  return viewLabels(context, task.classes);
}

async function outcomesOf(
  { run: { worker }, tensors, table }: MethodContext,
  task: CompiledClassification,
  method: Method,
  classes: Classes,
  truth: Uint32Array,
): Promise<ClassOutcomes> {
  const held: RemoteTensor[] = [];
  const hold = async (making: Promise<RemoteTensor>): Promise<RemoteTensor> => {
    const tensor = await making;
    held.push(tensor);
    return tensor;
  };
  const average = (tensor: RemoteTensor) => hold(worker.tensors.average(tensor, classes.ofPrompt, classes.labels.length, "memory"));
  const items = await hold(method.embed(task.query));
  // A head has BatchNorm and ReLU in it, so the order of averaging and projecting matters.
  const prompts =
    task.average === "projected"
      ? await average(await hold(method.embed(task.classes)))
      : await hold(method.embedTensor(task.classes, await average(await tensors.get(table.get(task.classes)))));
  const ranks = new Uint32Array(truth.length);
  const predicted = new Uint32Array(truth.length);
  await worker.retrieval.score(items, prompts, ({ firstRow, rows, scores }) => {
    const block = classOutcomes({ rows, columns: prompts.rows, data: scores }, truth.subarray(firstRow, firstRow + rows), task.name, firstRow);
    ranks.set(block.ranks, firstRow);
    predicted.set(block.predicted, firstRow);
  });
  await worker.tensors.release(...held);
  return { ranks, predicted };
}
