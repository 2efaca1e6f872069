import { stat } from "node:fs/promises";

import { unreadableFile } from "../tables/textStream.js";

/** A short text that changes when a file is written anew. Rejects with exit 3 when it is not there. */
export async function fileStamp(path: string): Promise<string> {
  const { size, mtimeMs, ino } = await stat(path).catch((cause: unknown) => {
    throw unreadableFile(path, cause);
  });
  return `${size} ${mtimeMs} ${ino}`;
}
