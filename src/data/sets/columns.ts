import { csvRows } from "../tables/csv.js";
import type { SetCopy } from "./copy.js";
import { HEADED } from "./formats.js";

/** The names in the head of a table; null where it is not there or has no row. What is wrong with it is told by its reading. */
export async function columnsOf(copy: SetCopy, file: string): Promise<readonly string[] | null> {
  if ((await copy.kindOf(file)) !== "file") return null;
  return copy.attempt(file, async (path) => {
    for await (const { values } of csvRows(path, HEADED, copy.signal)) return [...values.keys()];
    copy.unread.add(file);
    copy.fault("EMPTY", { file, at: "" }, "has no rows", "Load the file again");
    return null;
  });
}
