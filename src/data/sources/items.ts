import type { CompiledSource, Modality } from "../../config/compiled.js";
import type { GeneratedDescription, GeneratedSource, ItemBatch, MediaPart } from "../../bridge/types.js";
import type { Json } from "../../store/checksums.js";

/** One item as its source names it, before its manifest gives it a checksum. */
export interface SourceItem {
  /** Unique in its collection and the same at every reading, such as a relative path, or a tar's name and a key. */
  readonly id: string;
  readonly content:
    | { readonly kind: "text"; readonly text: string }
    /** An absolute path; `range` is a run of bytes in it, such as a member of an uncompressed tar. */
    | { readonly kind: "file"; readonly path: string; readonly range?: { readonly offset: number; readonly length: number } };
  /** Which part of a recording; without it all. */
  readonly part?: Partial<MediaPart>;
  /** What is known of it, such as its class, by the names that `ItemSource.attributes` lists. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Something in a source that a user should know of, and that did not stop the reading. */
export interface Oddity {
  /** Such as `EMPTY_CAPTION`. */
  readonly reason: string;
  /** The file and line, or the item. */
  readonly place: string;
  readonly message: string;
}

/** The items of a source that names them one by one. */
export interface ItemSource {
  /** All but the items' contents that determines which items there are: type and options, no absolute path. */
  readonly identity: Json;
  /** Absolute folders that the worker must be allowed to read. */
  readonly roots: readonly string[];
  /** Attributes that each item has, such as `class`. */
  readonly attributes: readonly string[];
  /**
   * A short text that changes whenever `scan` could give other items, though not when the items'
   * own files change: sizes and times of lists, tables and tars, times of folders. Made at every
   * start, so it must be quick: no file is read.
   */
  fingerprint(): Promise<string>;
  /** The items in order, as a stream: memory stays flat whatever their number. */
  scan(onOddity: (oddity: Oddity) => void): AsyncIterable<SourceItem>;
}

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
