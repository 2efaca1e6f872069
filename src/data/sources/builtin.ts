import type { GeneratedDescription, GeneratedSource } from "../../bridge/types.js";
import type { CompiledSource } from "../../config/compiled.js";
import { usageError } from "../../errors.js";
import { cut, type ItemList } from "../itemList.js";

/** Who the items are is told in blocks of so many. */
const BLOCK = 1024;

/** Tells a generator's items; `count` of them, or only how many there are. */
export type DescribeGenerated = (source: GeneratedSource, count: number) => Promise<GeneratedDescription>;

/** Items that a generator of the worker makes: each follows from seed, split and number. */
export async function generatedItems(source: Extract<CompiledSource, { readonly type: "builtin" }>, place: string, describe: DescribeGenerated): Promise<ItemList> {
  const wire = { generator: source.generator, split: source.split, seed: source.seed };
  const { available, revision, attributes } = await describe(wire, 0);
  const count = source.count ?? available;
  if (count === null) {
    throw usageError(`${place}.count: the split "${source.split}" of "${source.generator}" has no end; say how many items to take.`, {
      reason: "MISSING_FIELD",
      path: `${place}.count`,
    });
  }
  if (available !== null && count > available) {
    throw usageError(`${place}.count: expected at most ${available}, the items of the split "${source.split}" of "${source.generator}"; found ${count}.`, {
      reason: "IMPOSSIBLE_VALUE",
      path: `${place}.count`,
    });
  }
  return {
    count,
    identity: { ...wire, count, revision },
    roots: [],
    attributes: attributes.map(({ name }) => name),
    named: false,
    confirm: () => Promise.resolve(true),
    unreadableIn: () => 0,
    async *runs(range, size) {
      for (const { from, to } of cut(range, size)) {
        const items = Array.from({ length: to - from }, (_, index) => from + index);
        yield await Promise.resolve({ from, to, batch: { kind: "generated", source: wire, start: from, count: to - from }, items, unreadable: [], spoilt: [] });
      }
    },
    async *describe(range) {
      for (const { from, to } of cut(range, BLOCK)) {
        yield await Promise.resolve(
          Array.from({ length: to - from }, (_, index) => {
            const id = `${source.split}:${from + index}`;
            return { item: from + index, id, name: id, file: null, attributes: {} };
          }),
        );
      }
    },
    close: () => Promise.resolve(),
  };
}
