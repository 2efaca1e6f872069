import { readFile, rm } from "node:fs/promises";

import type { CompiledView } from "../config/compiled.js";
import { writeFileWhole } from "../store/files.js";
import type { SkippedItem } from "../store/partial.js";
import { regionsName } from "./stages/viewName.js";

/** A line of a run's skipped.jsonl. */
interface SkippedLine extends SkippedItem {
  readonly collection: string;
  readonly space: string;
  /** Which regions of the items are embedded; left out: the items themselves. */
  readonly regions?: string;
}

/** skipped.jsonl of a run's folder: every item that has no row in a space, and why. */
export class SkippedList {
  readonly #lines = new Map<string, readonly SkippedLine[]>();
  #read = false;

  constructor(readonly path: string) {}

  /** Puts the items of a view in the place of those that were listed for it; without any, none are. */
  async set({ data, space, regions }: CompiledView, skipped: readonly SkippedItem[]): Promise<void> {
    if (!this.#read) await this.#readOld();
    const place = { collection: data, space, ...(regions === undefined ? {} : { regions: regionsName(regions) }) };
    const view = keyOf(place);
    if (skipped.length === 0 && !this.#lines.has(view)) return;
    this.#lines.set(
      view,
      skipped.map((item) => ({ ...place, ...item })),
    );
    const lines = [...this.#lines.values()].flat().map((line) => `${JSON.stringify(line)}\n`);
    if (lines.length === 0) await rm(this.path, { force: true });
    else await writeFileWhole(this.path, lines.join(""));
  }

  /** A run that is gone on with, or evaluated again, keeps what it does not look at. */
  async #readOld(): Promise<void> {
    this.#read = true;
    const text = await readFile(this.path, "utf8").catch(() => "");
    for (const line of text.split("\n")) {
      try {
        const item = JSON.parse(line) as SkippedLine;
        const view = keyOf(item);
        this.#lines.set(view, [...(this.#lines.get(view) ?? []), item]);
      } catch {
        // An empty line, or one that somebody changed: the list is no input of anything.
      }
    }
  }
}

function keyOf({ collection, space, regions = "" }: Pick<SkippedLine, "collection" | "space" | "regions">): string {
  return JSON.stringify([collection, space, regions]);
}
