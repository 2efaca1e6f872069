import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

import { dataError } from "../errors.js";

/** Large reads keep hashing at the speed of the disk. */
const READ_BYTES = 1024 * 1024;

/** SHA-256 of a file's bytes, lower-case hexadecimal; memory stays flat. Exit 3 when it cannot be read. */
export async function fileSha256(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) {
      signal?.throwIfAborted();
      hash.update(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof Error && "code" in error && typeof error.code === "string") {
      throw dataError(`${path} cannot be read (${error.code}).`, { reason: "UNREADABLE", path, cause: error });
    }
    throw error;
  }
  return hash.digest("hex");
}

/** SHA-256 of a text in UTF-8, lower-case hexadecimal. */
export function textSha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** SHA-256 of arrays' elements as they lie in memory, one array after the other, lower-case hexadecimal. */
export function arraysSha256(...arrays: readonly (Uint32Array | Int32Array | Float64Array)[]): string {
  const hash = createHash("sha256");
  for (const { buffer, byteOffset, byteLength } of arrays) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest("hex");
}

/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** JSON with sorted keys and no spaces: equal values give equal texts. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}
