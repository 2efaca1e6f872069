import type { ServerWritableStream } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";

import { bytesOf } from "../../../src/bridge/arrays.js";
import type { RankRequest, RankResponse, ScoreGroupsRequest, ScoreGroupsResponse, ScoreRequest, ScoreResponse, TopKRequest } from "../../../src/bridge/gen/cmcr/v1/retrieval.js";
import { ElementType, type Tensor } from "../../../src/bridge/gen/cmcr/v1/tensor.js";
import { RetrievalClient } from "../../../src/bridge/retrievalClient.js";
import type { ScoreBlock } from "../../../src/bridge/types.js";
import { failureOf } from "../../helpers/failures.js";
import { fakeWorker } from "./fakeWorker.js";

const QUERIES = { handle: "q", rows: 3, dim: 2 };
const GALLERY = { handle: "g", rows: 4, dim: 2 };
const RELEVANCE = { offsets: Uint32Array.of(0, 2, 2, 3), columns: Uint32Array.of(1, 3, 0) };

const floats = (shape: number[], values: number[]): Tensor => ({ dtype: ElementType.ELEMENT_TYPE_FLOAT32, shape, data: bytesOf(Float32Array.from(values)) });
const numbers = (shape: number[], values: number[]): Tensor => ({ dtype: ElementType.ELEMENT_TYPE_UINT32, shape, data: bytesOf(Uint32Array.from(values)) });

describe("ranks", () => {
  async function rank(blocks: readonly Buffer[], requests: RankRequest[] = []) {
    const progress: [number, number][] = [];
    const fake = await fakeWorker({
      retrieval: {
        rank: (call: ServerWritableStream<RankRequest, RankResponse>) => {
          requests.push(call.request);
          for (const [index, ranks] of blocks.entries()) call.write({ ranks, queriesDone: index + 1 });
          call.end();
        },
      },
    });
    const ranks = await new RetrievalClient(fake.channel()).rank(QUERIES, GALLERY, RELEVANCE, (done, total) => progress.push([done, total]));
    return { ranks, progress };
  }
  const block = (...ranks: number[]): Buffer => bytesOf(Uint32Array.from(ranks));

  it("of several blocks are put together", async () => {
    const requests: RankRequest[] = [];
    const { ranks, progress } = await rank([block(2, 4), block(), block(1)], requests);
    expect(ranks).toEqual(Uint32Array.of(2, 4, 1));
    expect(progress).toEqual([[1, 3], [2, 3], [3, 3]]);
    expect(requests).toEqual([{ queries: "q", gallery: "g", offsets: bytesOf(RELEVANCE.offsets), columns: bytesOf(RELEVANCE.columns) }]);
  });

  it.each([
    ["too few", [block(2, 4)], "MALFORMED_ANSWER"],
    ["none", [], "MALFORMED_ANSWER"],
    ["too many", [block(2, 4), block(1, 1)], "MALFORMED_ANSWER"],
    ["a part of one", [block(2, 4), block(1).subarray(1)], "MALFORMED_TENSOR"],
  ])("of which there are %s are refused", async (_, blocks, reason) => {
    expect(await failureOf(rank(blocks))).toMatchObject({ code: 4, reason });
  });
});

describe("the best matches", () => {
  async function topK(indices: Tensor | undefined, scores: Tensor | undefined, k: number, rows: readonly number[] = []) {
    const requests: TopKRequest[] = [];
    const fake = await fakeWorker({
      retrieval: {
        topK: (call, answer) => {
          requests.push(call.request);
          answer(null, { indices, scores });
        },
      },
    });
    return { ...(await new RetrievalClient(fake.channel()).topK(QUERIES, GALLERY, k, rows)), requests };
  }

  it("are k to a query, or as many as the gallery has", async () => {
    const three = await topK(numbers([3, 1], [1, 2, 3]), floats([3, 1], [0.5, 0.25, 1]), 1);
    expect(three).toMatchObject({ k: 1, indices: Uint32Array.of(1, 2, 3), scores: Float32Array.of(0.5, 0.25, 1) });
    const whole = await topK(numbers([1, 4], [3, 2, 1, 0]), floats([1, 4], [4, 3, 2, 1]), 9, [2]);
    expect(whole.k).toBe(4);
    expect(whole.requests).toEqual([{ queries: "q", gallery: "g", k: 9, rows: [2] }]);
  });

  it.each([
    ["without numbers", undefined, floats([3, 1], [1, 2, 3])],
    ["without scores", numbers([3, 1], [1, 2, 3]), undefined],
    ["of fewer queries", numbers([2, 1], [1, 2]), floats([2, 1], [1, 2])],
    ["of another k", numbers([3, 2], [1, 2, 3, 0, 1, 2]), floats([3, 2], [1, 2, 3, 4, 5, 6])],
    ["with more scores than numbers", numbers([3, 1], [1, 2, 3]), floats([3, 2], [1, 2, 3, 4, 5, 6])],
  ])("%s are refused", async (_, indices, scores) => {
    expect(await failureOf(topK(indices, scores, 1))).toMatchObject({ code: 4, reason: "MALFORMED_ANSWER" });
  });
});

