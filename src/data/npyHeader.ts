import { type CmcrError, dataError } from "../errors.js";
import { LiteralError, type PythonLiteral, parsePythonLiteral } from "./npyLiteral.js";

/** The element types that are read, by their names in numpy. */
export type NpyDtype =
  | "float16"
  | "float32"
  | "float64"
  | "bool"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64";

/** What a .npy file says of its array. Data are little-endian and row-major. */
export interface NpyHeader {
  readonly dtype: NpyDtype;
  readonly shape: readonly number[];
  /** Where the data start, in bytes from the start of the file. */
  readonly dataOffset: number;
  /** Length of the data in bytes. */
  readonly bytes: number;
  readonly fortran: false;
}

/** Bytes of one element of each type. */
export const ELEMENT_BYTES: Readonly<Record<NpyDtype, number>> = {
  float16: 2,
  float32: 4,
  float64: 8,
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
};

const DTYPE_OF_CODE: ReadonlyMap<string, NpyDtype> = new Map<string, NpyDtype>([
  ["f2", "float16"],
  ["f4", "float32"],
  ["f8", "float64"],
  ["b1", "bool"],
  ["i1", "int8"],
  ["u1", "uint8"],
  ["i2", "int16"],
  ["u2", "uint16"],
  ["i4", "int32"],
  ["u4", "uint32"],
  ["i8", "int64"],
  ["u8", "uint64"],
]);

/** `\x93NUMPY`, two bytes of version, and a length of 4 bytes at most. */
export const PREAMBLE_BYTES = 12;
const MAGIC = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]);

/** numpy's own headers have about a hundred bytes. */
const MAX_HEADER_BYTES = 1 << 20;
const RESAVE = "Load the array in Python and write it again with numpy.save";

/** A complaint about the .npy file at `path`; `message` follows the file's name. */
export function npyError(path: string, reason: string, message: string, cause?: unknown): CmcrError {
  return dataError(`${path}: ${message}`, { reason, path, ...(cause === undefined ? {} : { cause }) });
}

/**
 * Where the header's text lies, from the file's first `PREAMBLE_BYTES`.
 * Thrown when the file is no .npy file, of an unknown version, or has a header
 * of more than a mebibyte.
 */
export function parseNpyPreamble(start: Buffer, path: string): { readonly textOffset: number; readonly textBytes: number; readonly utf8: boolean } {
  if (start.length < MAGIC.length || !start.subarray(0, MAGIC.length).equals(MAGIC)) {
    const found = start.length === 0 ? "it is empty" : `it begins with ${start.subarray(0, MAGIC.length).toString("hex")}`;
    throw npyError(path, "NPY_INVALID", `this is not a .npy file (${found}, not 934e554d5059). Write it with numpy.save.`);
  }
  if (start.length < 10) throw truncatedHeader(path);
  const major = start.readUInt8(6);
  if (major < 1 || major > 3) {
    throw npyError(path, "NPY_INVALID", `version ${major}.${start.readUInt8(7)} of the .npy format is unknown; 1.0 to 3.0 are read. ${RESAVE}.`);
  }
  const textOffset = major === 1 ? 10 : 12;
  if (start.length < textOffset) throw truncatedHeader(path);
  const textBytes = major === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
  if (textBytes > MAX_HEADER_BYTES) {
    throw npyError(path, "NPY_INVALID", `its header claims ${textBytes} bytes, which no array of numbers needs; the file is corrupt. ${RESAVE}.`);
  }
  return { textOffset, textBytes, utf8: major === 3 };
}

/** The error for a file that ends within its header. */
export function truncatedHeader(path: string): CmcrError {
  return npyError(path, "NPY_TRUNCATED", "the file ends within its header. Copy or write it again.");
}

/**
 * Reads the header's dict and holds it against the file's size in bytes.
 * Thrown when the dict is malformed, the elements are not plain little-endian
 * numbers in row-major order, or the data are shorter or longer than declared.
 */
