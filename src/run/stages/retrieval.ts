import { readFile } from "node:fs/promises";

import type { RemoteTensor } from "../../bridge/types.js";
import type { CompiledRetrieval, CompiledView } from "../../config/compiled.js";
import { itemOfRows } from "../../data/keptItems.js";
import { inOneNumbering } from "../../data/labels.js";
import { dataError } from "../../errors.js";
import { compareRetrieval, requireRelevant } from "../../evaluate/compare.js";
import { type Relevance, relevanceFromLabels, relevanceFromLists, relevanceFromRows, restrictRelevance, reverseRelevance } from "../../evaluate/relevance.js";
import { arraysSha256 } from "../../store/checksums.js";
import { exampleColumns, retrievalExamples } from "./examples.js";
import { viewLabels, withLeftOut } from "./itemsOfViews.js";
import type { Method } from "./methods.js";
import type { CountedContext, Outcomes, TaskKind } from "./taskKind.js";
import { taskViews } from "./taskViews.js";

/** What belongs to what, both ways round. */
interface RetrievalTruth {
  readonly forward: Relevance;
  readonly reverse: Relevance;
}

/**
 * Retrieval both ways round. Outcomes: `forward` and `reverse`, the ranks of the relevant
 * items laid out as the columns of the truth; `found`, the best columns of a few queries.
 */
export const retrievalKind: TaskKind<CompiledRetrieval, RetrievalTruth> = {
  version: 1,
  views: taskViews,

  async truth(context, task) {
    const forward = await taskRelevance(context, task);
    requireRelevant(task.name, forward);
    return { forward, reverse: reverseRelevance(forward) };
  },

  async before(context, task) {
    requireRelevant(task.name, await taskRelevance(context, task));
  },

  identity: ({ forward }) => ({ relevance: arraysSha256(forward.offsets, forward.columns) }),

  async measure({ run: { worker } }, task, truth, { there, back }) {
    const held: RemoteTensor[] = [];
    const embed = async (method: Method, view: CompiledView): Promise<RemoteTensor> => {
      const tensor = await method.embed(view);
      held.push(tensor);
      return tensor;
    };
    const queries = await embed(there, task.query);
    const gallery = await embed(there, task.gallery);
    const forward = await worker.retrieval.rank(queries, gallery, truth.forward);
    const found = await exampleColumns(worker, queries, gallery);
    const returning = await back?.();
    const reverse =
      returning === undefined
        ? await worker.retrieval.rank(gallery, queries, truth.reverse)
        : await worker.retrieval.rank(await embed(returning, task.gallery), await embed(returning, task.query), truth.reverse);
    await worker.tensors.release(...held);
    await returning?.release();
    return { forward, reverse, found };
  },

  compare: ({ name, ks, bootstrap }, { forward }, methods) =>
    compareRetrieval({
      name,
      relevance: forward,
      methods: methods.map((method) => (method.kind === "prior" ? { kind: "chance", name: method.name } : { kind: "ranked", name: method.name, seeds: method.seeds.map(ranksOf) })),
      ks,
      bootstrap,
    }),

  async finish(context, task, { forward }, metrics, { found }) {
    const examples = found instanceof Uint32Array ? await retrievalExamples(context, task, forward, found) : [];
    const complete = withLeftOut(context, metrics, task.query, task.gallery);
    return examples.length === 0 ? complete : { ...complete, examples };
  },
};

function ranksOf({ forward, reverse }: Outcomes): { readonly forward: Uint32Array; readonly reverse: Uint32Array } {
  if (!(forward instanceof Uint32Array) || !(reverse instanceof Uint32Array)) throw new Error("these are no outcomes of retrieval");
  return { forward, reverse };
}

/**
 * Which gallery rows are relevant to each query's row. Rows and files name items by their number
 * in the source, whichever of them could be read. Exit 3 when labels or lists do not fit the items.
 */
async function taskRelevance(context: CountedContext, task: CompiledRetrieval): Promise<Relevance> {
  const { kept: queries } = context.table.get(task.query);
  const { kept: gallery } = context.table.get(task.gallery);
  const place = `evaluate.${task.name}.relevance`;
  const restrict = (relevance: Relevance): Relevance => restrictRelevance(relevance, itemOfRows(queries), itemOfRows(gallery));
  switch (task.relevance.kind) {
    case "rows":
      return restrict(relevanceFromRows(queries.count, gallery.count, place));
    case "file":
      return restrict(relevanceFromLists(await readLists(task.relevance.path), queries.count, gallery.count, task.relevance.path));
    case "labels": {
      const [asked, found] = inOneNumbering(await viewLabels(context, task.query), await viewLabels(context, task.gallery));
      return relevanceFromLabels(asked.values, found.values, place);
    }
  }
}

/** The content of a JSON file of lists. Exit 3 when it is missing or no JSON. */
export async function readLists(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw dataError(`${path} cannot be read. Does it exist?`, { reason: "DATA_MISSING", path, cause });
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw dataError(`${path} is not JSON (${cause instanceof Error ? cause.message : "unreadable"}). Write one list for each item.`, {
      reason: "CORRUPT",
      path,
      cause,
    });
  }
}
