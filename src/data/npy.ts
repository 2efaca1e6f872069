/**
 * numpy's .npy files, versions 1 to 3: plain little-endian numbers in row-major
 * order, read without ever evaluating or unpickling anything.
 */

import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type CmcrError, systemCode } from "../errors.js";
import { decodeFloat16 } from "./npyFloat16.js";
import {
  ELEMENT_BYTES,
  encodeNpyHeader,
  formatShape,
  type NpyDtype,
  npyError,
  type NpyHeader,
  parseNpyHeader,
  parseNpyPreamble,
  PREAMBLE_BYTES,
  truncatedHeader,
} from "./npyHeader.js";

export type { NpyDtype, NpyHeader } from "./npyHeader.js";

/** Elements as JavaScript holds them: float16 is widened to float32, bool is 0 or 1. */
export type NpyData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** An array in memory, row-major, with the type that its file has. */
export interface NpyArray {
  readonly dtype: NpyDtype;
  readonly shape: readonly number[];
  readonly data: NpyData;
}

/** Data of more bytes are refused unless the caller allows more. */
export const DEFAULT_MAX_BYTES = 1 << 30;

/** Reads are split so: one call to the system takes 2 GiB at most. */
const READ_BYTES = 1 << 26;

type Decode = (buffer: ArrayBuffer) => NpyData;
const DECODERS: Readonly<Record<NpyDtype, Decode>> = {
  float16: (buffer) => decodeFloat16(new Uint16Array(buffer)),
  float32: (buffer) => new Float32Array(buffer),
  float64: (buffer) => new Float64Array(buffer),
  bool: (buffer) => new Uint8Array(buffer),
  int8: (buffer) => new Int8Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  int16: (buffer) => new Int16Array(buffer),
  uint16: (buffer) => new Uint16Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  uint32: (buffer) => new Uint32Array(buffer),
  int64: (buffer) => new BigInt64Array(buffer),
  uint64: (buffer) => new BigUint64Array(buffer),
};

const DTYPE_OF_CLASS: ReadonlyMap<unknown, NpyDtype> = new Map<unknown, NpyDtype>([
  [Float32Array, "float32"],
  [Float64Array, "float64"],
  [Int8Array, "int8"],
  [Uint8Array, "uint8"],
  [Int16Array, "int16"],
  [Uint16Array, "uint16"],
  [Int32Array, "int32"],
  [Uint32Array, "uint32"],
  [BigInt64Array, "int64"],
  [BigUint64Array, "uint64"],
]);

/**
 * What a file holds, without its data. Thrown (exit 3) when the file is
 * missing, no regular file, no .npy file, or not as long as it declares.
 */
export async function readNpyHeader(path: string): Promise<NpyHeader> {
  return withFile(path, (file, bytes) => headerOf(file, bytes, path));
}

/**
 * A whole array. Thrown (exit 3) as for `readNpyHeader`, and when its data have
 * more than `maxBytes` bytes (default 1 GiB).
 */
export async function readNpy(path: string, options: { readonly maxBytes?: number } = {}): Promise<NpyArray> {
  const { maxBytes = DEFAULT_MAX_BYTES } = options;
  return withFile(path, async (file, fileBytes) => {
    const header = await headerOf(file, fileBytes, path);
    if (header.bytes > maxBytes) {
      throw npyError(path, "NPY_TOO_LARGE", `${header.dtype} of shape ${formatShape(header.shape)} has ${header.bytes} bytes, and ${maxBytes} are read at most. Split the file or take fewer rows.`);
    }
    const data = await readElements(file, header, 0, header.bytes, path);
    return { dtype: header.dtype, shape: header.shape, data };
  });
}

/**
 * Rows `start` to `start + count - 1` of an array with one dimension or more;
 * its shape has `count` in place of the first length. Thrown (exit 3) as for
 * `readNpyHeader`, and when the array has no such rows.
 */
