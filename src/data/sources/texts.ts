import { readFile } from "node:fs/promises";

import { dataError } from "../../errors.js";
import { canonicalJson, textSha256 } from "../../store/checksums.js";
import { type ItemList, runs, type SourceReader } from "./items.js";

/** Texts that stand in the experiment file. */
export const readInline: SourceReader<"inline"> = ({ items }) => Promise.resolve(textList(items));

/** One text a line; the file is UTF-8, and a last line break ends no further item. */
export const readLines: SourceReader<"lines"> = async ({ path }) => {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw dataError(`${path} cannot be read. Does it exist, and may you read it?`, { reason: "UNREADABLE", path, cause });
  });
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw dataError(`${path} is not UTF-8. Convert it, for instance with iconv.`, { reason: "NOT_UTF8", path, cause });
  }
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  const empty = lines.findIndex((line) => line.trim() === "");
  if (empty >= 0) throw dataError(`${path}:${empty + 1}: the line is empty. Each line is one item; remove it.`, { reason: "EMPTY_ITEM", path: `${path}:${empty + 1}` });
  if (lines.length === 0) throw dataError(`${path} has no lines, so there is nothing to encode.`, { reason: "NO_ITEMS", path });
  return textList(lines);
};

function textList(items: readonly string[]): ItemList {
  return {
    count: items.length,
    identity: { texts: textSha256(canonicalJson(items)) },
    names: items,
    roots: [],
    *batches(size) {
      for (const { start, end } of runs(items.length, size)) yield { kind: "texts", texts: items.slice(start, end) };
    },
  };
}
