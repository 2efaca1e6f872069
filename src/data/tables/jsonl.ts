import { dataError } from "../../errors.js";
import { linesOf } from "./lines.js";
import type { Row } from "./row.js";

/** The rows of a file with a JSON object in each line; empty lines are passed over. Rejects with exit 3 for any other line. */
export async function* jsonlRows(path: string, signal?: AbortSignal): AsyncGenerator<Row> {
  let number = 0;
  for await (const { text, number: line } of linesOf(path, signal)) {
    if (text.trim() === "") continue;
    const place = `${path}:${line}`;
    yield { values: parseRow(text, place), place, number };
    number += 1;
  }
}

/** The fields of one JSON object. Thrown (exit 3) when the text is none. */
export function parseRow(text: string, place: string): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw dataError(`${place}: this is no JSON (${cause instanceof Error ? cause.message : "malformed"}).`, { reason: "BAD_TABLE", path: place, cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw dataError(`${place}: expected a JSON object, {"column": value, …}; found ${Array.isArray(value) ? "a list" : JSON.stringify(value).slice(0, 60)}.`, {
      reason: "BAD_TABLE",
      path: place,
    });
  }
  return new Map(Object.entries(value));
}
