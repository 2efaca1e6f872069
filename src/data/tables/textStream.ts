import { createReadStream } from "node:fs";

import { type CmcrError, dataError, systemCode } from "../../errors.js";

const READ_BYTES = 256 * 1024;

/** First bytes of compressed files, which people name like what is in them. */
const COMPRESSED: readonly { readonly magic: Buffer; readonly name: string; readonly command: string }[] = [
  { magic: Buffer.from([0x1f, 0x8b]), name: "gzip", command: "gunzip" },
  { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), name: "zstd", command: "unzstd" },
  { magic: Buffer.from("BZh", "latin1"), name: "bzip2", command: "bunzip2" },
  { magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]), name: "xz", command: "unxz" },
];

/** What a file is compressed with, told by its first bytes, or null. */
export function compressionOf(start: Buffer): { readonly name: string; readonly command: string } | null {
  return COMPRESSED.find(({ magic }) => start.subarray(0, magic.length).equals(magic)) ?? null;
}

/** The error for a compressed file where its content was expected. */
export function compressedError(path: string, { name, command }: { readonly name: string; readonly command: string }): CmcrError {
  return dataError(`${path} is compressed (${name}), and is read uncompressed. Run: ${command} on it, and name what comes out.`, { reason: "COMPRESSED", path });
}

/** The error for a file of a source that cannot be opened or read. */
export function unreadableFile(path: string, cause: unknown): CmcrError {
  const code = systemCode(cause);
  if (code === "ENOENT" || code === "ENOTDIR") return dataError(`${path} is not there.`, { reason: "DATA_MISSING", path, cause });
  if (code === "EISDIR") return dataError(`${path} is a folder; a file was expected.`, { reason: "UNREADABLE", path, cause });
  return dataError(`${path} cannot be read (${code}). Does it exist, and may you read it?`, { reason: "UNREADABLE", path, cause });
}

/**
 * The text of a UTF-8 file in pieces, a byte order mark left out. Rejects with exit 3
 * when it cannot be read, is compressed, or is not UTF-8.
 */
export async function* textOf(path: string, signal?: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let lines = 1;
  let first = true;
  const decode = (bytes?: Buffer): string => {
    try {
      const text = bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
      return text;
    } catch (cause) {
      throw dataError(`${path} is not UTF-8 (near line ${lines}). Convert it, for instance with iconv.`, { reason: "NOT_UTF8", path, cause });
    }
  };
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) {
      signal?.throwIfAborted();
      const bytes = chunk as Buffer;
      const compression = first ? compressionOf(bytes) : null;
      if (compression !== null) throw compressedError(path, compression);
      first = false;
      const text = decode(bytes);
      yield text;
      lines += countLines(bytes);
    }
    const rest = decode();
    if (rest !== "") yield rest;
  } catch (error) {
    throw systemCode(error) === "" ? error : unreadableFile(path, error);
  }
}

function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}
