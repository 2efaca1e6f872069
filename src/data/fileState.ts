import { createHash } from "node:crypto";
import { close, fstat, open, read, stat, type Stats, statSync } from "node:fs";
import { promisify } from "node:util";

import { systemCode } from "../errors.js";
import type { FileState } from "./manifestRecord.js";

/** The callback functions take a third of the time of `node:fs/promises`, which tells at a million files. */
const files = { open: promisify(open), close: promisify(close), stat: promisify(stat), fstat: promisify(fstat), read: promisify(read) };

/** Bytes read at once; several files are read at the same time. */
const READ_BYTES = 1 << 20;

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Reads a file, or a range of it, and sums it up. Never rejects: what prevents it is the state. */
export async function fileState(path: string, range: ByteRange | undefined): Promise<FileState> {
  try {
    // Before opening: to open a pipe would wait for its writer.
    const before = await files.stat(path);
    const problem = unfit(path, before, range);
    if (problem !== null) return problem;
    const { bytes, sha256 } = await checksum(path, range ?? { offset: 0, length: before.size });
    const after = await files.stat(path);
    if (after.size !== before.size || after.mtimeMs !== before.mtimeMs || bytes !== (range?.length ?? before.size)) {
      return { reason: "CHANGED", message: `${path} changed while it was read` };
    }
    return { bytes, sha256, size: before.size, mtimeMs: before.mtimeMs };
  } catch (error) {
    if (systemCode(error) === "") throw error;
    return refused(path, error);
  }
}

/** Whether a file still has the size and the time that it had when its checksum was made. */
export function isUnchanged(path: string, { size, mtimeMs }: { readonly size: number; readonly mtimeMs: number }): boolean {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found !== undefined && found.size === size && found.mtimeMs === mtimeMs;
  } catch {
    return false;
  }
}

/** The same without holding up anything else: for disks that answer slowly. */
export async function isUnchangedAsync(path: string, { size, mtimeMs }: { readonly size: number; readonly mtimeMs: number }): Promise<boolean> {
  const found = await files.stat(path).catch(() => null);
  return found !== null && found.size === size && found.mtimeMs === mtimeMs;
}

/** The bytes of a file or of a range of it. Rejects with the system's error. */
export async function readBytes(path: string, { offset, length }: ByteRange): Promise<Buffer> {
  const descriptor = await files.open(path, "r");
  try {
    const buffer = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await files.read(descriptor, buffer, done, length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return buffer.subarray(0, done);
  } finally {
    await files.close(descriptor);
  }
}

async function checksum(path: string, { offset, length }: ByteRange): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  if (length === 0) return { bytes: 0, sha256: hash.digest("hex") };
  const descriptor = await files.open(path, "r");
  try {
    // A pooled piece for small files; their number makes the difference.
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, length));
    let done = 0;
    while (done < length) {
      const { bytesRead } = await files.read(descriptor, buffer, 0, Math.min(buffer.length, length - done), offset + done);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      done += bytesRead;
    }
    return { bytes: done, sha256: hash.digest("hex") };
  } finally {
    await files.close(descriptor);
  }
}

function unfit(path: string, found: Stats, range: ByteRange | undefined): FileState | null {
  if (!found.isFile()) return { reason: "NOT_A_FILE", message: `${path} is ${found.isDirectory() ? "a folder" : "no regular file"}` };
  if (range !== undefined && range.offset + range.length > found.size) {
    return { reason: "TRUNCATED", message: `${path} ends before byte ${range.offset + range.length}, where the item ends` };
  }
  return null;
}

function refused(path: string, error: unknown): FileState {
  const code = systemCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") return { reason: "DATA_MISSING", message: `${path} is not there` };
  return { reason: "UNREADABLE", message: `${path} cannot be read (${code})` };
}
