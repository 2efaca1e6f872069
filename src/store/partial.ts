import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";

import { systemCode } from "../errors.js";
import { canonicalJson, type Json, textSha256 } from "./checksums.js";
import { Claim, type ClaimOptions } from "./claim.js";
import { syncFile, syncFolder, writeFileWhole } from "./files.js";

/** Layout of a record; raised when a reader of the old one would misread the new one. */
const SCHEMA_VERSION = 1;
const DESCRIPTION = "partial.json";
/** Between the name of a folder that is being removed and a random text. */
const GONE = ".gone-";

/** An item that has no row, and why. */
export interface SkippedItem {
  /** Its number in the collection, counted from 0. */
  readonly item: number;
  readonly id: string;
  /** Null for texts of a list and generated items. */
  readonly file: string | null;
  /** Stable, upper-case, such as `DATA_CORRUPT`. */
  readonly reason: string;
  readonly message: string;
}

/** A finished shard: the rows of the items `from` to `to - 1`, those that failed left out. */
export interface ShardRecord {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  /** The rows' file; null where there is no row. */
  readonly file: { readonly name: string; readonly dim: number; readonly bytes: number; readonly sha256: string } | null;
  readonly skipped: readonly SkippedItem[];
}

interface SealedRecord extends ShardRecord {
  readonly schemaVersion: number;
  /** SHA-256 of all the rest, as canonical JSON. */
  readonly seal: string;
}

/**
 * Finished shards of an output that is not whole yet, in a folder of its own that outlives
 * the process. A shard counts from the moment that its record is there, which is written last;
 * whatever has no record is removed. One process at a time works in it.
 */
export class PartialOutput {
  readonly #records: ShardRecord[] = [];

  private constructor(
    readonly folder: string,
    private readonly claim: Claim,
  ) {}

  /** Opens the partial output of a key, waiting while another process works on it. `description` tells people what it is. */
  static async open(root: string, key: string, description: Json, options: ClaimOptions): Promise<PartialOutput> {
    const folder = join(root, key);
    for (;;) {
      try {
        return await PartialOutput.#claimed(root, folder, { key, inputs: description }, options);
      } catch (error) {
        // Whoever was before us took away all that lay around it at this very moment.
        if (systemCode(error) !== "ENOENT") throw error;
      }
    }
  }

  static async #claimed(root: string, folder: string, output: { readonly key: string; readonly inputs: Json }, options: ClaimOptions): Promise<PartialOutput> {
    await mkdir(root, { recursive: true });
    for (const name of await readdir(root)) if (name.includes(GONE)) await rm(join(root, name), { recursive: true, force: true });
    const claim = await Claim.on(folder, options);
    const partial = new PartialOutput(folder, claim);
    try {
      await partial.#read();
      await writeFileWhole(join(folder, DESCRIPTION), `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...output }, null, 2)}\n`);
    } catch (error) {
      await claim.release();
      throw error;
    }
    return partial;
  }

  /** The finished shards in the items' order. */
  get records(): readonly ShardRecord[] {
    return this.#records;
  }

  /** Runs of items that are in no finished shard, up to `count`. */
  missing(count: number): { readonly from: number; readonly to: number }[] {
    const missing: { from: number; to: number }[] = [];
    let next = 0;
    for (const { from, to } of this.#records) {
      if (from > next) missing.push({ from: next, to: from });
      next = to;
    }
    if (next < count) missing.push({ from: next, to: count });
    return missing;
  }

  /** Where the rows of a shard go. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Name of the file of a shard's rows. */
  static fileName(from: number, to: number): string {
    return `${String(from).padStart(10, "0")}-${String(to).padStart(10, "0")}.npy`;
  }

  /** Makes a shard count; its file is written already. */
  async add(record: ShardRecord): Promise<void> {
    if (record.file !== null) {
      await syncFile(this.path(record.file.name));
      await syncFolder(this.folder);
    }
    const unsealed = { ...record, schemaVersion: SCHEMA_VERSION };
    await writeFileWhole(this.#recordPath(record), `${JSON.stringify({ ...unsealed, seal: sealOf(unsealed) })}\n`);
    this.#records.push(record);
    this.#records.sort((a, b) => a.from - b.from);
  }

  /** Forgets a shard that was found damaged. */
  async drop(record: ShardRecord): Promise<void> {
    this.#records.splice(this.#records.indexOf(record), 1);
    await rm(this.#recordPath(record), { force: true });
    if (record.file !== null) await rm(this.path(record.file.name), { force: true });
  }

  /** Forgets all shards. */
  async clear(): Promise<void> {
    for (const record of [...this.#records]) await this.drop(record);
  }

  /** Removes it, once its output is whole. */
  async remove(): Promise<void> {
    // With one rename, so that nobody who comes now finds a part of it.
    const aside = `${this.folder}${GONE}${randomBytes(4).toString("hex")}`;
    await rename(this.folder, aside).catch((error: unknown) => {
      // Another that found the output whole has taken everything around it away.
      if (systemCode(error) !== "ENOENT") throw error;
    });
    await this.claim.release();
    await rm(aside, { recursive: true, force: true });
  }

  /** Leaves it to whoever goes on with it. One without a finished shard is removed. */
  async release(): Promise<void> {
    if (this.#records.length === 0) await this.remove();
    else await this.claim.release();
  }

  #recordPath({ from, to }: Pick<ShardRecord, "from" | "to">): string {
    return join(this.folder, PartialOutput.fileName(from, to).replace(/npy$/, "json"));
  }

  async #read(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const names = await readdir(this.folder);
    const found: ShardRecord[] = [];
    for (const name of names.filter((text) => /^\d+-\d+\.json$/.test(text)).sort()) {
      const record = await readRecord(this.folder, name);
      if (record !== null && record.from >= (found.at(-1)?.to ?? 0)) found.push(record);
    }
    this.#records.push(...found);
    const kept = new Set(found.flatMap((record) => [this.#recordPath(record), ...(record.file === null ? [] : [this.path(record.file.name)])]));
    // Half-written shards, and what their writers put aside.
    for (const name of names) if (/^\d+-\d+\./.test(name) && !kept.has(this.path(name))) await rm(this.path(name), { force: true });
  }
}

/** The record in a file, if it is whole and its shard's file has the right size; the checksum is compared when the shard is used. */
async function readRecord(folder: string, name: string): Promise<ShardRecord | null> {
  try {
    const { seal, ...record } = JSON.parse(await readFile(join(folder, name), "utf8")) as SealedRecord;
    if (record.schemaVersion !== SCHEMA_VERSION || seal !== sealOf(record)) return null;
    if (record.file !== null && (await stat(join(folder, record.file.name))).size !== record.file.bytes) return null;
    const { from, to, rows, file, skipped } = record;
    return { from, to, rows, file, skipped };
  } catch {
    return null;
  }
}

function sealOf(record: Omit<SealedRecord, "seal">): string {
  return textSha256(canonicalJson(record as unknown as Json));
}
