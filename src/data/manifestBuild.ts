import { hash } from "node:crypto";
import { stat } from "node:fs/promises";

import { dataError, systemCode } from "../errors.js";
import { fileState } from "./fileState.js";
import { type ManifestHeader, ManifestWriter, OddityList } from "./manifestFile.js";
import { type FileRecord, type FileState, fileRecord, isFile, isReadable, ItemsDigest, type ManifestRecord, textRecord } from "./manifestRecord.js";
import type { KnownChecksums } from "./manifestReuse.js";
import type { ItemSource, SourceItem } from "./sources/items.js";

/** Files that are read at the same time, each with a piece of at most 1 MiB in memory. */
const FILES_AT_ONCE = 16;

export interface BuildOptions {
  /** An empty folder, which the caller puts into its place. */
  readonly folder: string;
  readonly source: ItemSource;
  /** Names the source in messages. */
  readonly place: string;
  /** Checksums that need not be made again. */
  readonly known: KnownChecksums | null;
  readonly signal: AbortSignal | undefined;
  readonly onItems: (count: number) => void;
}

/**
 * Reads a source from first to last and writes its manifest, a checksum for each item.
 * Memory stays flat. An item that cannot be read is kept with its cause. Rejects with
 * exit 3 when there is no item, or the source changes in the meantime.
 */
export async function buildManifest({ folder, source, place, known, signal, onItems }: BuildOptions): Promise<ManifestHeader> {
  const readAtMs = Date.now();
  const fingerprint = await source.fingerprint();
  const oddities = new OddityList();
  const digest = new ItemsDigest();
  const unreadable: number[] = [];
  let files = false;
  const writer = await ManifestWriter.create(folder);
  try {
    for await (const record of recordsInOrder(source.scan(oddities.add), known)) {
      if (isFile(record)) {
        files = true;
        if (!isReadable(record.state)) unreadable.push(writer.count);
      }
      digest.add(record);
      if (writer.add(record)) {
        signal?.throwIfAborted();
        await writer.flush();
        onItems(writer.count);
      }
    }
    signal?.throwIfAborted();
    if (writer.count === 0) throw dataError(`${place} has no items.`, { reason: "NO_ITEMS", path: place });
    if ((await source.fingerprint()) !== fingerprint) {
      throw dataError(`${place}: the source changed while it was read. Run it again once nobody writes to it.`, { reason: "CHANGED", path: place });
    }
    onItems(writer.count);
    return await writer.finish({
      fingerprint,
      digest: digest.finish(),
      unreadable,
      attributes: source.attributes,
      roots: source.roots,
      files,
      oddities: oddities.summary,
      readAtMs,
    });
  } catch (error) {
    await writer.close().catch(() => undefined);
    throw error;
  }
}

/** The records of items, several files being read at a time, in the items' order. */
async function* recordsInOrder(items: AsyncIterable<SourceItem>, known: KnownChecksums | null): AsyncGenerator<ManifestRecord> {
  const waiting: (ManifestRecord | Promise<ManifestRecord>)[] = [];
  for await (const item of items) {
    const { content } = item;
    if (content.kind === "text") waiting.push(textRecord(item, content.text, hash("sha256", content.text)));
    else {
      const record = recordOfFile(item, content, known);
      // Its turn comes later; until then a rejection must not count as unhandled.
      record.catch(() => undefined);
      waiting.push(record);
    }
    while (waiting.length >= FILES_AT_ONCE || (waiting.length > 0 && !(waiting[0] instanceof Promise))) {
      const first = waiting.shift();
      if (first !== undefined) yield await first;
    }
  }
  for (const record of waiting) yield await record;
}

async function recordOfFile(item: SourceItem, content: Extract<SourceItem["content"], { readonly kind: "file" }>, known: KnownChecksums | null): Promise<FileRecord> {
  const before = known === null ? null : await knownState(content, known);
  return fileRecord(item, content, before ?? (await fileState(content.path, content.range)));
}

async function knownState({ path, range }: Pick<FileRecord, "path" | "range">, known: KnownChecksums): Promise<FileState | null> {
  try {
    const { size, mtimeMs } = await stat(path);
    return await known.find(range === undefined ? { path } : { path, range }, size, mtimeMs);
  } catch (error) {
    if (systemCode(error) === "") throw error;
    return null;
  }
}
