import { readFile, rm } from "node:fs/promises";

import type { CompiledView } from "../config/compiled.js";
import { writeFileWhole } from "../store/files.js";
import type { SkippedItem } from "../store/partial.js";

/** A line of a run's skipped.jsonl. */
interface SkippedLine extends SkippedItem {
  readonly collection: string;
  readonly space: string;
}

/** skipped.jsonl of a run's folder: every item that has no row in a space, and why. */
export class SkippedList {
  readonly #lines = new Map<string, readonly SkippedLine[]>();
  #read = false;

  constructor(readonly path: string) {}

  /** Puts the items of a view in the place of those that were listed for it; without any, none are. */
  async set({ data, space }: CompiledView, skipped: readonly SkippedItem[]): Promise<void> {
    if (!this.#read) await this.#readOld();
    const view = JSON.stringify([data, space]);
    if (skipped.length === 0 && !this.#lines.has(view)) return;
    this.#lines.set(
      view,
      skipped.map((item) => ({ collection: data, space, ...item })),
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
        const view = JSON.stringify([item.collection, item.space]);
        this.#lines.set(view, [...(this.#lines.get(view) ?? []), item]);
      } catch {
        // An empty line, or one that somebody changed: the list is no input of anything.
      }
    }
  }
}
