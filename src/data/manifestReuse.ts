import type { ManifestHeader, ManifestReader } from "./manifestFile.js";
import { type FileRecord, type FileState, isFile, isReadable } from "./manifestRecord.js";

/** File systems whose times are coarse give a later change the same time; what is so fresh is read again. */
export const COARSE_MS = 2_000;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Whether a file changed so shortly before it was read that a later change may not show in its time. */
export function isTooFresh(state: { readonly mtimeMs: number }, readAtMs: number): boolean {
  return state.mtimeMs >= readAtMs - COARSE_MS;
}

/**
 * Finds the checksums of an older manifest by the files that they are of. Kept of each item
 * are only a hash and a place, 20 bytes or so: a million items take 20 MB.
 */
export class KnownChecksums {
  readonly #hashes: Uint32Array;
  readonly #offsets: Float64Array;
  /** Item number plus 1 in each slot; 0 where it is free. */
  readonly #slots: Uint32Array;
  #count = 0;

  private constructor(
    private readonly reader: ManifestReader,
    private readonly header: ManifestHeader,
  ) {
    this.#hashes = new Uint32Array(header.count);
    this.#offsets = new Float64Array(header.count + 1);
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(Math.max(2, header.count * 1.5))));
  }

  /** Indexes a manifest whose items are whole; the reader stays the caller's to close. */
  static async of(reader: ManifestReader, header: ManifestHeader): Promise<KnownChecksums> {
    const known = new KnownChecksums(reader, header);
    let offset = 0;
    for await (const lines of reader.lines({ from: 0, to: header.count })) {
      for (const line of lines) {
        const record = JSON.parse(line) as FileRecord;
        known.#add(isFile(record) ? hashOf(record) : 0, offset);
        offset += Buffer.byteLength(line) + 1;
      }
    }
    return known;
  }

  /** What an older reading found in a file that has not changed since; null where that is not sure. */
  async find(file: Pick<FileRecord, "path" | "range">, size: number, mtimeMs: number): Promise<FileState | null> {
    if (isTooFresh({ mtimeMs }, this.header.readAtMs)) return null;
    const hash = hashOf(file);
    for (let slot = hash & (this.#slots.length - 1); ; slot = (slot + 1) & (this.#slots.length - 1)) {
      const entry = (this.#slots[slot] ?? 0) - 1;
      if (entry < 0) return null;
      if (this.#hashes[entry] !== hash) continue;
      const offset = this.#offsets[entry] ?? 0;
      const record = await this.reader.recordAt(offset, (this.#offsets[entry + 1] ?? 0) - offset);
      if (!isFile(record) || record.path !== file.path || record.range?.offset !== file.range?.offset || record.range?.length !== file.range?.length) continue;
      return isReadable(record.state) && record.state.size === size && record.state.mtimeMs === mtimeMs ? record.state : null;
    }
  }

  #add(hash: number, offset: number): void {
    const entry = this.#count;
    this.#count += 1;
    this.#hashes[entry] = hash;
    this.#offsets[entry] = offset;
    this.#offsets[entry + 1] = this.header.items.bytes;
    let slot = hash & (this.#slots.length - 1);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1);
    this.#slots[slot] = entry + 1;
  }
}

/** FNV-1a over the UTF-16 units of a path and the beginning of a range. */
function hashOf({ path, range }: Pick<FileRecord, "path" | "range">): number {
  const key = range === undefined ? path : `${path}\0${range.offset}`;
  let hash = FNV_OFFSET;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), FNV_PRIME);
  return hash >>> 0;
}
