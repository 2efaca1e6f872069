import type { ItemBatch } from "../bridge/types.js";
import type { Json } from "../store/checksums.js";

/** Why an item has no row. */
export interface UnreadableItem {
  /** Its number in the collection, counted from 0. */
  readonly item: number;
  /** Stable, upper-case, such as `DATA_CORRUPT`. */
  readonly reason: string;
  /** In one sentence. */
  readonly message: string;
}

/** Who an item is, for people and for what is written beside its row. */
export interface ItemInfo {
  readonly item: number;
  /** Unique in its collection and the same at every reading. */
  readonly id: string;
  /** What people call it: the text itself, or its id. */
  readonly name: string;
  /** The file that it lies in; null for texts of a list and generated items. */
  readonly file: string | null;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Consecutive items `from` to `to - 1`. */
export interface ItemRange {
  readonly from: number;
  readonly to: number;
}

/** Consecutive items that go through the encoder together, as far as they can be read. */
export interface ItemRun extends ItemRange {
  /** Null where not one can be read. */
  readonly batch: ItemBatch | null;
  /** Number of each item of the batch. */
  readonly items: readonly number[];
  /** Items that are left out of the batch. */
  readonly unreadable: readonly UnreadableItem[];
  /** Items of the batch that can no longer be read: they are sent without bytes, so that they fail, and this is why. */
  readonly spoilt: readonly UnreadableItem[];
}

/**
 * How the worker gets the items: `paths` of files that it reads itself, or their
 * `bytes`, where it shares no files with us.
 */
export type ItemTransport = "paths" | "bytes";

/** The items of a collection: how many, in which order, and what makes them the same items again. */
export interface ItemList {
  readonly count: number;
  /** All that the items' content depends on, wherever it lies; part of the key of their embeddings. */
  readonly identity: Json;
  /** Folders that the worker must be allowed to read. */
  readonly roots: readonly string[];
  /** Attributes that each item has. */
  readonly attributes: readonly string[];
  /** Whether items have names; those of a generator have their number alone. */
  readonly named: boolean;
  /** Whether the items are still those that `identity` says; nothing may be kept before it is known. */
  confirm(): Promise<boolean>;
  /** How many items of a range are known to be unreadable. */
  unreadableIn(range: ItemRange): number;
  /** The items of a range in runs of at most `size`, the first one beginning at `from`; read ahead of their use. */
  runs(range: ItemRange, size: number, transport: ItemTransport): AsyncIterable<ItemRun>;
  /** Who the items of a range are, in order and block by block. */
  describe(range: ItemRange): AsyncIterable<readonly ItemInfo[]>;
  /** Lets go of open files. */
  close(): Promise<void>;
}

/** Cuts a range into consecutive ones of at most `size`. */
export function* cut({ from, to }: ItemRange, size: number): Generator<ItemRange> {
  for (let start = from; start < to; start += size) yield { from: start, to: Math.min(to, start + size) };
}

/** Items that lie closer are read in one go. */
const NEAR = 2048;

/** Who the items with these numbers are, in the order of the numbers, which must ascend. */
export async function describeItems(list: ItemList, items: readonly number[]): Promise<readonly ItemInfo[]> {
  const found: ItemInfo[] = [];
  for (let start = 0; start < items.length; ) {
    let end = start + 1;
    while (end < items.length && (items[end] ?? 0) - (items[end - 1] ?? 0) < NEAR) end += 1;
    const wanted = new Set(items.slice(start, end));
    for await (const block of list.describe({ from: items[start] ?? 0, to: (items[end - 1] ?? 0) + 1 })) {
      found.push(...block.filter(({ item }) => wanted.has(item)));
    }
    start = end;
  }
  return found;
}
