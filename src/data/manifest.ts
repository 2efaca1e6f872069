import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import type { Json } from "../store/checksums.js";
import { syncFolder } from "../store/files.js";
import { isAlive } from "../store/processes.js";
import { buildManifest } from "./manifestBuild.js";
import { filesAreUnchanged } from "./manifestCheck.js";
import { type ManifestHeader, ManifestReader, readHeader } from "./manifestFile.js";
import { KnownChecksums } from "./manifestReuse.js";
import type { ItemSource } from "./sources/items.js";

export interface ManifestOptions {
  /** Where the manifest is, or will be; it is the manifest's alone. */
  readonly folder: string;
  readonly source: ItemSource;
  /** Names the source in messages. */
  readonly place: string;
  readonly signal: AbortSignal | undefined;
  /** Hears how many items were read so far, while a manifest is made. */
  readonly onItems: (count: number) => void;
}

/** A whole manifest, open for reading. */
export interface OpenManifest {
  readonly header: ManifestHeader;
  readonly reader: ManifestReader;
  /** Whether it was made just now. */
  readonly made: boolean;
  /**
   * Whether every file still has the size and time that it had when its checksum was made.
   * Looks at each: seconds for a million. What rests on the checksums may begin before
   * that, and nothing of it may be kept.
   */
  confirm(): Promise<boolean>;
}

/**
 * The manifest of a source: the one that is there, where the source has not changed since;
 * otherwise a new one, which takes over the checksums of files that have not changed.
 * Rejects with exit 3 when the source cannot be read.
 */
export async function openManifest(options: ManifestOptions): Promise<OpenManifest> {
  const found = await readManifest(options);
  if (found !== null && found.header.fingerprint === (await options.source.fingerprint())) {
    const { header, reader } = found;
    let confirmed: Promise<boolean> | undefined;
    return { header, reader, made: false, confirm: () => (confirmed ??= filesAreUnchanged(options.folder, reader, header, options.signal)) };
  }
  return remake(options, found);
}

/** A new manifest in the place of one that was found to be no longer true. */
export async function remakeManifest(options: ManifestOptions): Promise<OpenManifest> {
  return remake(options, await readManifest(options));
}

/** What must be the same wherever a source lies, for its embeddings to be taken from the store. */
export function manifestIdentity({ count, digest }: ManifestHeader): Json {
  return { count, digest };
}

interface Found {
  readonly header: ManifestHeader;
  readonly reader: ManifestReader;
}

/** The manifest in its place; null where there is none, or it does not match its own checksum. */
async function readManifest({ folder, signal }: ManifestOptions): Promise<Found | null> {
  const header = await readHeader(folder);
  if (header === null) return null;
  const reader = await ManifestReader.open(folder, header).catch(() => null);
  if (reader === null) return null;
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const block of reader.bytes()) {
    signal?.throwIfAborted();
    hash.update(block);
    bytes += block.length;
  }
  if (bytes === header.items.bytes && hash.digest("hex") === header.items.sha256) return { header, reader };
  await reader.close();
  return null;
}

async function remake(options: ManifestOptions, old: Found | null): Promise<OpenManifest> {
  try {
    const known = old?.header.files === true ? await KnownChecksums.of(old.reader, old.header) : null;
    return await make(options, known);
  } finally {
    await old?.reader.close();
  }
}

async function make({ folder, source, place, signal, onItems }: ManifestOptions, known: KnownChecksums | null): Promise<OpenManifest> {
  await mkdir(dirname(folder), { recursive: true });
  await clearAbandoned(folder);
  const aside = await mkdtemp(`${folder}.${process.pid}-`);
  try {
    const header = await buildManifest({ folder: aside, source, place, known, signal, onItems });
    await replaceFolder(aside, folder);
    return { header, reader: await ManifestReader.open(folder, header), made: true, confirm: () => Promise.resolve(true) };
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    throw error;
  }
}

/** Puts a folder in the place of another; whoever has files of the old one open goes on reading them. */
async function replaceFolder(made: string, folder: string): Promise<void> {
  for (;;) {
    try {
      await rename(made, folder);
      break;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && (error.code === "ENOTEMPTY" || error.code === "EEXIST"))) throw error;
      const old = await mkdtemp(`${folder}.${process.pid}-`);
      await rename(folder, old).catch(() => undefined);
      await rm(old, { recursive: true, force: true });
    }
  }
  await syncFolder(dirname(folder));
}

/** Removes what processes that are gone left half-written beside a manifest. */
async function clearAbandoned(folder: string): Promise<void> {
  const prefix = `${basename(folder)}.`;
  for (const name of await readdir(dirname(folder))) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    if (Number.isInteger(pid) && !isAlive(pid)) await rm(join(dirname(folder), name), { recursive: true, force: true });
  }
}
