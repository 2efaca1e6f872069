import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import type { Modality } from "../../../../src/config/compiled.js";
import { sourceSchema } from "../../../../src/config/sources/registry.js";
import { sources } from "../../../../src/config/sources/registry.js";
import type { ItemSource, ListedSource, Oddity, SourceItem } from "../../../../src/data/sources/items.js";
import { openSource } from "../../../../src/data/sources/registry.js";
import { temporaryFolder } from "../../../helpers/temporaryFolder.js";

/** A new folder with these files; a name that ends in a slash is an empty folder. */
export function folderWith(files: Readonly<Record<string, string | Buffer>>): string {
  const folder = temporaryFolder();
  addFiles(folder, files);
  return folder;
}

export function addFiles(folder: string, files: Readonly<Record<string, string | Buffer>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(name.endsWith("/") ? join(folder, name) : dirname(join(folder, name)), { recursive: true });
    if (!name.endsWith("/")) writeFileSync(join(folder, name), content);
  }
}

/** What a user writes below `source`, compiled as if the experiment file lay in the folder. */
export function compileSource(folder: string, user: Readonly<Record<string, unknown>>): ListedSource {
  const parsed = sourceSchema.parse(user);
  return sources.get(parsed.type).compile(parsed, (path) => resolve(folder, path)) as ListedSource;
}

export function open(folder: string, user: Readonly<Record<string, unknown>>, modality: Modality, signal?: AbortSignal): Promise<ItemSource> {
  return openSource(compileSource(folder, user), { modality, place: "data.items.source", signal });
}

export interface Reading {
  readonly items: readonly SourceItem[];
  readonly oddities: readonly Oddity[];
  readonly source: ItemSource;
  /** Ids of the items. */
  readonly ids: readonly string[];
  /** Texts of the items, or paths from the folder. */
  readonly contents: readonly string[];
  /** Reasons of the oddities. */
  readonly reasons: readonly string[];
}

/** All items of a source, and all that was odd. */
export async function read(folder: string, user: Readonly<Record<string, unknown>>, modality: Modality, signal?: AbortSignal): Promise<Reading> {
  const source = await open(folder, user, modality, signal);
  const items: SourceItem[] = [];
  const oddities: Oddity[] = [];
  for await (const item of source.scan((oddity) => oddities.push(oddity))) items.push(item);
  if (new Set(items.map(({ id }) => id)).size !== items.length) throw new Error(`ids are not unique: ${items.map(({ id }) => id).join(", ")}`);
  for (const { attributes = {} } of items) {
    if (Object.keys(attributes).sort().join() !== [...source.attributes].sort().join()) throw new Error(`attributes ${Object.keys(attributes).join()} are not ${source.attributes.join()}`);
  }
  return {
    items,
    oddities,
    source,
    ids: items.map(({ id }) => id),
    contents: items.map(({ content }) => (content.kind === "text" ? content.text : content.path.replace(`${folder}/`, ""))),
    reasons: oddities.map(({ reason }) => reason),
  };
}
