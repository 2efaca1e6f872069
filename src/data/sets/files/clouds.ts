import { createReadStream } from "node:fs";

import { CmcrError } from "../../../errors.js";
import { parseNpyHeader, parseNpyPreamble } from "../../npyHeader.js";
import type { FileProblem } from "./check.js";
import { withEnds } from "./ends.js";

/** Points of a cloud, or what is wrong with its file. */
export type CloudPoints = { readonly points: number } | FileProblem;

/** Numbers of a point at least: its place. */
const FEWEST_COLUMNS = 3;
const NEWLINE = 10;

/** A .npy is held against its header; of a .txt the lines are counted, the first and the last of which must have as many numbers. Rejects as the system does. */
export async function cloudPoints(path: string): Promise<CloudPoints> {
  return path.endsWith(".npy") ? npy(path) : text(path);
}

async function npy(path: string): Promise<CloudPoints> {
  return withEnds(path, ({ head, size }) => {
    if (size === 0) return { reason: "EMPTY", message: "is empty" };
    try {
      const { textOffset, textBytes, utf8 } = parseNpyPreamble(head, path);
      const { shape } = parseNpyHeader(head.subarray(textOffset, textOffset + textBytes).toString(utf8 ? "utf8" : "latin1"), textOffset + textBytes, size, path);
      const [points = 0, columns = 0] = shape;
      if (shape.length !== 2 || columns < FEWEST_COLUMNS) return { reason: "BAD_CLOUD", message: `has the shape (${shape.join(", ")}); (points, 3 or more) is expected` };
      return points === 0 ? { reason: "EMPTY", message: "has no points" } : { points };
    } catch (error) {
      if (!(error instanceof CmcrError)) throw error;
      const message = error.message.replace(`${path}: `, "").replace(/\.$/, "");
      return { reason: error.reason === "NPY_TRUNCATED" ? "TRUNCATED" : "BAD_CLOUD", message };
    }
  });
}

async function text(path: string): Promise<CloudPoints> {
  let [points, first, rest] = [0, "", ""];
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
    const bytes = chunk as Buffer;
    if (points === 0 && first === "") first = bytes.subarray(0, 1024).toString("latin1").split("\n")[0] ?? "";
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      points += 1;
      start = end + 1;
    }
    // Most of a last line that is not ended; a line has less than that.
    rest = (start === 0 ? rest : "") + bytes.subarray(Math.max(start, bytes.length - 1024)).toString("latin1");
  }
  const columns = numbersOf(first);
  if (points === 0 && rest.trim() === "") return { reason: "EMPTY", message: "is empty" };
  if (columns === null || columns < FEWEST_COLUMNS) return { reason: "BAD_CLOUD", message: `its first line is not x,y,z and further numbers: ${first.slice(0, 60)}` };
  if (rest.trim() === "") return { points };
  if (numbersOf(rest) !== columns) return { reason: "TRUNCATED", message: `ends within line ${points + 1}: ${columns} numbers are expected there` };
  return { points: points + 1 };
}

/** How many numbers a line has; null where it has anything else. */
function numbersOf(line: string): number | null {
  const fields = line.trim().split(/[,\s]+/);
  return fields.every((field) => field !== "" && Number.isFinite(Number(field))) ? fields.length : null;
}
