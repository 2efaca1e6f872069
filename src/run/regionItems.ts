import type { Item } from "../bridge/types.js";
import type { ItemList, ItemRun } from "../data/itemList.js";
import type { RegionPlan } from "./regionPlan.js";

/** Regions that one message carries: of about 30 bytes each, so that it stays far below the channel's limit. */
const MESSAGE_REGIONS = 500_000;

/** The same items, each sent with its regions. Those whose patches are embedded are sent as they are. */
export function itemsWithRegions(items: ItemList, plan: RegionPlan): ItemList {
  if (plan.patches !== null) return items;
  return {
    count: items.count,
    identity: items.identity,
    roots: items.roots,
    attributes: items.attributes,
    named: items.named,
    confirm: () => items.confirm(),
    unreadableIn: (range) => items.unreadableIn(range),
    async *runs(range, size, transport) {
      for await (const run of items.runs(range, size, transport)) yield* withRegions(run, plan);
    },
    describe: (range) => items.describe(range),
    close: () => items.close(),
  };
}

function* withRegions(run: ItemRun, plan: RegionPlan): Generator<ItemRun> {
  const { batch, items } = run;
  if (batch === null) {
    yield run;
    return;
  }
  switch (batch.kind) {
    case "items":
      for (const part of parts(run, batch.items, plan)) yield part;
      return;
    case "generated": {
      const [first] = items;
      if (first === undefined) throw new Error("a batch without an item");
      if (plan.same) {
        yield { ...run, batch: { ...batch, regions: plan.boxesOf(first) } };
        return;
      }
      // A run of generated items has the same regions on each: where they differ, each is a run.
      for (const [index, item] of items.entries()) {
        yield { ...run, from: item, to: item + 1, items: [item], batch: { ...batch, start: batch.start + index, count: 1, regions: plan.boxesOf(item) } };
      }
      return;
    }
    default:
      throw new Error(`${batch.kind} have no regions`);
  }
}

/** The run as one, or as several where it has more regions than a message should carry. */
function* parts(run: ItemRun, sent: readonly Item[], { boxesOf }: RegionPlan): Generator<ItemRun> {
  let from = run.from;
  let numbers: number[] = [];
  let batch: Item[] = [];
  let regions = 0;
  const part = (to: number): ItemRun => {
    const inside = ({ item }: { readonly item: number }): boolean => item >= from && item < to;
    return { from, to, batch: { kind: "items", items: batch }, items: numbers, unreadable: run.unreadable.filter(inside), spoilt: run.spoilt.filter(inside) };
  };
  for (const [index, item] of sent.entries()) {
    const number = run.items[index] ?? 0;
    const boxes = boxesOf(number);
    if (batch.length > 0 && regions + boxes.length > MESSAGE_REGIONS) {
      yield part(number);
      [from, numbers, batch, regions] = [number, [], [], 0];
    }
    numbers.push(number);
    batch.push({ ...item, regions: boxes });
    regions += boxes.length;
  }
  yield part(run.to);
}
