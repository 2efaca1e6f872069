import { bytesOf, float32Of, float32OfBytes, uint32Of, uint32OfTensor } from "./arrays.js";
import { DEADLINE_MS, readAll, unary } from "./calls.js";
import type { Channel } from "./connection.js";
import { CmcrError, EXIT } from "../errors.js";
import type { OnProgress, Relevance, RemoteTensor, ScoreBlock } from "./types.js";
import { RetrievalServiceClient } from "./gen/cmcr/v1/retrieval.js";

/** Groups that one request names: 12 bytes each, so that its message stays far below the channel's limit. */
const GROUPS_PER_REQUEST = 1 << 20;

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

  /**
   * Scores of chosen queries with a run of gallery rows each: group i is the query row
   * `queryRows[i]` with the gallery rows `starts[i]` to `ends[i] - 1`. All groups' scores, one
   * after the other; a group may be empty, and groups may overlap.
   */
  async scoreGroups(queries: RemoteTensor, gallery: RemoteTensor, queryRows: Uint32Array, starts: Uint32Array, ends: Uint32Array): Promise<Float32Array> {
    if (starts.length !== queryRows.length || ends.length !== queryRows.length) {
      throw new Error(`${queryRows.length} queries, ${starts.length} starts and ${ends.length} ends of groups`);
    }
    const total = starts.reduce((sum, start, group) => sum + Math.max(0, (ends[group] ?? 0) - start), 0);
    const scores = new Float32Array(total);
    let filled = 0;
    for (let from = 0; from < queryRows.length; from += GROUPS_PER_REQUEST) {
      const part = (array: Uint32Array): Buffer => bytesOf(array.subarray(from, from + GROUPS_PER_REQUEST));
      const request = { queries: queries.handle, gallery: gallery.handle, queryRows: part(queryRows), starts: part(starts), ends: part(ends) };
      await readAll(
        this.channel.context,
        "ScoreGroups",
        (metadata, options) => this.#client.scoreGroups(request, metadata, options),
        (message) => {
          const block = float32OfBytes(message.scores);
          if (filled + block.length > total) throw wrongCount(total, filled + block.length);
          scores.set(block, filled);
          filled += block.length;
        },
      );
    }
    if (filled !== total) throw wrongCount(total, filled);
    return scores;
  }
}

function wrongCount(expected: number, found: number): CmcrError {
  return new CmcrError(`the worker sent ${found} values where ${expected} were expected`, { code: EXIT.worker, reason: "MALFORMED_ANSWER" });
}
