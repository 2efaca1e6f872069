import type { RemoteTensor } from "../../bridge/types.js";
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

/**
 * What a few queries found, where items have names. The queries are spread evenly
 * over all of them, not chosen by how well they did.
 */
export async function retrievalExamples(
  context: MethodContext,
  task: CompiledRetrieval,
  relevance: Relevance,
  queries: RemoteTensor,
  gallery: RemoteTensor,
): Promise<readonly RetrievalExample[]> {
  const queryNames = await itemNames(context, task.query);
  const galleryNames = await itemNames(context, task.gallery);
  if (queryNames === null || galleryNames === null) return [];
  const rows = Array.from({ length: Math.min(EXAMPLES, queries.rows) }, (_, i) => Math.floor((i * queries.rows) / EXAMPLES));
  const { indices, k } = await context.run.worker.retrieval.topK(queries, gallery, BEST, [...new Set(rows)]);
  return [...new Set(rows)].map((row, index) => {
    const relevant = new Set(relevance.columns.subarray(relevance.offsets[row], relevance.offsets[row + 1]));
    return {
      query: queryNames[row] ?? "",
      found: Array.from(indices.subarray(index * k, (index + 1) * k), (column) => ({
        item: galleryNames[column] ?? "",
        relevant: relevant.has(column),
      })),
    };
  });
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
