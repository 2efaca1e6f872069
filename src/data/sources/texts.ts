import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";

import { dataError } from "../../errors.js";
import { canonicalJson, textSha256 } from "../../store/checksums.js";
import type { SourceItem, SourceReader } from "./items.js";

/** Texts that stand in the experiment file. */
export const readInline: SourceReader<"inline"> = ({ items }) => {
  const identity = { type: "inline", items: textSha256(canonicalJson(items)) };
  return Promise.resolve({
    identity,
    roots: [],
    attributes: [],
    fingerprint: () => Promise.resolve(identity.items),
    async *scan() {
      for (const [index, text] of items.entries()) yield await Promise.resolve({ id: String(index), content: { kind: "text" as const, text } });
    },
  });
};

/** One text a line; the file is UTF-8, and a last line break ends no further item. */
export const readLines: SourceReader<"lines"> = ({ path }) =>
  Promise.resolve({
    identity: { type: "lines" },
    roots: [],
    attributes: [],
    async fingerprint() {
      const { size, mtimeMs, ino } = await stat(path).catch(unreadable(path));
      return `${size} ${mtimeMs} ${ino}`;
    },
    async *scan() {
      let number = 0;
      for await (const text of linesOf(path)) {
        number += 1;
        if (text.trim() === "") {
          throw dataError(`${path}:${number}: the line is empty. Each line is one item; remove it.`, { reason: "EMPTY_ITEM", path: `${path}:${number}` });
        }
        yield { id: `${basename(path)}:${number}`, content: { kind: "text", text } } satisfies SourceItem;
      }
      if (number === 0) throw dataError(`${path} has no lines, so there is nothing to encode.`, { reason: "NO_ITEMS", path });
    },
  });

/** The lines of a UTF-8 file, of any line breaks. Exit 3 when it cannot be read or is not UTF-8. */
async function* linesOf(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    } catch (cause) {
      throw dataError(`${path} is not UTF-8. Convert it, for instance with iconv.`, { reason: "NOT_UTF8", path, cause });
    }
  };
  const chunks = createReadStream(path, { highWaterMark: 1 << 18 });
  const iterator = chunks[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    for (;;) {
      const { value, done } = await iterator.next().catch(unreadable(path));
      const lines = (rest + (done === true ? decode() : decode(value))).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
      if (done === true) break;
    }
  } finally {
    chunks.destroy();
  }
  if (rest !== "") yield rest;
}

function unreadable(path: string): (cause: unknown) => never {
  return (cause) => {
    throw dataError(`${path} cannot be read. Does it exist, and may you read it?`, { reason: "UNREADABLE", path, cause });
  };
}
