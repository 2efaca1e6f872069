import type { Modality } from "../config/compiled.js";
import { type DescribedRow, writeClipRetrieval } from "../data/clipRetrieval/write.js";
import type { ItemList } from "../data/itemList.js";

/** Layouts that embeddings can be written in: the store's own, or clip-retrieval's. */
export const FORMATS = ["store", "clip-retrieval"] as const;
export type Format = (typeof FORMATS)[number];

export interface EncodedItems {
  readonly items: ItemList;
  /** Numbers of the items that have no row. */
  readonly skipped: readonly number[];
  readonly modality: Modality;
  /** The .npy with a row for each of the others. */
  readonly embeddings: string;
}

/** Writes embedded items into an empty folder as clip-retrieval lays them out: texts with their captions, attributes as metadata. */
export async function writeItemsAsClipRetrieval({ items, skipped, modality, embeddings }: EncodedItems, folder: string, signal: AbortSignal): Promise<void> {
  const left = new Set(skipped);
  async function* rows(): AsyncGenerator<DescribedRow> {
    for await (const block of items.describe({ from: 0, to: items.count })) {
      for (const { item, id, name, attributes } of block) if (!left.has(item)) yield { id, caption: modality === "text" ? name : null, attributes };
    }
  }
  await writeClipRetrieval({ folder, modality, embeddings, rows: rows(), attributes: items.attributes, signal });
}
