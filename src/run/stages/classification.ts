import type { RemoteTensor } from "../../bridge/types.js";
import type { CompiledClassification, CompiledView } from "../../config/compiled.js";
import { itemOfRows } from "../../data/keptItems.js";
import { describeItems } from "../../data/itemList.js";
import { inOneNumbering, type Labels } from "../../data/labels.js";
import { type CmcrError, dataError } from "../../errors.js";
import { type ClassOutcomes, classColumns, classOutcomes } from "../../evaluate/classification.js";
import { compareClassification, requireItems } from "../../evaluate/compare.js";
import { arraysSha256 } from "../../store/checksums.js";
import { viewLabels, withLeftOut } from "./itemsOfViews.js";
import type { CountedContext, Outcomes, TaskKind } from "./taskKind.js";
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
    const { items, given } = await labelsOfBoth(context, task);
    const labels = Int32Array.from(new Set(given.values)).sort();
    await requireClasses(context, task, items, given);
    const truth = {
      labels,
      names: namesOf(labels, given, items),
      ofPrompt: classColumns(given.values, labels, `data.${task.classes.data}.labels`),
      ofItem: classColumns(items.values, labels, `data.${task.query.data}.labels`),
    };
    requireItems(task.name, truth.ofItem.length);
    return truth;
  },

  async before(context, task, whole) {
    const { items, given } = await labelsOfBoth(context, task);
    requireItems(task.name, items.values.length);
    if (whole) await requireClasses(context, task, items, given);
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

/** Labels of the items and of the prompts, in one numbering where both have names. */
async function labelsOfBoth(context: CountedContext, task: CompiledClassification): Promise<{ readonly items: Labels; readonly given: Labels }> {
  const own = await viewLabels(context, task.query);
  const [items, given] = inOneNumbering(own, await promptLabels(context, task));
  return { items, given };
}

/** Classes that an error names. */
const NAMED = 10;

/** Rejects (exit 3) with the first item of a class that no prompt has. */
async function requireClasses(context: CountedContext, task: CompiledClassification, items: Labels, given: Labels): Promise<void> {
  const classes = new Set(given.values);
  const row = items.values.findIndex((label) => !classes.has(label));
  if (row < 0) return;
  const item = itemOfRows(context.table.get(task.query).kept)[row] ?? row;
  throw unknownClass(task, `item ${await itemName(context, task.query, item)} of data.${task.query.data}`, items.values[row] ?? -1, items, given, context.run.experiment.data[task.classes.data]?.labels == null);
}

function unknownClass({ query, classes }: CompiledClassification, item: string, label: number, items: Labels, given: Labels, numbered: boolean): CmcrError {
  const known = Array.from(new Set(given.values)).sort((a, b) => a - b);
  const byName = items.names !== null && given.names !== null;
  const shown = known.slice(0, NAMED).map((one) => (byName ? (given.names[one] ?? String(one)) : String(one)));
  const more = known.length > NAMED ? ` and ${known.length - NAMED} more` : "";
  const own = items.names?.[label];
  const what = byName ? `is of class ${JSON.stringify(own ?? String(label))}` : `has the label ${label}${own === undefined ? "" : ` (${JSON.stringify(own)})`}`;
  const remedy = byName
    ? `Add a prompt of that class to data.${classes.data}, spelt as data.${query.data}.labels spells it, or leave such items out.`
    : numbered
      ? `Without data.${classes.data}.labels each of its items is a class of its own, numbered from 0: give it labels, or a prompt for each class.`
      : `Number the labels of both alike, or take those of both from an attribute with the classes' names.`;
  return dataError(`data.${query.data}.labels: ${item} ${what}, which no prompt of data.${classes.data} has (they have: ${shown.join(", ")}${more}). ${remedy}`, {
    reason: "LABELS_INVALID",
    path: `data.${query.data}.labels`,
  });
}

/** The id of an item of a source that is listed and whose items have one, else its number. */
async function itemName({ run: { experiment, lists } }: CountedContext, { data, space }: CompiledView, item: number): Promise<string> {
  const collection = experiment.data[data];
  const listed = collection?.labels?.kind === "attribute" || collection?.embeddings[space] === undefined;
  if (collection === undefined || collection.source === null || !listed) return `${item} (counted from 0)`;
  const list = await lists.get(collection);
  if (!list.named || item >= list.count) return `${item} (counted from 0)`;
  return (await describeItems(list, [item]))[0]?.id ?? String(item);
}

/** The label of each prompt: prompts of one label make one class. Without labels each item is a class of its own, by its number. */
async function promptLabels(context: CountedContext, task: CompiledClassification): Promise<Labels> {
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
