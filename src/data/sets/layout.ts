import { readdir } from "node:fs/promises";

import type { SetCopy } from "./copy.js";
import type { LayoutEntry, SetDefinition } from "./definition.js";
import { hasClassFolder } from "./modelnet40.js";

/** An entry of a layout, and whether a copy has it. */
export interface EntryState {
  readonly entry: LayoutEntry;
  /** Its folder has a file in it, where it is one. */
  readonly there: boolean;
}

/** What of a layout lies in a copy. */
export async function layoutState(copy: SetCopy, { layout }: SetDefinition): Promise<readonly EntryState[]> {
  return Promise.all(layout.map(async (entry) => ({ entry, there: await isThere(copy, entry) })));
}

/** Entries that a copy needs and lacks: of a choice all of its entries, where none is there. */
export function lacking(states: readonly EntryState[]): readonly LayoutEntry[] {
  const chosen = new Set(states.flatMap(({ entry, there }) => (there && typeof entry.need === "object" ? [entry.need.choice] : [])));
  return states.filter(({ entry: { need }, there }) => !there && (need === "needed" || (typeof need === "object" && !chosen.has(need.choice)))).map(({ entry }) => entry);
}

/** What a copy needs and lacks, in words: a choice is one thing, `a or b`. */
export function missingParts(entries: readonly LayoutEntry[]): readonly { readonly path: string; readonly get: string }[] {
  const parts = new Map<string, LayoutEntry[]>();
  for (const entry of entries) {
    const key = typeof entry.need === "object" ? `one of ${entry.need.choice}` : entry.path;
    parts.set(key, [...(parts.get(key) ?? []), entry]);
  }
  return [...parts.values()].map((group) => ({ path: group.map(({ path }) => path).join(" or "), get: group.map(({ get }) => get).join("; or: ") }));
}

async function isThere(copy: SetCopy, { path }: LayoutEntry): Promise<boolean> {
  if (path === "<class>/") {
    const names = new Set<string>();
    for await (const { text } of copy.lines("modelnet40_shape_names.txt")) names.add(text.trim());
    return hasClassFolder(copy, names);
  }
  if (path.includes("<")) return (await matching(copy, path)) !== null;
  if (!path.endsWith("/")) return (await copy.kindOf(path)) === "file";
  return (await copy.kindOf(path)) === "folder" && (await hasEntries(copy.path(path)));
}

/** The file of a copy whose name is `pattern` with digits for each `<…>`; the last by name where there are several. */
export async function matching(copy: SetCopy, pattern: string): Promise<string | null> {
  const form = new RegExp(`^${pattern.split(/<[^>]*>/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\d+")}$`);
  const names = await readdir(copy.root).catch(() => []);
  return names.filter((name) => form.test(name)).sort().at(-1) ?? null;
}

/** Hidden files are those of a system, or of something unfinished. */
async function hasEntries(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  return names.some((name) => !name.startsWith("."));
}
