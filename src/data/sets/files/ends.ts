import { close as closeCallback, fstat as fstatCallback, open as openCallback, read as readCallback } from "node:fs";
import { promisify } from "node:util";

const open = promisify(openCallback);
const close = promisify(closeCallback);
const fstat = promisify(fstatCallback);

/** Bytes of each end that are read. */
export const END_BYTES = 4096;

/** The ends of a file, and more of it where that is asked for. */
export interface FileEnds {
  readonly size: number;
  /** The first bytes, `END_BYTES` at most. */
  readonly head: Buffer;
  /** The last bytes, `END_BYTES` at most. */
  readonly tail: Buffer;
  /** Other bytes of it; fewer where it ends before. */
  readonly read: (offset: number, length: number) => Promise<Buffer>;
}

/** Opens a file, reads its ends and hands them to `work`. Rejects as the system does. */
export async function withEnds<T>(path: string, work: (ends: FileEnds) => T | Promise<T>): Promise<T> {
  const file = await open(path, "r");
  try {
    const { size } = await fstat(file);
    const read = async (offset: number, length: number): Promise<Buffer> => {
      const wanted = Math.max(0, Math.min(length, size - offset));
      const buffer = Buffer.allocUnsafe(wanted);
      const count = await new Promise<number>((resolve, reject) => {
        readCallback(file, buffer, 0, wanted, offset, (error, bytes) => {
          if (error === null) resolve(bytes);
          else reject(error);
        });
      });
      return buffer.subarray(0, count);
    };
    const head = await read(0, END_BYTES);
    const tail = size <= END_BYTES ? head : await read(size - END_BYTES, END_BYTES);
    return await work({ size, head, tail, read });
  } finally {
    await close(file);
  }
}
