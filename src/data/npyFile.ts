import { type FileHandle, open } from "node:fs/promises";

import { encodeNpyHeader, type NpyDtype } from "./npyHeader.js";

/** A .npy file written from first to last in pieces, for arrays larger than memory. */
export class NpyFile {
  private constructor(private readonly file: FileHandle) {}

  /** Begins the file with its header; whoever uses it renames it when it is whole. */
  static async create(path: string, dtype: NpyDtype, shape: readonly number[]): Promise<NpyFile> {
    const file = await open(path, "wx");
    await file.writeFile(encodeNpyHeader(dtype, shape));
    return new NpyFile(file);
  }

  /** Adds little-endian elements. */
  async append(chunk: Buffer): Promise<void> {
    await this.file.writeFile(chunk);
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
