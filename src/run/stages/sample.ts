import { deriveSeed, randomSource } from "../../connect/random.js";
import type { KeptItems } from "../../data/keptItems.js";

/**
 * The items of a sample of a collection, of those that have a row: which items are drawn depends
 * on the collection's size and the seed alone, so every space has the same ones. The first `count`
 * of one random order are taken, so that a smaller sample is part of a larger one.
 */
export function sampledItems(kept: KeptItems, { count, seed }: { readonly count: number; readonly seed: number }): KeptItems {
  if (count >= kept.count) return kept;
  const order = Uint32Array.from({ length: kept.count }, (_, item) => item);
  const random = randomSource(deriveSeed(seed, "sample"));
  for (let place = 0; place < count; place += 1) {
    const other = place + random.nextBelow(kept.count - place);
    const drawn = order[other] ?? 0;
    order[other] = order[place] ?? 0;
    order[place] = drawn;
  }
  const unread = new Set(kept.skipped);
  const left = order.subarray(count).filter((item) => !unread.has(item));
  return { count: kept.count, skipped: Array.from(new Set([...left, ...unread])).sort((a, b) => a - b), notDrawn: left.length };
}
