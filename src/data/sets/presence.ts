import type { Stats } from "node:fs";
import { opendir } from "node:fs/promises";
import { dirname } from "node:path/posix";

import { endingsOf } from "../sources/mediaKinds.js";
import { followingLook } from "../sources/look.js";
import { SeenTexts } from "../sources/uniqueIds.js";
import type { SetCopy } from "./copy.js";
import type { FileKind } from "./definition.js";

const ANY_ENDING = ".*";
/** Entries that the system is asked for at once. */
const ENTRIES = 1024;

/** A file of a copy that is there. */
export interface Present {
  /** Relative to the root. */
  readonly path: string;
  readonly status: Stats;
}

/**
 * Finds the files of a copy, many of them quickly. Where a name's ending is open, the folder is read
 * once and its names are remembered by hashes, 16 to 32 bytes each: asking for each of a dozen endings of
 * millions of names would take an hour.
 */
export class Presence {
  readonly #disk = followingLook();
  readonly #folders = new Map<string, Promise<SeenTexts>>();

  constructor(private readonly copy: SetCopy) {}

  /** What lies at a path, or, where that ends in `.*`, the first of the kind's endings that is there. Null where nothing does. */
  async find(path: string, kind: FileKind): Promise<Present | null> {
    if (!path.endsWith(ANY_ENDING)) return this.#at(path);
    const stem = path.slice(0, -ANY_ENDING.length);
    const names = await this.#namesIn(dirname(path));
    for (const ending of endingsOf(kind === "cloud" ? "pointcloud" : kind)) {
      const present = names.has(stem + ending) ? await this.#at(stem + ending) : null;
      if (present !== null) return present;
    }
    return null;
  }

  async #at(path: string): Promise<Present | null> {
    const status = await this.#disk.at(this.copy.path(path));
    return status === null ? null : { path, status };
  }

  #namesIn(folder: string): Promise<SeenTexts> {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    const reading = readNames(this.copy.path(folder), folder);
    this.#folders.set(folder, reading);
    return reading;
  }
}

/** The names in a folder, with the folder before them; none where it is not there. */
async function readNames(path: string, folder: string): Promise<SeenTexts> {
  const names = new SeenTexts();
  const entries = await opendir(path, { bufferSize: ENTRIES }).catch(() => null);
  if (entries !== null) for await (const { name } of entries) names.add(`${folder}/${name}`);
  return names;
}
