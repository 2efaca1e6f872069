import { readFile } from "node:fs/promises";

import type { RemoteConnector, RemoteTensor } from "../../bridge/types.js";
import type { CompiledRetrieval } from "../../config/compiled.js";
import { itemOfRows } from "../../data/keptItems.js";
import { inOneNumbering } from "../../data/labels.js";
import { dataError } from "../../errors.js";
import { compareRetrieval, type RetrievalMethod } from "../../evaluate/compare.js";
import type { RetrievalExample, TaskMetrics } from "../../evaluate/metricsFile.js";
import { type Relevance, relevanceFromLabels, relevanceFromLists, relevanceFromRows, restrictRelevance, reverseRelevance } from "../../evaluate/relevance.js";
import { retrievalExamples } from "./examples.js";
import { viewLabels, withLeftOut } from "./itemsOfViews.js";
import { baselineMethod, type Method, type MethodContext, projectorMethod } from "./methods.js";

/** Retrieval both ways round, by the projectors and by each baseline. */
export async function evaluateRetrieval(
  context: MethodContext,
  task: CompiledRetrieval,
  projectors: RemoteConnector,
  seed: number,
  onMethod: (done: number, total: number) => void,
): Promise<TaskMetrics> {
  const relevance = await taskRelevance(context, task);
  const reversed = reverseRelevance(relevance);
  const total = task.baselines.length + 1;
  let examples: readonly RetrievalExample[] = [];
  const own = await bothWays(context, task, relevance, reversed, projectorMethod(context, projectors), null, async (queries, gallery) => {
    examples = await retrievalExamples(context, task, relevance, queries, gallery);
  });
  const methods: RetrievalMethod[] = [{ kind: "ranked", name: "cmcr", ...own }];
  onMethod(1, total);
  for (const baseline of task.baselines) {
    if (baseline.method === "chance") methods.push({ kind: "chance", name: baseline.name });
    else {
      // A baseline maps the query into the gallery's space, so each way has a map of its own.
      const there = await baselineMethod(context, baseline, task.query.space, task.gallery.space);
      const back = await baselineMethod(context, baseline, task.gallery.space, task.query.space);
      methods.push({ kind: "ranked", name: baseline.name, ...(await bothWays(context, task, relevance, reversed, there, back)) });
      await there.release();
      await back.release();
    }
    onMethod(methods.length, total);
  }
  const { resamples } = task.bootstrap;
  const metrics = compareRetrieval({ name: task.name, relevance, methods, ks: task.ks, bootstrap: { seed, resamples } });
  const complete = withLeftOut(context, metrics, task.query, task.gallery);
  return examples.length === 0 ? complete : { ...complete, examples };
}

async function bothWays(
  context: MethodContext,
  task: CompiledRetrieval,
  relevance: Relevance,
  reversed: Relevance,
  there: Method,
  back: Method | null,
  onEmbedded: (queries: RemoteTensor, gallery: RemoteTensor) => Promise<void> = () => Promise.resolve(),
): Promise<{ readonly forward: Uint32Array; readonly reverse: Uint32Array }> {
  const { worker } = context.run;
  const held: RemoteTensor[] = [];
  const embed = async (method: Method, view: CompiledRetrieval["query"]): Promise<RemoteTensor> => {
    const tensor = await method.embed(view);
    held.push(tensor);
    return tensor;
  };
  const queries = await embed(there, task.query);
  const gallery = await embed(there, task.gallery);
  const forward = await worker.retrieval.rank(queries, gallery, relevance);
  await onEmbedded(queries, gallery);
  const reverse =
    back === null
      ? await worker.retrieval.rank(gallery, queries, reversed)
      : await worker.retrieval.rank(await embed(back, task.gallery), await embed(back, task.query), reversed);
  await worker.tensors.release(...held);
  return { forward, reverse };
}

/**
 * Which gallery rows are relevant to each query's row. Rows and files name items by their number
 * in the source, whichever of them could be read. Exit 3 when labels or lists do not fit the items.
 */
export async function taskRelevance(context: Pick<MethodContext, "run" | "table">, task: CompiledRetrieval): Promise<Relevance> {
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
