import type { CompiledSource, Modality } from "../../config/compiled.js";
import type { GeneratedDescription, GeneratedSource, ItemBatch } from "../../bridge/types.js";
import type { Json } from "../../store/checksums.js";

/** The items of a collection: how many, in which order, and what makes them the same items again. */
export interface ItemList {
  readonly count: number;
  /** All that the items' content depends on; part of the key of their embeddings. */
  readonly identity: Json;
  /** A name for each item, or null where their number says all. */
  readonly names: readonly string[] | null;
  /** Folders that the worker must be allowed to read. */
  readonly roots: readonly string[];
  /** The items from first to last in batches. */
  batches(size: number): Iterable<ItemBatch>;
}

/** What a source may ask of its surroundings. */
export interface SourceContext {
  readonly modality: Modality;
  /** The field that names the source, for messages. */
  readonly place: string;
  readonly describeGenerated: (source: GeneratedSource, count: number) => Promise<GeneratedDescription>;
  readonly signal: AbortSignal | undefined;
}

/** Lists the items of one type of source. Rejects with exit 3 when there are none, or they cannot be read. */
export type SourceReader<T extends CompiledSource["type"]> = (
  source: Extract<CompiledSource, { readonly type: T }>,
  context: SourceContext,
) => Promise<ItemList>;

/** Cuts `count` items into consecutive runs of at most `size`. */
export function* runs(count: number, size: number): Generator<{ readonly start: number; readonly end: number }> {
  for (let start = 0; start < count; start += size) yield { start, end: Math.min(count, start + size) };
}