describe("scores", () => {
  async function score(...blocks: readonly (Tensor | undefined)[]): Promise<ScoreBlock[]> {
    const fake = await fakeWorker({
      retrieval: {
        score: (call: ServerWritableStream<ScoreRequest, ScoreResponse>) => {
          for (const scores of blocks) call.write({ scores });
          call.end();
        },
      },
    });
    const seen: ScoreBlock[] = [];
    await new RetrievalClient(fake.channel()).score(QUERIES, GALLERY, (given) => seen.push(given));
    return seen;
  }

  it("come block by block, each with its first row", async () => {
    expect(await score(floats([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]), floats([1, 4], [9, 10, 11, 12]))).toEqual([
      { firstRow: 0, rows: 2, scores: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
      { firstRow: 2, rows: 1, scores: Float32Array.of(9, 10, 11, 12) },
    ]);
  });

  it.each([
    ["too few rows", [floats([2, 4], Array.from({ length: 8 }, () => 0))]],
    ["no rows", []],
    ["a message without scores", [undefined]],
    ["another gallery's columns", [floats([3, 5], Array.from({ length: 15 }, () => 0))]],
    ["a third dimension", [floats([3, 4, 2], Array.from({ length: 24 }, () => 0))]],
  ])("of %s are refused", async (_, blocks) => {
    expect(await failureOf(score(...blocks))).toMatchObject({ code: 4, reason: "MALFORMED_ANSWER" });
  });
});

describe("scores of groups", () => {
  const ROWS = Uint32Array.of(2, 0, 2);
  const STARTS = Uint32Array.of(1, 3, 0);
  const ENDS = Uint32Array.of(4, 3, 1);

  async function scoreGroups(blocks: readonly Buffer[], [rows, starts, ends] = [ROWS, STARTS, ENDS]) {
    const requests: ScoreGroupsRequest[] = [];
    const fake = await fakeWorker({
      retrieval: {
        scoreGroups: (call: ServerWritableStream<ScoreGroupsRequest, ScoreGroupsResponse>) => {
          requests.push(call.request);
          for (const scores of blocks) call.write({ scores, groupsDone: 0 });
          call.end();
        },
      },
    });
    const scores = await new RetrievalClient(fake.channel()).scoreGroups(QUERIES, GALLERY, rows, starts, ends);
    return { scores, requests };
  }
  const block = (...scores: number[]): Buffer => bytesOf(Float32Array.from(scores));

  it("come one after the other, whatever the blocks are", async () => {
    const { scores, requests } = await scoreGroups([block(0.5, 0.25), block(), block(-1, 2)]);
    expect(scores).toEqual(Float32Array.of(0.5, 0.25, -1, 2));
    expect(requests).toEqual([{ queries: "q", gallery: "g", queryRows: bytesOf(ROWS), starts: bytesOf(STARTS), ends: bytesOf(ENDS) }]);
  });

  it.each([
    ["too few", [block(1, 2, 3)], "MALFORMED_ANSWER"],
    ["too many", [block(1, 2, 3), block(4, 5)], "MALFORMED_ANSWER"],
    ["none", [], "MALFORMED_ANSWER"],
    ["a part of one", [block(1).subarray(2)], "MALFORMED_TENSOR"],
  ])("of which there are %s are refused", async (_, blocks, reason) => {
    expect(await failureOf(scoreGroups(blocks))).toMatchObject({ code: 4, reason });
  });

  it("of no groups ask nothing", async () => {
    const none = new Uint32Array(0);
    expect(await scoreGroups([], [none, none, none])).toEqual({ scores: new Float32Array(0), requests: [] });
  });

  it("of more groups than a message should carry come by several requests", async () => {
    const count = (1 << 20) + 1;
    const rows = new Uint32Array(count);
    // All are empty but the last of the first request, and the one of the second.
    const ends = new Uint32Array(count).fill(1, count - 2);
    const { scores, requests } = await scoreGroups([block(3)], [rows, new Uint32Array(count), ends]);
    expect(scores).toEqual(Float32Array.of(3, 3));
    expect(requests.map(({ queryRows }) => queryRows.length / 4)).toEqual([1 << 20, 1]);
  });

  it("need as many starts and ends as queries", async () => {
    await expect(scoreGroups([], [ROWS, STARTS.subarray(1), ENDS])).rejects.toThrow("3 queries, 2 starts and 3 ends");
  });
});
