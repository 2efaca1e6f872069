import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";

import type { ItemList } from "../data/itemList.js";
import type { KeptItems } from "../data/keptItems.js";
import { dataError } from "../errors.js";
import type { SkippedItem } from "../store/partial.js";
import type { StoreEntry } from "../store/store.js";

/** An id for each row, as a JSON string a line. */
export const IDS = "ids.jsonl";
/** What people call each row's item, as a JSON list; only where the rows are few enough to be looked through. */
export const NAMES = "names.json";
/** The items that have no row, one a line; absent where every item has one. */
export const SKIPPED = "skipped.jsonl";

/** Beyond this, fetching everybody's name to show a few is not worth it. */
const MOST_NAMES = 100_000;
const WRITE_BYTES = 1 << 18;

/**
 * Writes who the rows of a matrix are, as far as the items have names, and which items have none. Returns the files' names.
 *
 * @param regionsOf how many rows an item gives, each of which is called after it with `#` and its number, counted from 0; left out: one, called as the item
 */
export async function describeRows(
  items: ItemList,
  skipped: readonly SkippedItem[],
  path: (name: string) => string,
  regionsOf?: (item: number) => number,
): Promise<readonly string[]> {
  const files: string[] = [];
  if (skipped.length > 0) {
    await writeLines(path(SKIPPED), async (write) => {
      for (const item of skipped) await write(JSON.stringify(item));
    });
    files.push(SKIPPED);
  }
  if (!items.named) return files;
  const left = new Set(skipped.map(({ item }) => item));
  let rows = items.count - left.size;
  if (regionsOf !== undefined) {
    rows = 0;
    for (let item = 0; item < items.count; item += 1) if (!left.has(item)) rows += regionsOf(item);
  }
  const names: string[] | null = rows <= MOST_NAMES ? [] : null;
  await writeLines(path(IDS), async (write) => {
    for await (const block of items.describe({ from: 0, to: items.count })) {
      for (const { item, id, name } of block) {
        if (left.has(item)) continue;
        const regions = regionsOf?.(item) ?? 1;
        for (let region = 0; region < regions; region += 1) {
          const of = regionsOf === undefined ? "" : `#${region}`;
          names?.push(`${name}${of}`);
          await write(JSON.stringify(`${id}${of}`));
        }
      }
    }
  });
  files.push(IDS);
  if (names === null) return files;
  await writeNames(path(NAMES), names);
  return [...files, NAMES];
}

/** The items that an entry has no row for. */
export async function skippedOf(entry: StoreEntry): Promise<readonly SkippedItem[]> {
  if (!(SKIPPED in entry.manifest.files)) return [];
  const lines = (await readFile(entry.path(SKIPPED), "utf8")).split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as SkippedItem);
}

/** Which of its collection's items an entry's rows are. */
export async function keptItemsOf(entry: StoreEntry): Promise<KeptItems> {
  const { rows, items } = entry.manifest.facts;
  const skipped = (await skippedOf(entry)).map(({ item }) => item);
  const count = typeof items === "number" ? items : rows;
  if (typeof count !== "number") throw dataError(`${entry.folder} does not say how many items it has. Remove it; it is made again.`, { reason: "CORRUPT", path: entry.folder });
  return { count, skipped };
}

/** What people call the items of an entry's rows; null where they have no names, or are too many. */
export async function namesOf(entry: StoreEntry): Promise<readonly string[] | null> {
  if (!(NAMES in entry.manifest.files)) return null;
  return JSON.parse(await readFile(entry.path(NAMES), "utf8")) as readonly string[];
}

/** Writes the ids and names of some of an entry's rows beside the matrix of those rows. Returns the files' names. */
export async function pickNames(entry: StoreEntry, rows: Uint32Array, path: (name: string) => string): Promise<readonly string[]> {
  const files: string[] = [];
  if (IDS in entry.manifest.files) {
    await writeLines(path(IDS), async (write) => {
      let row = 0;
      let next = 0;
      for await (const line of createInterface({ input: createReadStream(entry.path(IDS)) })) {
        if (rows[next] === row) {
          await write(line);
          next += 1;
        }
        row += 1;
      }
    });
    files.push(IDS);
  }
  const names = await namesOf(entry);
  if (names === null) return files;
  await writeNames(path(NAMES), Array.from(rows, (row) => names[row] ?? ""));
  return [...files, NAMES];
}

async function writeNames(path: string, names: readonly string[]): Promise<void> {
  await writeLines(path, async (write) => {
    await write("[");
    for (const [row, name] of names.entries()) await write(`${JSON.stringify(name)}${row + 1 < names.length ? "," : ""}`);
    await write("]");
  });
}

async function writeLines(path: string, work: (write: (line: string) => Promise<void>) => Promise<void>): Promise<void> {
  const file: FileHandle = await open(path, "wx");
  let waiting: string[] = [];
  let length = 0;
  const flush = async (): Promise<void> => {
    await file.writeFile(waiting.join(""));
    waiting = [];
    length = 0;
  };
  try {
    await work(async (line) => {
      waiting.push(`${line}\n`);
      length += line.length + 1;
      if (length >= WRITE_BYTES) await flush();
    });
    await flush();
  } finally {
    await file.close();
  }
}
