import { dataError } from "../../errors.js";
import { textOf } from "./textStream.js";

/** A longer line is no caption, and no row that anybody writes. */
export const LONGEST_LINE = 1 << 20;

export interface Line {
  /** Without its line break. */
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

/**
 * The lines of a UTF-8 file, ended by `\n` or `\r\n`; a last line break ends no further line.
 * Rejects with exit 3 as `textOf` does, and for a line of more than `LONGEST_LINE` characters.
 */
export async function* linesOf(path: string, signal?: AbortSignal): AsyncGenerator<Line> {
  let number = 0;
  let rest = "";
  for await (const piece of textOf(path, signal)) {
    const text = rest + piece;
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      number += 1;
      yield line(path, text.slice(start, end), number);
      start = end + 1;
    }
    rest = text.slice(start);
    if (rest.length > LONGEST_LINE) throw tooLong(path, number + 1);
  }
  if (rest !== "") yield line(path, rest, number + 1);
}

function line(path: string, text: string, number: number): Line {
  if (text.length > LONGEST_LINE) throw tooLong(path, number);
  return { text: text.endsWith("\r") ? text.slice(0, -1) : text, number };
}

function tooLong(path: string, number: number): Error {
  return dataError(`${path}:${number}: the line has more than ${LONGEST_LINE} characters. Is it the right kind of file?`, {
    reason: "LINE_TOO_LONG",
    path: `${path}:${number}`,
  });
}
