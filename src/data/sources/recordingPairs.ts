import type { MediaPart } from "../../bridge/types.js";
import type { Modality } from "../../config/compiled.js";
import type { CompiledPairs, CompiledPart } from "../../config/compiledSource.js";
import type { Json } from "../../store/checksums.js";
import type { Row } from "../tables/row.js";

/** The column that rows of pairs have beside those of their list: the part's number from 1. */
export const SEGMENT = "segment";

/** Each row once for every pair that it gives. */
export async function* pairRows(rows: AsyncIterable<Row>, pairs: CompiledPairs | null): AsyncGenerator<Row> {
  if (pairs === null) {
    yield* rows;
    return;
  }
  for await (const row of rows) {
    for (let segment = 1; segment <= pairs.count; segment += 1) yield { ...row, values: new Map([...row.values, [SEGMENT, segment]]) };
  }
}

/** A run of seconds of a recording. */
export interface Seconds {
  readonly start: number;
  readonly seconds: number;
}

/**
 * The part of a recording that is its pair's `segment`, counted from 1: of sounds and videos one of `count` equal parts of
 * `whole`, of images a frame of it, its middle unless `frame` says otherwise.
 */
export function partOfPair(whole: Seconds, segment: number, count: number, modality: Modality, frame: CompiledPart["frame"]): Partial<MediaPart> {
  const seconds = whole.seconds / count;
  const start = whole.start + (segment - 1) * seconds;
  if (modality !== "image") return { startSeconds: start, durationSeconds: seconds };
  const { kind, at } = frame ?? { kind: "fraction", at: 0.5 };
  return { startSeconds: start + (kind === "fraction" ? at * seconds : at) };
}

/** Pairs as an identity has them. */
export function pairsJson({ count, of }: CompiledPairs): Json {
  return { count, of: of === null ? null : { ...of } };
}
