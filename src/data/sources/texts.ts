import { basename } from "node:path";

import { dataError } from "../../errors.js";
import { canonicalJson, textSha256 } from "../../store/checksums.js";
import { linesOf } from "../tables/lines.js";
import { fileStamp } from "./fileStamp.js";
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
export const readLines: SourceReader<"lines"> = ({ path }, { signal }) =>
  Promise.resolve({
    identity: { type: "lines" },
    roots: [],
    attributes: [],
    fingerprint: () => fileStamp(path),
    async *scan() {
      let count = 0;
      for await (const { text, number } of linesOf(path, signal)) {
        if (text.trim() === "") {
          throw dataError(`${path}:${number}: the line is empty. Each line is one item; remove it.`, { reason: "EMPTY_ITEM", path: `${path}:${number}` });
        }
        count += 1;
        yield { id: `${basename(path)}:${number}`, content: { kind: "text", text } } satisfies SourceItem;
      }
      if (count === 0) throw dataError(`${path} has no lines, so there is nothing to encode.`, { reason: "NO_ITEMS", path });
    },
  });
