import { bytesOf, float32Of, uint32Of, uint32OfTensor } from "./arrays.js";
import { DEADLINE_MS, readAll, unary } from "./calls.js";
import type { Channel } from "./connection.js";
import { CmcrError, EXIT } from "../errors.js";
import type { OnProgress, Relevance, RemoteTensor, ScoreBlock } from "./types.js";
import { RetrievalServiceClient } from "./gen/cmcr/v1/retrieval.js";

/** Similarities, computed where the matrices are. */
export class RetrievalClient {
  readonly #client: RetrievalServiceClient;
  constructor(private readonly channel: Channel) {
    this.#client = channel.client(RetrievalServiceClient);
  }

  /**
   * 1-based ranks of each query's relevant items, ascending within the query, laid out
   * as `relevance.columns`; among equal scores a relevant item counts as ranked last.
   */
  async rank(queries: RemoteTensor, gallery: RemoteTensor, relevance: Relevance, onProgress: OnProgress = () => undefined): Promise<Uint32Array> {
    const ranks = new Uint32Array(relevance.columns.length);
    let filled = 0;
    const request = {
      queries: queries.handle,
      gallery: gallery.handle,
      offsets: bytesOf(relevance.offsets),
      columns: bytesOf(relevance.columns),
    };
    await readAll(
      this.channel.context,
      "Rank",
      (metadata, options) => this.#client.rank(request, metadata, options),
      (message) => {
        const block = uint32Of(message.ranks);
        if (filled + block.length > ranks.length) throw wrongCount(ranks.length, filled + block.length);
        ranks.set(block, filled);
        filled += block.length;
        onProgress(message.queriesDone, queries.rows);
      },
    );
    if (filled !== ranks.length) throw wrongCount(ranks.length, filled);
    return ranks;
  }

  /** The k best gallery rows of the query rows named (all when empty), (n, k) row-major, best first. */
  async topK(queries: RemoteTensor, gallery: RemoteTensor, k: number, rows: readonly number[] = []): Promise<{ indices: Uint32Array; scores: Float32Array; k: number }> {
    const answer = await unary(this.channel.context, "TopK", DEADLINE_MS.work, this.#client.topK.bind(this.#client), {
      queries: queries.handle,
      gallery: gallery.handle,
      k,
      rows: [...rows],
    });
    if (answer.indices === undefined || answer.scores === undefined) throw wrongCount(k, 0);
    const [count = 0, kept = 0] = answer.indices.shape;
    const indices = uint32OfTensor(answer.indices);
    const scores = float32Of(answer.scores);
    const expected = (rows.length === 0 ? queries.rows : rows.length) * Math.min(k, gallery.rows);
    if (count * kept !== expected || indices.length !== expected || scores.length !== expected) throw wrongCount(expected, scores.length);
    return { indices, scores, k: kept };
  }

  /** The whole score matrix, block by block. */
  async score(queries: RemoteTensor, gallery: RemoteTensor, onBlock: (block: ScoreBlock) => void): Promise<void> {
    let firstRow = 0;
    await readAll(
      this.channel.context,
      "Score",
      (metadata, options) => this.#client.score({ queries: queries.handle, gallery: gallery.handle }, metadata, options),
      ({ scores }) => {
        if (scores === undefined) throw wrongCount(queries.rows, firstRow);
        const [rows = 0, columns = 0] = scores.shape;
        const values = float32Of(scores);
        if (columns !== gallery.rows || values.length !== rows * columns) throw wrongCount(rows * gallery.rows, values.length);
        onBlock({ firstRow, rows, scores: values });
        firstRow += rows;
      },
    );
    if (firstRow !== queries.rows) throw wrongCount(queries.rows, firstRow);
  }
}

function wrongCount(expected: number, found: number): CmcrError {
  return new CmcrError(`the worker sent ${found} values where ${expected} were expected`, { code: EXIT.worker, reason: "MALFORMED_ANSWER" });
}
