import { lstat, writeFile } from "node:fs/promises";

import { dataError, usageError } from "../errors.js";
import { badArgument } from "./arguments.js";

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

/** Refuses to write where there is something already. Exit 2; `option` is the one that names the place. */
export async function refuseExisting(option: string, path: string): Promise<void> {
  const there = await lstat(path).then(
    () => true,
    () => false,
  );
  if (there) throw badArgument(option, `${path} is there already, and is left as it is; name another place`);
}
