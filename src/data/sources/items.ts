import type { CompiledSource, Modality } from "../../config/compiled.js";
import type { MediaPart } from "../../bridge/types.js";
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

/** What a source may ask of its surroundings. */
export interface SourceContext {
  readonly modality: Modality;
  /** The field that names the source, for messages. */
  readonly place: string;
  readonly signal: AbortSignal | undefined;
}

/** Sources that name their items one by one; a generator's items follow from their numbers. */
export type ListedSource = Exclude<CompiledSource, { readonly type: "builtin" }>;

/** Opens one type of source, without reading its items. Rejects with exit 3 when it is not there. */
export type SourceReader<T extends ListedSource["type"]> = (
  source: Extract<ListedSource, { readonly type: T }>,
  context: SourceContext,
) => Promise<ItemSource>;
