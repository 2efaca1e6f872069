import { open, stat } from "node:fs/promises";

import { type CmcrError, dataError, systemCode } from "../errors.js";
import { unreadableFile } from "./tables/textStream.js";

/**
 * The part of HDF5 that small lists of numbers need, after the format's specification, version 3.0
 * (support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html): a superblock of version 0, as h5py
 * and most writers make by default, groups with symbol tables, and datasets in one piece.
 */

const SIGNATURE = Buffer.from([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Lists of row numbers have a few kilobytes. */
const LARGEST_FILE = 1 << 28;
/** More headers, entries or levels are no file that anybody wrote. */
const MOST_STEPS = 100_000;

const MESSAGE = { dataspace: 0x01, datatype: 0x03, layout: 0x08, filters: 0x0b, continuation: 0x10 } as const;

/**
 * A one-dimensional dataset of integers at the top of an HDF5 file, by its name. Rejects with
 * exit 3 when the file is not there, is no HDF5 file, is larger than 256 MiB, has no such
 * dataset, or has it in a layout that is not read (chunks, compression, other numbers).
 */
export async function readIntegers(path: string, name: string): Promise<readonly number[]> {
  const bytes = await readAll(path);
  try {
    return new Hdf5(path, bytes).integers(name);
  } catch (error) {
    // Reading beyond the end.
    if (error instanceof RangeError) throw bad(path, "it is damaged: a place that it refers to is not in it", error);
    throw error;
  }
}

async function readAll(path: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > LARGEST_FILE) throw bad(path, `it has ${size} bytes, and a list of row numbers has a few thousand`);
    const file = await open(path, "r");
    try {
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw systemCode(error) === "" ? error : unreadableFile(path, error);
  }
}

interface Message {
  readonly type: number;
  readonly at: number;
  readonly length: number;
}

class Hdf5 {
  #steps = 0;

  constructor(
    private readonly path: string,
    private readonly bytes: Buffer,
  ) {
    if (!bytes.subarray(0, 8).equals(SIGNATURE)) throw bad(path, "this is no HDF5 file");
    const version = bytes.readUInt8(8);
    if (version > 1) throw this.#unread(`its superblock is of version ${version}`);
    if (bytes.readUInt8(13) !== 8 || bytes.readUInt8(14) !== 8) throw this.#unread("its addresses have not eight bytes");
  }

  integers(name: string): readonly number[] {
    const { names, address } = this.#find(name);
    if (address === null) throw bad(this.path, `expected the dataset "${name}" in it, found ${names.length === 0 ? "none" : names.join(", ")}`);
    const messages = this.#messages(address);
    if (messages.some(({ type }) => type === MESSAGE.filters)) throw this.#unread(`"${name}" is compressed`);
    const count = this.#count(name, messages);
    const { size, signed } = this.#integerType(name, messages);
    const data = this.#data(name, messages);
    if (data.length < count * size) throw bad(this.path, `"${name}" has ${count} numbers of ${size} bytes, and ${data.length} bytes are there`);
    return Array.from({ length: count }, (_, index) => this.#integer(data, index * size, size, signed, name));
  }

  /** Address of a dataset's header, and the names that there are. */
  #find(name: string): { readonly names: readonly string[]; readonly address: number | null } {
    // The root group's symbol table entry ends the superblock; version 1 has four more bytes before it.
    const entry = this.bytes.readUInt8(8) === 0 ? 56 : 60;
    const group = this.#messages(this.#address(entry + 8)).find(({ type }) => type === 0x11);
    if (group === undefined) throw this.#unread("its root group has no symbol table");
    const heap = this.#heapData(this.#address(group.at + 8));
    const names: string[] = [];
    let address: number | null = null;
    for (const at of this.#symbols(this.#address(group.at))) {
      const start = heap + this.#address(at);
      const own = this.bytes.subarray(start, this.bytes.indexOf(0, start)).toString("utf8");
      if (names.length < 20) names.push(own);
      if (own === name) address = this.#address(at + 8);
    }
    return { names, address };
  }

  /** Places of all symbol table entries below a node of the group's B-tree. */
  *#symbols(node: number): Generator<number> {
    this.#step();
    const signature = this.bytes.subarray(node, node + 4).toString("latin1");
    if (signature === "SNOD") {
      const count = this.bytes.readUInt16LE(node + 6);
      for (let index = 0; index < count; index += 1) yield node + 8 + index * 40;
      return;
    }
    if (signature !== "TREE") throw bad(this.path, "it is damaged: a group's index is not where it should be");
    const entries = this.bytes.readUInt16LE(node + 6);
    // Keys and children take turns, a key first.
    for (let index = 0; index < entries; index += 1) yield* this.#symbols(this.#address(node + 24 + 8 + index * 16));
  }

  #heapData(heap: number): number {
    if (this.bytes.subarray(heap, heap + 4).toString("latin1") !== "HEAP") throw bad(this.path, "it is damaged: a group's names are not where they should be");
    return this.#address(heap + 24);
  }

  /** The messages of an object header of version 1, continuations included. */
  #messages(header: number): readonly Message[] {
    if (this.bytes.readUInt8(header) !== 1) throw this.#unread(`an object header is of version ${this.bytes.readUInt8(header)}`);
    const found: Message[] = [];
    const blocks = [{ at: header + 16, end: header + 16 + this.bytes.readUInt32LE(header + 8) }];
    for (const block of blocks) {
      let { at } = block;
      while (at + 8 <= block.end) {
        this.#step();
        const message = { type: this.bytes.readUInt16LE(at), at: at + 8, length: this.bytes.readUInt16LE(at + 2) };
        if (message.type === MESSAGE.continuation) {
          const start = this.#address(message.at);
          blocks.push({ at: start, end: start + this.#address(message.at + 8) });
        } else found.push(message);
        at += 8 + message.length;
      }
    }
    return found;
  }

  #count(name: string, messages: readonly Message[]): number {
    const at = this.#message(name, messages, MESSAGE.dataspace, "shape");
    const version = this.bytes.readUInt8(at);
    const dimensions = this.bytes.readUInt8(at + 1);
    if (dimensions !== 1) throw bad(this.path, `"${name}" has ${dimensions} dimensions; a list of numbers has one`);
    return this.#address(at + (version === 1 ? 8 : 4));
  }

  #integerType(name: string, messages: readonly Message[]): { readonly size: number; readonly signed: boolean } {
    const at = this.#message(name, messages, MESSAGE.datatype, "type");
    const flags = this.bytes.readUInt8(at + 1);
    const size = this.bytes.readUInt32LE(at + 4);
    if ((this.bytes.readUInt8(at) & 0x0f) !== 0 || ![1, 2, 4, 8].includes(size)) throw bad(this.path, `"${name}" does not hold integers`);
    if ((flags & 1) !== 0) throw this.#unread(`"${name}" is big-endian`);
    return { size, signed: (flags & 8) !== 0 };
  }

  #data(name: string, messages: readonly Message[]): Buffer {
    const at = this.#message(name, messages, MESSAGE.layout, "place");
    const [version, kind] = [this.bytes.readUInt8(at), this.bytes.readUInt8(at + 1)];
    if (version !== 3 || kind > 1) throw this.#unread(`"${name}" is stored in chunks`);
    // Compact data stand in the message itself.
    if (kind === 0) return this.bytes.subarray(at + 4, at + 4 + this.bytes.readUInt16LE(at + 2));
    const start = this.#address(at + 2);
    return this.bytes.subarray(start, start + this.#address(at + 10));
  }

  #integer(data: Buffer, at: number, size: number, signed: boolean, name: string): number {
    if (size < 8) return signed ? data.readIntLE(at, size) : data.readUIntLE(at, size);
    const value = Number(signed ? data.readBigInt64LE(at) : data.readBigUInt64LE(at));
    if (!Number.isSafeInteger(value)) throw bad(this.path, `"${name}" holds ${value}, which is no row number`);
    return value;
  }

  #message(name: string, messages: readonly Message[], type: number, what: string): number {
    const found = messages.find((message) => message.type === type);
    if (found === undefined) throw bad(this.path, `"${name}" is no dataset: its ${what} is not told`);
    return found.at;
  }

  /** Eight bytes as a number. Thrown (RangeError) beyond what the file can have. */
  #address(at: number): number {
    const value = this.bytes.readBigUInt64LE(at);
    if (value > BigInt(this.bytes.length)) throw new RangeError("beyond the end");
    return Number(value);
  }

  #step(): void {
    this.#steps += 1;
    if (this.#steps > MOST_STEPS) throw bad(this.path, "it is damaged: its parts refer to each other without an end");
  }

  #unread(why: string): CmcrError {
    return bad(this.path, `${why}, which is not read. Write the numbers as a text file, one in each line, or as .npy, and name that`);
  }
}

function bad(path: string, why: string, cause?: unknown): CmcrError {
  return dataError(`${path}: ${why}.`, { reason: "BAD_HDF5", path, ...(cause === undefined ? {} : { cause }) });
}
