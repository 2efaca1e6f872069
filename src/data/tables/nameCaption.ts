import { dataError } from "../../errors.js";
import { linesOf } from "./lines.js";
import type { Row } from "./row.js";

const SEPARATOR = ".jpg,";

/**
 * The rows, `image` and `caption`, of Flickr30k's Karpathy splits as github.com/mehdidc/retrieval_annotations has them: a
 * header line, then `name.jpg,caption` with no quoting, so that a line is cut at its first
 * `.jpg,` and commas and quotes after it are the caption's. Rejects with exit 3 for a line without one.
 */
export async function* nameCaptionRows(path: string, signal?: AbortSignal): AsyncGenerator<Row> {
  let number = 0;
  for await (const { text, number: line } of linesOf(path, signal)) {
    if (line === 1 || text.trim() === "") continue;
    const place = `${path}:${line}`;
    const cut = text.indexOf(SEPARATOR);
    if (cut < 0) throw dataError(`${place}: expected name.jpg,caption; found ${JSON.stringify(text.slice(0, 60))}.`, { reason: "BAD_TABLE", path: place });
    const values = new Map([["image", text.slice(0, cut + 4)], ["caption", text.slice(cut + SEPARATOR.length)]]);
    yield { values, place, number };
    number += 1;
  }
}
