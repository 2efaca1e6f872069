import type { Dirent } from "node:fs";
import { lstat, opendir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";

import { dataError, systemCode } from "../../errors.js";
import { textSha256 } from "../../store/checksums.js";
import type { Oddity } from "./items.js";
import { NameList } from "./nameList.js";

/** Entries that the system is asked for at once. */
const ENTRIES = 1024;
const STATS_AT_ONCE = 64;
const NAMES_IN_A_ROW = 1024;

export interface WalkOptions {
  /** Whether a file is wanted, by its name; decided before anything is remembered of it. */
  readonly accept: (name: string) => boolean;
  /** Folders deeper than this are not looked into; the root is 0. */
  readonly depth?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onOddity: (oddity: Oddity) => void;
}

/**
 * The wanted files below `root` as relative paths with `/`, in the order of the whole paths'
 * UTF-16 units. Hidden files and folders are passed over, and links, which are reported.
 * Of a folder with a million files only the names are held. Rejects with exit 3 when a
 * folder cannot be read.
 */
export async function* filesBelow(root: string, options: WalkOptions, folder = "", depth = 0): AsyncGenerator<string> {
  // A folder's name ends with its slash, so that sorting names gives the order of whole paths.
  const names = new NameList();
  for await (const { name, kind } of entriesOf(root, folder, options)) {
    if (kind === "folder") names.add(`${name}/`);
    else if (kind === "link") {
      options.onOddity({ reason: "LINK", place: folder + name, message: `${folder}${name} is a link, and is passed over` });
    } else if (kind === "file" && options.accept(name)) names.add(name);
  }
  let given = 0;
  for (const name of names.sorted()) {
    given += 1;
    // Others must have their turn, such as a Ctrl-C: names in memory give them none.
    if (given % NAMES_IN_A_ROW === 0) {
      await setImmediate();
      options.signal?.throwIfAborted();
    }
    if (!name.endsWith("/")) yield folder + name;
    else if (depth < (options.depth ?? Infinity)) yield* filesBelow(root, options, folder + name, depth + 1);
  }
}

/**
 * A short text that changes when a file is added, removed or renamed below `root`: the
 * folders' times. No file is looked at.
 */
export async function folderTimes(root: string, signal?: AbortSignal): Promise<string> {
  const times: string[] = [];
  let folders = [""];
  while (folders.length > 0) {
    const next: string[] = [];
    for (let start = 0; start < folders.length; start += STATS_AT_ONCE) {
      const block = folders.slice(start, start + STATS_AT_ONCE);
      const stats = await Promise.all(block.map((folder) => stat(join(root, folder)).catch(() => null)));
      for (const [index, folder] of block.entries()) {
        times.push(`${folder} ${stats[index]?.mtimeMs ?? "gone"}`);
        for await (const { name, kind } of entriesOf(root, folder, { signal })) if (kind === "folder") next.push(`${folder}${name}/`);
      }
    }
    folders = next;
  }
  return textSha256(times.sort().join("\n"));
}

interface Entry {
  readonly name: string;
  readonly kind: "file" | "folder" | "link" | "other";
}

async function* entriesOf(root: string, folder: string, { signal }: Pick<WalkOptions, "signal">): AsyncGenerator<Entry> {
  const path = join(root, folder);
  try {
    for await (const entry of await opendir(path, { bufferSize: ENTRIES })) {
      signal?.throwIfAborted();
      if (entry.name.startsWith(".")) continue;
      yield { name: entry.name, kind: kindOf(entry) ?? kindOf(await lstat(join(path, entry.name))) ?? "other" };
    }
  } catch (cause) {
    if (systemCode(cause) === "") throw cause;
    throw dataError(`${path} is not a folder that can be read (${systemCode(cause)}).`, { reason: "UNREADABLE", path, cause });
  }
}

/** Null where the file system does not tell. */
function kindOf(entry: Pick<Dirent, "isFile" | "isDirectory" | "isSymbolicLink" | "isFIFO" | "isSocket" | "isCharacterDevice" | "isBlockDevice">): Entry["kind"] | null {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "folder";
  if (entry.isSymbolicLink()) return "link";
  return entry.isFIFO() || entry.isSocket() || entry.isCharacterDevice() || entry.isBlockDevice() ? "other" : null;
}
