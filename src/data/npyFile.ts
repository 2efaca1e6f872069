import { type FileHandle, open } from "node:fs/promises";

import { encodeNpyHeader, type NpyDtype } from "./npyHeader.js";

/** A .npy file written from first to last in pieces, for arrays larger than memory. */
export class NpyFile {
  #bytes = 0;

  private constructor(private readonly file: FileHandle) {}

  /** What was written so far, the header included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Begins the file with its header; whoever uses it renames it when it is whole. */
  static async create(path: string, dtype: NpyDtype, shape: readonly number[]): Promise<NpyFile> {
    const file = await open(path, "wx");
    const npy = new NpyFile(file);
    await npy.append(encodeNpyHeader(dtype, shape));
    return npy;
  }

  /** Adds little-endian elements. */
  async append(chunk: Uint8Array): Promise<void> {
    await this.file.writeFile(chunk);
    this.#bytes += chunk.length;
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
