import { createReadStream } from "node:fs";

import { readNpyHeader } from "../npy.js";
import type { NpyFile } from "../npyFile.js";

const READ_BYTES = 1 << 20;

/** Adds the elements of one .npy file to another, as they are. */
export async function copyElements(path: string, target: NpyFile, signal?: AbortSignal): Promise<void> {
  const { dataOffset } = await readNpyHeader(path);
  for await (const chunk of createReadStream(path, { start: dataOffset, highWaterMark: READ_BYTES })) {
    signal?.throwIfAborted();
    await target.append(chunk as Buffer);
  }
}
