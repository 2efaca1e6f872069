import { type FileHandle, open } from "node:fs/promises";

import { dataError, systemCode } from "../../errors.js";
import { compressedError, compressionOf, unreadableFile } from "../tables/textStream.js";
import type { Oddity } from "./items.js";
import { BLOCK, isZeroBlock, parsePax, parseTarHeader, type TarHeader, zeroEnded } from "./tarHeader.js";

/** What is read at once: little where members are skipped, and more and more where they follow closely. */
const SMALLEST_WINDOW = 1 << 13;
const LARGEST_WINDOW = 1 << 18;
/** Of a long name, or of a pax header. */
const LARGEST_EXTENSION_BYTES = 1 << 20;
/** Headers that describe one member. */
const MOST_EXTENSIONS = 16;

/** A file in a tar, and where its bytes lie. */
export interface TarMember {
  /** As the tar has it, a `./` at its start left out. */
  readonly name: string;
  readonly offset: number;
  readonly length: number;
  /** Whether the tar ends before the member does. */
  readonly cutOff: boolean;
  /** Its bytes; to be asked for before the next member is. Not of one that is cut off. */
  readonly content: () => Promise<Buffer>;
}

/**
 * The files in an uncompressed tar in their order, with the places of their bytes; nothing is
 * extracted, and headers alone are read. Folders are passed over. What is no plain file, a name
 * that leads upwards and a damaged header are reported and passed over: after a damaged one the
 * reading goes on at the next header. Rejects with exit 3 when the file cannot be read or is compressed.
 */
export async function* tarMembers(path: string, onOddity: (oddity: Oddity) => void, signal?: AbortSignal): AsyncGenerator<TarMember> {
  const file = await open(path, "r").catch((cause: unknown) => {
    throw unreadableFile(path, cause);
  });
  try {
    yield* new TarReader(path, file, (await file.stat()).size, onOddity, signal).members();
  } catch (error) {
    throw systemCode(error) === "" ? error : unreadableFile(path, error);
  } finally {
    await file.close();
  }
}

/** What the headers before a member's own say of it. */
interface Extensions {
  name?: string;
  bytes?: number;
  sparse?: boolean;
}

class TarReader {
  #at = 0;
  #window = Buffer.alloc(0);
  #windowStart = 0;
  #ahead = SMALLEST_WINDOW;

  constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    private readonly size: number,
    private readonly onOddity: (oddity: Oddity) => void,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async *members(): AsyncGenerator<TarMember> {
    await this.#checkFormat();
    let extensions: Extensions = {};
    let count = 0;
    let zeros = 0;
    let first = true;
    while (this.#at + BLOCK <= this.size) {
      this.signal?.throwIfAborted();
      const block = await this.#read(this.#at, BLOCK);
      if (isZeroBlock(block)) {
        zeros += 1;
        // Two of them end a tar.
        if (zeros === 2) return;
        this.#at += BLOCK;
        continue;
      }
      zeros = 0;
      const header = parseTarHeader(block);
      if (header === null) {
        if (first) throw dataError(`${this.path} is no tar, or its first header is damaged.`, { reason: "BAD_TAR", path: this.path });
        await this.#resume();
        extensions = {};
        continue;
      }
      first = false;
      if (isExtension(header)) {
        count += 1;
        if (count > MOST_EXTENSIONS) throw dataError(`${this.path}: more than ${MOST_EXTENSIONS} headers at byte ${this.#at} describe one member.`, { reason: "BAD_TAR", path: this.path });
        extensions = { ...extensions, ...(await this.#extension(header)) };
        this.#at += BLOCK + padded(header.bytes);
        continue;
      }
      const member = await this.#member(header, extensions);
      [extensions, count] = [{}, 0];
      if (member !== null) yield member;
    }
    if (this.#at < this.size && this.size % BLOCK !== 0) this.#odd("CUT_OFF", this.path, `${this.path} ends within a header; what came after it is lost`);
  }

  /** The member of a header, or null where it is none that could be an item; moves on to the next header. */
  async #member(header: TarHeader, extensions: Extensions): Promise<TarMember | null> {
    const start = this.#at;
    const name = (extensions.name ?? header.name).replace(/^(\.\/)+/, "");
    const length = extensions.bytes ?? header.bytes;
    let offset = start + BLOCK;
    for (let extended = header.extended; extended; offset += BLOCK) extended = offset + BLOCK <= this.size && (await this.#read(offset, BLOCK))[504] === 1;
    // Links have no bytes, whatever their header says.
    this.#at = offset + (header.type === "1" || header.type === "2" ? 0 : padded(length));
    if (header.type === "5" || (header.type === "0" && name.endsWith("/"))) return null;
    const place = `${this.path}, ${name}`;
    if (header.type === "S" || extensions.sparse === true) return this.#odd("SPARSE_MEMBER", place, `${name} is stored with gaps (sparse), which are not read; make the tar without --sparse`);
    if (header.type !== "0") return this.#odd("NOT_A_FILE", place, `${name} is no plain file (type ${JSON.stringify(header.type)}), and is passed over`);
    if (name === "" || name.startsWith("/") || name.split("/").includes("..")) {
      return this.#odd("PATH_LEADS_OUT", place, `the name ${JSON.stringify(name)} leads out of the tar, and is passed over`);
    }
    const cutOff = offset + length > this.size;
    if (cutOff) this.#odd("CUT_OFF", place, `${name} should end at byte ${offset + length} of a tar of ${this.size} bytes`);
    return { name, offset, length, cutOff, content: async () => Buffer.from(await this.#read(offset, length)) };
  }

  /** What a long name's or a pax header says; the fields that do not concern us are passed over. */
  async #extension(header: TarHeader): Promise<Extensions> {
    if (header.type === "K" || header.type === "g") return {};
    if (header.bytes > LARGEST_EXTENSION_BYTES || this.#at + BLOCK + header.bytes > this.size) {
      this.#odd("DAMAGED_HEADER", this.path, `the extended header at byte ${this.#at} claims ${header.bytes} bytes, and is passed over`);
      return {};
    }
    const data = await this.#read(this.#at + BLOCK, header.bytes);
    if (header.type === "L") return { name: zeroEnded(data) };
    const fields = parsePax(data);
    if (fields === null) {
      this.#odd("DAMAGED_HEADER", this.path, `the extended header at byte ${this.#at} is malformed, and is passed over`);
      return {};
    }
    const name = fields.get("path");
    const bytes = Number(fields.get("size") ?? NaN);
    return {
      ...(name === undefined ? {} : { name }),
      ...(Number.isSafeInteger(bytes) && bytes >= 0 ? { bytes } : {}),
      ...([...fields.keys()].some((key) => key.startsWith("GNU.sparse.")) ? { sparse: true } : {}),
    };
  }

  /** Looks for the next header after one that is damaged. */
  async #resume(): Promise<void> {
    const from = this.#at;
    for (this.#at += BLOCK; this.#at + BLOCK <= this.size; this.#at += BLOCK) {
      this.signal?.throwIfAborted();
      const block = await this.#read(this.#at, BLOCK);
      if (!isZeroBlock(block) && parseTarHeader(block) !== null) break;
    }
    const to = Math.min(this.#at, this.size);
    this.#odd("DAMAGED_HEADER", this.path, `the header at byte ${from} is damaged; ${to - from} bytes up to ${to < this.size ? "the next one" : "the end"} are passed over`);
  }

  async #checkFormat(): Promise<void> {
    if (this.size === 0) throw dataError(`${this.path} is empty.`, { reason: "BAD_TAR", path: this.path });
    const compression = compressionOf(await this.#read(0, Math.min(BLOCK, this.size)));
    if (compression !== null) throw compressedError(this.path, compression);
    if (this.size < BLOCK) throw dataError(`${this.path} is no tar: it has ${this.size} bytes.`, { reason: "BAD_TAR", path: this.path });
  }

  /** Bytes that are in the file; what was read with them is kept. */
  async #read(start: number, length: number): Promise<Buffer> {
    if (start < this.#windowStart || start + length > this.#windowStart + this.#window.length) {
      const end = this.#windowStart + this.#window.length;
      const follows = start >= this.#windowStart && start <= end;
      this.#ahead = follows ? Math.min(2 * this.#ahead, LARGEST_WINDOW) : SMALLEST_WINDOW;
      const window = Buffer.allocUnsafe(Math.min(Math.max(this.#ahead, length), this.size - start));
      let done = 0;
      while (done < window.length) {
        const { bytesRead } = await this.file.read(window, done, window.length - done, start + done);
        if (bytesRead === 0) throw dataError(`${this.path} became shorter while it was read.`, { reason: "CHANGED", path: this.path });
        done += bytesRead;
      }
      [this.#window, this.#windowStart] = [window, start];
    }
    const at = start - this.#windowStart;
    return this.#window.subarray(at, at + length);
  }

  #odd(reason: string, place: string, message: string): null {
    this.onOddity({ reason, place, message });
    return null;
  }
}

function isExtension({ type }: TarHeader): boolean {
  return type === "x" || type === "g" || type === "L" || type === "K";
}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}
