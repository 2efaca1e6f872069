import { readFile } from "node:fs/promises";

import type { RemoteTensor } from "../../bridge/types.js";
import type { CompiledRetrieval } from "../../config/compiled.js";
import type { RetrievalExample } from "../../evaluate/metricsFile.js";
import type { Relevance } from "../../evaluate/relevance.js";
import { NAMES } from "./encode.js";
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

/** Names of a view's items for people, or null where they have none. */
async function itemNames({ run: { experiment, worker }, table }: MethodContext, view: CompiledRetrieval["query"]): Promise<readonly string[] | null> {
  const { rows, entry } = table.get(view);
  const source = experiment.data[view.data]?.source ?? null;
  if (rows > MOST_NAMES) return null;
  if (source?.type === "builtin") return (await worker.encoders.describeGenerated(source, rows)).captions;
  if (!(NAMES in entry.manifest.files)) return null;
  return JSON.parse(await readFile(entry.path(NAMES), "utf8")) as readonly string[];
}