export function parseNpyHeader(text: string, dataOffset: number, fileBytes: number, path: string): NpyHeader {
  const fields = parseFields(text, path);
  const dtype = parseDtype(fields.get("descr"), path);
  const fortran = fields.get("fortran_order");
  if (typeof fortran !== "boolean") throw malformed(path, "'fortran_order' is not True or False");
  const shape = parseShape(fields.get("shape"), path);
  if (fortran && shape.length > 1) {
    throw npyError(path, "NPY_FORTRAN_ORDER", "the array lies column by column (Fortran order); rows are needed. Write it with numpy.save(path, numpy.ascontiguousarray(array)).");
  }
  const bytes = shape.reduce((product, length) => product * length, ELEMENT_BYTES[dtype]);
  const present = fileBytes - dataOffset;
  const declared = `${dtype} of shape ${formatShape(shape)} needs ${bytes} bytes of data`;
  if (!Number.isSafeInteger(bytes)) {
    throw npyError(path, "NPY_SHAPE", `the shape ${formatShape(shape)} is impossibly large for a file of ${fileBytes} bytes; its header is corrupt. ${RESAVE}.`);
  }
  if (present < bytes) throw npyError(path, "NPY_TRUNCATED", `the file is truncated: ${declared}, and ${present} are there. Copy or write it again.`);
  if (present > bytes) throw npyError(path, "NPY_TRAILING_DATA", `${declared}, and ${present} are there; the header and the data do not belong together. Write the file again.`);
  return { dtype, shape, dataOffset, bytes, fortran: false };
}

/** A shape as Python prints it, such as `(3, 4)` or `(3,)`. */
export function formatShape(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0] ?? 0},)` : `(${shape.join(", ")})`;
}

/** The header of version 1.0 for an array, padded so that the data start at a multiple of 64. */
export function encodeNpyHeader(dtype: NpyDtype, shape: readonly number[]): Buffer {
  const code = [...DTYPE_OF_CODE].find(([, name]) => name === dtype)?.[0] ?? "";
  const descr = `${ELEMENT_BYTES[dtype] === 1 ? "|" : "<"}${code}`;
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${formatShape(shape)}, }`;
  const text = `${dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11)}\n`;
  const start = Buffer.alloc(10);
  MAGIC.copy(start);
  start.writeUInt8(1, 6);
  start.writeUInt16LE(text.length, 8);
  return Buffer.concat([start, Buffer.from(text, "latin1")]);
}

function parseFields(text: string, path: string): ReadonlyMap<string, PythonLiteral> {
  let literal: PythonLiteral;
  try {
    literal = parsePythonLiteral(text);
  } catch (error) {
    if (error instanceof LiteralError) throw malformed(path, `${error.message} at character ${error.offset}`);
    throw error;
  }
  if (!(literal instanceof Map)) throw malformed(path, "it is not a dict");
  const keys = [...literal.keys()].sort().join(", ");
  if (keys !== "descr, fortran_order, shape") throw malformed(path, `its keys are ${keys || "none"}, not descr, fortran_order, shape`);
  return literal as ReadonlyMap<string, PythonLiteral>;
}

function parseDtype(descr: PythonLiteral | undefined, path: string): NpyDtype {
  if (Array.isArray(descr)) {
    throw npyError(path, "NPY_DTYPE", "the array has named fields (a structured dtype); plain numbers are needed. Save one of its fields.");
  }
  if (typeof descr !== "string") throw malformed(path, "'descr' is not a string");
  const order = /^[<>=|]/.exec(descr)?.[0] ?? "";
  const code = descr.slice(order.length);
  if (code.startsWith("O")) {
    throw npyError(path, "NPY_PICKLED", "the file holds pickled Python objects, which are never loaded. Save plain numbers: numpy.save(path, numpy.stack(array).astype('float32')).");
  }
  const dtype = DTYPE_OF_CODE.get(code);
  if (dtype === undefined) {
    throw npyError(path, "NPY_DTYPE", `its elements are '${descr}'; ${[...DTYPE_OF_CODE.values()].join(", ")} are read. Save it as one of these.`);
  }
  if (order === ">" && ELEMENT_BYTES[dtype] > 1) {
    throw npyError(path, "NPY_BIG_ENDIAN", `its elements are big-endian ('${descr}'). Write it with numpy.save(path, array.astype('<${code}')).`);
  }
  return dtype;
}

function parseShape(shape: PythonLiteral | undefined, path: string): readonly number[] {
  if (!Array.isArray(shape)) throw malformed(path, "'shape' is not a tuple");
  const lengths = shape as readonly PythonLiteral[];
  const numbers = lengths.filter((length): length is number => typeof length === "number" && length >= 0);
  if (numbers.length !== lengths.length) throw malformed(path, "'shape' holds something other than lengths");
  return numbers;
}

function malformed(path: string, what: string): CmcrError {
  return npyError(path, "NPY_INVALID", `its header is malformed: ${what}. ${RESAVE}.`);
}
