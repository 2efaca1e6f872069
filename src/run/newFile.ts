import { writeFile } from "node:fs/promises";

import { dataError, usageError } from "../errors.js";

/** Writes a file that must not be there yet. Exit 2 when it is, 3 when it cannot be written. */
export async function writeNewFile(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: "wx" });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "EEXIST") throw usageError(`${path} is there already, and is left as it is. Name another file.`, { reason: "FILE_EXISTS", path, cause });
    throw dataError(`${path} cannot be written. Does its folder exist, and may you write there?`, { reason: "UNWRITABLE", path, cause });
  }
}
