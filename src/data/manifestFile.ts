import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";

import { dataError } from "../errors.js";
import { canonicalJson, type Json, textSha256 } from "../store/checksums.js";
import { syncFolder, writeFileWhole } from "../store/files.js";
import type { ItemRange } from "./itemList.js";
import type { ManifestRecord } from "./manifestRecord.js";
import type { Oddity } from "./sources/items.js";

/** Layout of a manifest; raised when a reader of the old one would misread the new one. */
const SCHEMA_VERSION = 1;
/** One item a line. */
export const ITEMS_FILE = "items.jsonl";
/** What there is to know of all of them; written last. */
export const HEADER_FILE = "manifest.json";

/** The place of every so-manieth line is kept: a range is found without reading what is before it. */
const INDEX_EVERY = 1024;
const READ_BYTES = 1 << 18;
const WRITE_BYTES = 1 << 18;
/** Oddities that are kept in full. */
const ODDITIES = 100;

/** What a manifest says beside its items. */
export interface ManifestHeader {
  readonly schemaVersion: number;
  /** Of the source, when it was read. */
  readonly fingerprint: string;
  readonly count: number;
  /** SHA-256 over ids, checksums and parts in order. */
  readonly digest: string;
  /** Numbers of the items that could not be read, ascending. */
  readonly unreadable: readonly number[];
  readonly attributes: readonly string[];
  readonly roots: readonly string[];
  /** Whether items lie in files, which can change by themselves. */
  readonly files: boolean;
  readonly oddities: { readonly count: number; readonly reasons: Readonly<Record<string, number>>; readonly first: readonly Oddity[] };
  /** When the reading of the files began: what changed later than shortly before that may be newer than its checksum. */
  readonly readAtMs: number;
  readonly createdAt: string;
  readonly items: { readonly bytes: number; readonly sha256: string };
  /** Byte at which every 1024th line of the items begins. */
  readonly offsets: readonly number[];
  /** SHA-256 of all the rest, as canonical JSON. */
  readonly seal: string;
}

/** Counts oddities by reason, and keeps the first ones. */
export class OddityList {
  readonly #reasons = new Map<string, number>();
  readonly #first: Oddity[] = [];
  #count = 0;

