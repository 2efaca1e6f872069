import { open } from "node:fs/promises";

import { dataError, type CmcrError } from "../errors.js";

/** What a .safetensors file says of its only matrix. */
export interface SafetensorsHeader {
  /** As numpy names it where it has a name for it, such as float32. */
  readonly dtype: string;
  readonly shape: readonly number[];
}

const LENGTH_BYTES = 8;
const LARGEST_HEADER_BYTES = 16 * 1024 * 1024;
const NUMPY_NAMES: Readonly<Record<string, string>> = { F16: "float16", F32: "float32", F64: "float64", BF16: "bfloat16" };

/**
 * Reads the header of a .safetensors file with one tensor.
 * @throws CmcrError (exit 3) when the file cannot be read, is no such file, is
 * truncated, or holds other than one tensor.
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const prefix = Buffer.alloc(LENGTH_BYTES);
    const { bytesRead } = await file.read(prefix, 0, LENGTH_BYTES, 0);
    const length = bytesRead < LENGTH_BYTES ? 0 : Number(prefix.readBigUInt64LE());
    if (length < 2 || length > LARGEST_HEADER_BYTES || LENGTH_BYTES + length > size) throw corrupt(path, "it is no .safetensors file, or truncated");
    const header = Buffer.alloc(length);
    await file.read(header, 0, length, LENGTH_BYTES);
    return onlyTensor(path, parseHeader(path, header.toString("utf8")), size - LENGTH_BYTES - length);
  } finally {
    await file.close();
  }
}

function parseHeader(path: string, text: string): Readonly<Record<string, unknown>> {
  try {
    const header: unknown = JSON.parse(text);
    if (typeof header === "object" && header !== null && !Array.isArray(header)) return header as Readonly<Record<string, unknown>>;
  } catch {
    // Said below.
  }
  throw corrupt(path, "its header is no JSON object");
}

function onlyTensor(path: string, header: Readonly<Record<string, unknown>>, dataBytes: number): SafetensorsHeader {
  const names = Object.keys(header).filter((name) => name !== "__metadata__");
  const [name] = names;
  if (name === undefined || names.length > 1) {
    throw corrupt(path, `expected one tensor in it, found ${names.length === 0 ? "none" : names.join(", ")}`);
  }
  const { dtype, shape, data_offsets: offsets } = header[name] as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  if (typeof dtype !== "string" || !isWholeNumbers(shape) || !isWholeNumbers(offsets)) throw corrupt(path, `its entry ${name} is not well-formed`);
  if ((offsets[1] ?? 0) > dataBytes) throw corrupt(path, `its data are truncated: ${offsets[1] ?? 0} bytes announced, ${dataBytes} there`);
  return { dtype: NUMPY_NAMES[dtype] ?? dtype, shape };
}

function isWholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function corrupt(path: string, why: string): CmcrError {
  return dataError(`${path}: ${why}`, { reason: "DATA_CORRUPT", path });
}
