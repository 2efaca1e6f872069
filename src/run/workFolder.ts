import { mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { dataError, systemCode } from "../errors.js";
import { writeFileWhole } from "../store/files.js";
import type { SkippedItem } from "../store/partial.js";

/** The folder beside the one that `cmcr encode` makes: what is finished so far, and the items' manifest. */
export class WorkFolder {
  readonly path: string;
  /** Lists the items that cannot be read, where they are too many for a result. */
  readonly list: string;
  /** The outermost folder that was made for it to lie in; undefined when they were all there. */
  #outermost: string | undefined;

  constructor(private readonly out: string) {
    this.path = join(dirname(out), `.${basename(out)}.partial`);
    this.list = `${out}.skipped.jsonl`;
  }

  get manifests(): string {
    return join(this.path, "manifests");
  }

  get shards(): string {
    return join(this.path, "shards");
  }

  /** Makes it, and the folders that it lies in. Exit 3 where that cannot be. */
  async make(): Promise<void> {
    const parent = dirname(this.out);
    try {
      this.#outermost = await mkdir(parent, { recursive: true });
      await mkdir(this.path).catch((error: unknown) => {
        if (systemCode(error) !== "EEXIST") throw error;
      });
    } catch (cause) {
      await this.#removeParents();
      throw dataError(`${parent} is not a folder that can be written. Name another place with --out.`, { reason: "UNWRITABLE", path: this.out, cause });
    }
  }

  async writeList(skipped: readonly SkippedItem[]): Promise<void> {
    await writeFileWhole(this.list, skipped.map((item) => `${JSON.stringify(item)}\n`).join(""));
  }

  async remove(): Promise<void> {
    // With one rename, as another process that makes the same may be about to begin in it.
    const aside = `${this.path}-gone-${process.pid}`;
    await rename(this.path, aside).catch((error: unknown) => {
      if (systemCode(error) !== "ENOENT") throw error;
    });
    await rm(aside, { recursive: true, force: true });
    await rm(this.list, { force: true });
  }

  /** Removes it when no shard is finished: the next attempt would find nothing in it. */
  async removeUnlessWorth(): Promise<void> {
    const shards = await readdir(this.shards).catch(() => []);
    if (shards.length > 0) return;
    await rm(this.path, { recursive: true, force: true });
    await this.#removeParents();
  }

  /** Removes the folders that were made for it, as far as they are empty. */
  async #removeParents(): Promise<void> {
    if (this.#outermost === undefined) return;
    for (let folder = dirname(this.out); folder.startsWith(this.#outermost); folder = dirname(folder)) {
      const removed = await rmdir(folder).then(
        () => true,
        () => false,
      );
      if (!removed) return;
    }
  }
}