  readonly add = (oddity: Oddity): void => {
    this.#count += 1;
    this.#reasons.set(oddity.reason, (this.#reasons.get(oddity.reason) ?? 0) + 1);
    if (this.#first.length < ODDITIES) this.#first.push(oddity);
  };

  get summary(): ManifestHeader["oddities"] {
    return { count: this.#count, reasons: Object.fromEntries(this.#reasons), first: this.#first };
  }
}

/** Writes the lines of a manifest into a new folder, and at the end its header. */
export class ManifestWriter {
  readonly #hash: Hash = createHash("sha256");
  readonly #offsets: number[] = [];
  #lines: string[] = [];
  #waiting = 0;
  #bytes = 0;
  #count = 0;

  private constructor(
    private readonly folder: string,
    private readonly file: FileHandle,
  ) {}

  static async create(folder: string): Promise<ManifestWriter> {
    return new ManifestWriter(folder, await open(join(folder, ITEMS_FILE), "wx"));
  }

  get count(): number {
    return this.#count;
  }

  /** Takes one record; true when `flush` is due. */
  add(record: ManifestRecord): boolean {
    const line = `${JSON.stringify(record)}\n`;
    if (this.#count % INDEX_EVERY === 0) this.#offsets.push(this.#bytes + this.#waiting);
    this.#count += 1;
    this.#waiting += Buffer.byteLength(line);
    this.#lines.push(line);
    return this.#waiting >= WRITE_BYTES;
  }

  /** Writes what was taken. */
  async flush(): Promise<void> {
    const bytes = Buffer.from(this.#lines.join(""));
    this.#hash.update(bytes);
    await this.file.writeFile(bytes);
    this.#bytes += bytes.length;
    this.#lines = [];
    this.#waiting = 0;
  }

  /** Syncs the items and describes them. */
  async finish(facts: Pick<ManifestHeader, "fingerprint" | "digest" | "unreadable" | "attributes" | "roots" | "files" | "oddities" | "readAtMs">): Promise<ManifestHeader> {
    await this.flush();
    await this.file.sync();
    await this.close();
    const header = sealed({
      schemaVersion: SCHEMA_VERSION,
      ...facts,
      count: this.#count,
      createdAt: new Date().toISOString(),
      items: { bytes: this.#bytes, sha256: this.#hash.digest("hex") },
      offsets: this.#offsets,
      seal: "",
    });
    await writeHeader(this.folder, header);
    return header;
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

/** Writes a manifest's header whole or not at all. */
export async function writeHeader(folder: string, header: ManifestHeader): Promise<void> {
  await writeFileWhole(join(folder, HEADER_FILE), `${JSON.stringify(header)}\n`);
  await syncFolder(folder);
}

/** A header with its seal. */
export function sealed(header: ManifestHeader): ManifestHeader {
  return { ...header, seal: sealOf(header) };
}

/** The header of the manifest in a folder; null where there is none, or it is not whole. */
export async function readHeader(folder: string): Promise<ManifestHeader | null> {
  try {
    const header = JSON.parse(await readFile(join(folder, HEADER_FILE), "utf8")) as ManifestHeader;
    return header.schemaVersion === SCHEMA_VERSION && header.seal === sealOf(header) ? header : null;
  } catch {
    return null;
  }
}

function sealOf({ seal: _seal, ...rest }: ManifestHeader): string {
  return textSha256(canonicalJson(rest as unknown as Json));
}

/** Reads the lines of a manifest, wherever they begin; the file stays open until it is closed, so that a newer one may take its place. */
export class ManifestReader {
  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    private readonly header: ManifestHeader,
  ) {}

  /** Opens the items. Rejects with the system's error when they are not there. */
  static async open(folder: string, header: ManifestHeader): Promise<ManifestReader> {
    const path = join(folder, ITEMS_FILE);
    return new ManifestReader(path, await open(path, "r"), header);
  }

  /** All bytes of the items, in blocks. */
  async *bytes(): AsyncGenerator<Buffer> {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (let position = 0; ; ) {
      const { bytesRead } = await this.file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  /** Lines of a range of items, in blocks. Exit 3 where the file ends too soon. */
  async *lines({ from, to }: ItemRange): AsyncGenerator<readonly string[]> {
    let position = this.header.offsets[Math.floor(from / INDEX_EVERY)] ?? 0;
    let skip = from % INDEX_EVERY;
    let left = to - from;
    let rest = Buffer.alloc(0);
    while (left > 0) {
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, Math.max(1, this.header.items.bytes - position)));
      const { bytesRead } = await this.file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) throw this.#damaged();
      position += bytesRead;
      const read = buffer.subarray(0, bytesRead);
      const bytes = rest.length === 0 ? read : Buffer.concat([rest, read]);
      const end = bytes.lastIndexOf(0x0a) + 1;
      rest = bytes.subarray(end);
      if (end === 0) continue;
      const lines = bytes.toString("utf8", 0, end - 1).split("\n");
      const block = skip === 0 ? lines : lines.slice(skip);
      skip = Math.max(0, skip - lines.length);
      if (block.length === 0) continue;
      yield block.length > left ? block.slice(0, left) : block;
      left -= block.length;
    }
  }

  /** Records of a range of items, in blocks. */
  async *records(range: ItemRange): AsyncGenerator<readonly ManifestRecord[]> {
    for await (const lines of this.lines(range)) yield lines.map((line) => this.#parse(line));
  }

  /** The record whose line begins at a byte. */
  async recordAt(offset: number, length: number): Promise<ManifestRecord> {
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await this.file.read(buffer, 0, length, offset);
    return this.#parse(buffer.toString("utf8", 0, bytesRead));
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  #parse(line: string): ManifestRecord {
    try {
      return JSON.parse(line) as ManifestRecord;
    } catch {
      throw this.#damaged();
    }
  }

  #damaged(): Error {
    return dataError(`${this.path} is damaged. Remove its folder; it is made again.`, { reason: "CORRUPT", path: this.path });
  }
}
