import { randomBytes } from "node:crypto";
import { mkdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { dataError } from "../errors.js";
import { canonicalJson, fileSha256, type Json, textSha256 } from "./checksums.js";
import { syncFile, writeFileWhole } from "./files.js";

/** Layout of an entry; raised when a reader of the old one would misread the new one. */
export const SCHEMA_VERSION = 1;
/** The file that describes an entry. */
export const ENTRY_FILE = "entry.json";

/** A file of an entry, as its description has it. */
export interface StoredFile {
  readonly bytes: number;
  readonly sha256: string;
}

/** What an entry's description says. */
export interface EntryManifest {
  readonly schemaVersion: number;
  readonly stage: string;
  readonly key: string;
  /** All that the output depends on. */
  readonly inputs: Json;
  /** What there is to know of the output, such as its rows and dimension. */
  readonly facts: Readonly<Record<string, Json>>;
  readonly files: Readonly<Record<string, StoredFile>>;
  readonly createdAt: string;
  readonly seconds: number;
  /** SHA-256 of all the rest of this description, as canonical JSON. */
  readonly seal: string;
}

/** The key of an output: a hash of its stage and all its inputs. */
export function entryKey(stage: string, inputs: Json): string {
  return textSha256(canonicalJson({ stage, schemaVersion: SCHEMA_VERSION, inputs })).slice(0, 40);
}

/** What the seal of a description must be. */
export function sealOf({ seal: _seal, ...rest }: EntryManifest): string {
  return textSha256(canonicalJson(rest as unknown as Json));
}

/** A folder that an output is written into, aside from where it will be found. */
export class PendingFolder {
  readonly #started = performance.now();

  private constructor(readonly path: string) {}

  /** A new folder in `parent`; its name begins with this process's number. */
  static async in(parent: string): Promise<PendingFolder> {
    const path = join(parent, `${process.pid}-${randomBytes(6).toString("hex")}`);
    await mkdir(path);
    return new PendingFolder(path);
  }

  /** A new folder beside `target`, to be renamed to it. Exit 3 when there is no such place. */
  static async beside(target: string): Promise<PendingFolder> {
    const path = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.part`);
    await mkdir(path).catch((cause: unknown) => {
      throw dataError(`${dirname(target)} is not a folder that can be written. Name another place with --out.`, { reason: "UNWRITABLE", path: target, cause });
    });
    return new PendingFolder(path);
  }

  /** Where to write the file `name`. */
  file(name: string): string {
    return join(this.path, name);
  }

  /** Syncs the files named, and writes the description with their checksums. */
  async describe(stage: string, inputs: Json, names: readonly string[], facts: Readonly<Record<string, Json>>): Promise<EntryManifest> {
    const files: Record<string, StoredFile> = {};
    for (const name of names) {
      const path = this.file(name);
      await syncFile(path);
      files[name] = { bytes: (await stat(path)).size, sha256: await fileSha256(path) };
    }
    const unsealed: EntryManifest = {
      schemaVersion: SCHEMA_VERSION,
      stage,
      key: entryKey(stage, inputs),
      inputs,
      facts,
      files,
      createdAt: new Date().toISOString(),
      seconds: (performance.now() - this.#started) / 1000,
      seal: "",
    };
    const manifest = { ...unsealed, seal: sealOf(unsealed) };
    await writeFileWhole(this.file(ENTRY_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
    return manifest;
  }

  /** Removes one of its files, to write it anew. */
  async forget(name: string): Promise<void> {
    await rm(this.file(name), { force: true });
  }

  /** Forgets it. */
  async discard(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
