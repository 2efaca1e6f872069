import type { RemoteTensor } from "../../bridge/types.js";
import type { Worker } from "../../bridge/worker.js";
import type { CompiledRetrieval } from "../../config/compiled.js";
import { itemOfRows } from "../../data/keptItems.js";
import type { RetrievalExample } from "../../evaluate/metricsFile.js";
import type { Relevance } from "../../evaluate/relevance.js";
import { namesOf } from "../encodedFiles.js";
import type { MethodContext } from "./methods.js";

const EXAMPLES = 3;
const BEST = 3;
/** Beyond this, fetching everybody's name to show a few is not worth it. */
const MOST_NAMES = 100_000;

/** The best columns of a few queries, those of one query after the other's. They are spread evenly over all queries, not chosen by how well they did. */
export async function exampleColumns(worker: Pick<Worker, "retrieval">, queries: RemoteTensor, gallery: RemoteTensor): Promise<Uint32Array> {
  const { indices } = await worker.retrieval.topK(queries, gallery, BEST, exampleRows(queries.rows));
  return indices;
}

/**
 * What a few queries found, where items have names.
 *
 * @param found of `exampleColumns`
 */
export async function retrievalExamples(
  context: MethodContext,
  task: CompiledRetrieval,
  relevance: Relevance,
  found: Uint32Array,
): Promise<readonly RetrievalExample[]> {
  const queryNames = await itemNames(context, task.query);
  const galleryNames = await itemNames(context, task.gallery);
  if (queryNames === null || galleryNames === null) return [];
  const rows = exampleRows(relevance.queries);
  const k = found.length / rows.length;
  return rows.map((row, index) => {
    const relevant = new Set(relevance.columns.subarray(relevance.offsets[row], relevance.offsets[row + 1]));
    return {
      query: queryNames[row] ?? "",
      found: Array.from(found.subarray(index * k, (index + 1) * k), (column) => ({
        item: galleryNames[column] ?? "",
        relevant: relevant.has(column),
      })),
    };
  });
}

function exampleRows(queries: number): readonly number[] {
  return [...new Set(Array.from({ length: Math.min(EXAMPLES, queries) }, (_, i) => Math.floor((i * queries) / EXAMPLES)))];
}

/** Names of the items of a view's rows for people, or null where they have none. */
async function itemNames({ run: { experiment, worker }, table }: MethodContext, view: CompiledRetrieval["query"]): Promise<readonly string[] | null> {
  const { rows, entry, kept } = table.get(view);
  const source = experiment.data[view.data]?.source ?? null;
  if (rows > MOST_NAMES) return null;
  if (source?.type !== "builtin") return namesOf(entry);
  const { captions } = await worker.encoders.describeGenerated(source, kept.count);
  return Array.from(itemOfRows(kept), (item) => captions[item] ?? "");
}
