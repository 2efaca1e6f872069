import type { Worker } from "../bridge/worker.js";
import type { CompiledCollection } from "../config/compiled.js";
import type { ItemList } from "../data/itemList.js";
import { listItems, type ListingContext } from "../data/listItems.js";
import type { ManifestHeader } from "../data/manifestFile.js";
import { itemsOfModality } from "../plural.js";
import { ProgressMeter, type Reporter } from "./events.js";

/** What listing needs: where manifests are, and who hears of it. */
export interface ListsContext {
  readonly manifests: string;
  readonly worker: Pick<Worker, "encoders">;
  readonly signal: AbortSignal;
  readonly report: Reporter;
}

/** The items of an experiment's collections, each listed once however many spaces look at it. */
export class ItemLists {
  readonly #lists = new Map<string, Promise<ItemList>>();

  constructor(private readonly context: ListsContext) {}

  /** The items of a collection that has a source. */
  get(collection: CompiledCollection): Promise<ItemList> {
    const known = this.#lists.get(collection.name);
    if (known !== undefined) return known;
    const listing = this.#list(collection, false);
    this.#lists.set(collection.name, listing);
    return listing;
  }

  /** The same, listed anew because they were found to have changed. */
  async anew(collection: CompiledCollection): Promise<ItemList> {
    const old = await this.#lists.get(collection.name);
    await old?.close();
    const listing = this.#list(collection, true);
    this.#lists.set(collection.name, listing);
    return listing;
  }

  /** Lets go of open files. */
  async close(): Promise<void> {
    const lists = await Promise.allSettled(this.#lists.values());
    this.#lists.clear();
    for (const list of lists) if (list.status === "fulfilled") await list.value.close();
  }

  async #list({ name, source, modality }: CompiledCollection, anew: boolean): Promise<ItemList> {
    if (source === null) throw new Error(`${name} has no source`);
    const { worker, report, signal, manifests } = this.context;
    return listItems(
      source,
      {
        modality,
        place: `data.${name}.source`,
        manifests,
        describeGenerated: (generated, count) => worker.encoders.describeGenerated(generated, count),
        signal,
        ...listingReports(report, name, itemsOfModality(modality)),
      },
      { anew },
    );
  }
}

/** Reports what is heard while items are listed. */
export function listingReports(report: Reporter, name: string, unit: string): Pick<ListingContext, "onItems" | "onOddities"> {
  const meter = new ProgressMeter(report, "encode", `items of ${name}`, unit);
  return {
    onItems: (count) => {
      meter.update(count, null);
    },
    onOddities: (oddities) => {
      report({ event: "warning", message: `${name}: ${oddityText(oddities)}` });
    },
  };
}

function oddityText({ count, reasons, first }: ManifestHeader["oddities"]): string {
  const kinds = Object.entries(reasons).map(([reason, times]) => `${times} x ${reason}`);
  const [example] = first;
  return `${count} odd thing${count === 1 ? "" : "s"} in its source (${kinds.join(", ")})${example === undefined ? "" : `; the first: ${example.message}`}`;
}