export async function readNpyRows(path: string, start: number, count: number): Promise<NpyArray> {
  return withFile(path, async (file, fileBytes) => {
    const header = await headerOf(file, fileBytes, path);
    const [rows, ...rest] = header.shape;
    if (rows === undefined || start < 0 || count < 0 || start + count > rows) {
      throw npyError(path, "NPY_SHAPE", `rows ${start} to ${start + count - 1} were asked of an array of shape ${formatShape(header.shape)}.`);
    }
    const rowBytes = rest.reduce((product, length) => product * length, ELEMENT_BYTES[header.dtype]);
    const data = await readElements(file, header, start * rowBytes, count * rowBytes, path);
    return { dtype: header.dtype, shape: [count, ...rest], data };
  });
}

/**
 * Writes an array in one piece or not at all: aside, synced, renamed. The
 * file's type is the typed array's. Thrown (exit 3) when the disk refuses.
 */
export async function writeNpy(path: string, array: NpyData, shape: readonly number[]): Promise<void> {
  const elements = shape.reduce((product, length) => product * length, 1);
  if (elements !== array.length) throw new RangeError(`shape ${formatShape(shape)} does not hold ${array.length} elements`);
  const dtype = DTYPE_OF_CLASS.get(array.constructor);
  if (dtype === undefined) throw new TypeError(`no .npy type for ${array.constructor.name}`);
  const aside = `${path}.${process.pid}-${randomBytes(4).toString("hex")}.partial`;
  try {
    const file = await open(aside, "wx");
    try {
      await file.writeFile(encodeNpyHeader(dtype, shape));
      // The view, not the buffer: a typed array may be a window on a larger one.
      await file.writeFile(Buffer.from(array.buffer, array.byteOffset, array.byteLength));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(aside, { force: true });
    throw npyError(path, "FILE_UNWRITABLE", `the file could not be written (${systemCode(error)}). Check the folder, its permissions and the free space.`, error);
  }
}

async function withFile<T>(path: string, use: (file: FileHandle, bytes: number) => Promise<T>): Promise<T> {
  let file: FileHandle | undefined;
  try {
    // Before opening: to open a pipe would wait for its writer.
    const status = await stat(path);
    if (status.isDirectory()) throw npyError(path, "NOT_A_FILE", "this is a folder; a .npy file was expected. Name a file inside it.");
    if (!status.isFile()) throw npyError(path, "NOT_A_FILE", "this is no regular file; a .npy file was expected.");
    file = await open(path, "r");
    return await use(file, (await file.stat()).size);
  } catch (error) {
    throw systemCode(error) === "" ? error : unreadable(path, error);
  } finally {
    await file?.close();
  }
}

async function headerOf(file: FileHandle, fileBytes: number, path: string): Promise<NpyHeader> {
  const start = await readUpTo(file, 0, PREAMBLE_BYTES);
  const { textOffset, textBytes, utf8 } = parseNpyPreamble(start, path);
  const text = await readUpTo(file, textOffset, textBytes);
  if (text.length < textBytes) throw truncatedHeader(path);
  return parseNpyHeader(text.toString(utf8 ? "utf8" : "latin1"), textOffset + textBytes, fileBytes, path);
}

async function readUpTo(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, await readInto(file, buffer, position));
}

/** The bytes that there were; fewer than the buffer takes only at the file's end. */
async function readInto(file: FileHandle, buffer: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const length = Math.min(READ_BYTES, buffer.length - done);
    const { bytesRead } = await file.read(buffer, done, length, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

async function readElements(file: FileHandle, header: NpyHeader, offset: number, bytes: number, path: string): Promise<NpyData> {
  let buffer: ArrayBuffer;
  try {
    // A buffer of its own starts aligned for every element type; Node's pooled ones do not.
    buffer = new ArrayBuffer(bytes);
  } catch (error) {
    throw npyError(path, "NPY_TOO_LARGE", `there is no memory for ${bytes} bytes at once. Split the file or take fewer rows.`, error);
  }
  const done = await readInto(file, new Uint8Array(buffer), header.dataOffset + offset);
  if (done < bytes) throw npyError(path, "NPY_TRUNCATED", "the file became shorter while it was read. Write it again, then repeat.");
  return DECODERS[header.dtype](buffer);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function unreadable(path: string, error: unknown): CmcrError {
  const code = systemCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return npyError(path, "FILE_MISSING", "there is no such file. Check the path.", error);
  }
  return npyError(path, "FILE_UNREADABLE", `the file cannot be read (${code}). Check its permissions.`, error);
}
