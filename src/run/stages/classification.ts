import type { RemoteTensor } from "../../bridge/types.js";
import type { CompiledClassification } from "../../config/compiled.js";
import { itemOfRows } from "../../data/keptItems.js";
import { inOneNumbering, type Labels } from "../../data/labels.js";
import { type ClassOutcomes, classColumns, classOutcomes } from "../../evaluate/classification.js";
import { compareClassification, requireItems } from "../../evaluate/compare.js";
import { arraysSha256 } from "../../store/checksums.js";
import { viewLabels, withLeftOut } from "./itemsOfViews.js";
import type { Outcomes, TaskKind, TruthContext } from "./taskKind.js";
import { taskViews } from "./taskViews.js";

/** The classes of a task, and the class of each item. */
interface ClassificationTruth {
  /** The label of each class, ascending; a class is a place in it, and a column of the scores. */
  readonly labels: Int32Array;
  /** What each class is called, where its labels have names. */
  readonly names: readonly string[] | null;
  /** The class of each prompt. */
  readonly ofPrompt: Uint32Array;
  /** The class of each item. */
  readonly ofItem: Uint32Array;
}

/**
 * Zero-shot classification. Outcomes: `ranks`, the rank of each item's class, and
 * `predicted`, the class that it is taken for.
 */
export const classificationKind: TaskKind<CompiledClassification, ClassificationTruth> = {
  version: 1,
  views: taskViews,

  async truth(context, task) {
    const own = await viewLabels(context, task.query);
    const prompts = await promptLabels(context, task);
    const [items, given] = inOneNumbering(own, prompts);
    const labels = Int32Array.from(new Set(given.values)).sort();
    const truth = {
      labels,
      names: namesOf(labels, given, items),
      ofPrompt: classColumns(given.values, labels, `data.${task.classes.data}.labels`),
      ofItem: classColumns(items.values, labels, `data.${task.query.data}.labels`),
    };
    requireItems(task.name, truth.ofItem.length);
    return truth;
  },

  identity: ({ labels, ofPrompt, ofItem }) => ({ classes: labels.length, prompts: arraysSha256(ofPrompt), items: arraysSha256(ofItem) }),

  async measure({ run: { worker }, tensors, table }, task, { labels, ofPrompt, ofItem }, { there }) {
    const held: RemoteTensor[] = [];
    const hold = async (making: Promise<RemoteTensor>): Promise<RemoteTensor> => {
      const tensor = await making;
      held.push(tensor);
      return tensor;
    };
    const average = (tensor: RemoteTensor) => hold(worker.tensors.average(tensor, ofPrompt, labels.length, "memory"));
    const items = await hold(there.embed(task.query));
    // A head has BatchNorm and ReLU in it, so the order of averaging and projecting matters.
    const prompts =
      task.average === "projected"
        ? await average(await hold(there.embed(task.classes)))
        : await hold(there.embedTensor(task.classes, await average(await tensors.get(table.get(task.classes)))));
    const ranks = new Uint32Array(ofItem.length);
    const predicted = new Uint32Array(ofItem.length);
    await worker.retrieval.score(items, prompts, ({ firstRow, rows, scores }) => {
      const block = classOutcomes({ rows, columns: prompts.rows, data: scores }, ofItem.subarray(firstRow, firstRow + rows), task.name, firstRow);
      ranks.set(block.ranks, firstRow);
      predicted.set(block.predicted, firstRow);
    });
    await worker.tensors.release(...held);
    return { ranks, predicted };
  },

  compare: ({ name, ks, bootstrap }, { labels, names, ofItem }, methods) =>
    compareClassification({
      name,
      truth: ofItem,
      classes: { labels, names },
      methods: methods.map((method) => (method.kind === "prior" ? { kind: "chance", name: method.name } : { kind: "scored", name: method.name, seeds: method.seeds.map(outcomesOfClasses) })),
      ks,
      bootstrap,
    }),

  finish: (context, task, _truth, metrics) => Promise.resolve(withLeftOut(context, metrics, task.query, task.classes)),
};

function outcomesOfClasses({ ranks, predicted }: Outcomes): ClassOutcomes {
  if (!(ranks instanceof Uint32Array) || !(predicted instanceof Uint32Array)) throw new Error("these are no outcomes of classification");
  return { ranks, predicted };
}

/** The label of each prompt: prompts of one label make one class. Without labels each item is a class of its own, by its number. */
async function promptLabels(context: TruthContext, task: CompiledClassification): Promise<Labels> {
  if (context.run.experiment.data[task.classes.data]?.labels == null) {
    return { values: Int32Array.from(itemOfRows(context.table.get(task.classes).kept)), names: null };
  }
  return viewLabels(context, task.classes);
}

/** Names of the classes: those of the prompts' labels, else of the items'. */
function namesOf(labels: Int32Array, prompts: Labels, items: Labels): readonly string[] | null {
  const names = prompts.names ?? items.names;
  return names === null ? null : Array.from(labels, (label) => names[label] ?? String(label));
}
