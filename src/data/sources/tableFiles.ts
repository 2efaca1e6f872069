import { relative } from "node:path";

import type { MediaPart } from "../../bridge/types.js";
import type { Modality } from "../../config/compiled.js";
import type { TableLayout } from "../../config/compiledSource.js";
import { dataError } from "../../errors.js";
import { fieldText, type Row } from "../tables/row.js";
import type { Located, Root } from "./belowRoot.js";
import { mapInOrder } from "./inOrder.js";
import type { SourceItem } from "./items.js";
import { endingOf, endingsOf, partOf } from "./mediaKinds.js";
import { attributeReader, type RowOptions } from "./tableTexts.js";
import { Template } from "./template.js";
import { SeenTexts, UniqueIds } from "./uniqueIds.js";

/** Files that are looked for at the same time. */
const LOOKED_FOR = 32;
const ANY_ENDING = ".*";

export interface FileOptions extends RowOptions {
  readonly modality: Modality;
  readonly root: Root;
}

/**
 * The files that rows name, each looked for below the root. A row without a name is reported and
 * left out; what becomes of a file that is not there, the source says. Rejects with exit 3 for a
 * path that leads out of the root, naming the line.
 */
export async function* fileItems(rows: AsyncIterable<Row>, options: FileOptions): AsyncGenerator<SourceItem> {
  const { source, layout, modality, root, onOddity } = options;
  const template = new Template(layout.file ?? "");
  const idTemplate = layout.fileId === null ? null : new Template(layout.fileId);
  const attributes = attributeReader(layout);
  const ids = new UniqueIds();
  const seen = layout.oncePerFile ? new SeenTexts() : null;
  const looked = mapInOrder(rows, LOOKED_FOR, async (row) => {
    const name = template.fill(row.values, row.number);
    return { row, name, located: name === null || name === "" ? null : await locate(root, name, modality) };
  });
  for await (const { row, name, located } of looked) {
    const { values, place, number } = row;
    if (name === null || located === null) {
      onOddity({ reason: "NO_FILE_NAME", place, message: `${place}: the row has not what a file's name is made of (${layout.file ?? ""}), and is left out` });
      continue;
    }
    if (located.kind === "refused") throw dataError(`${place}: the path ${JSON.stringify(name)} ${located.why}. A list may name files below its folder alone; set root to another one.`, { reason: "PATH_LEADS_OUT", path: place });
    const path = relative(root.path, located.path);
    if (seen?.add(path) === true) continue;
    if (located.kind === "missing") {
      const what = source.missing === "leave-out" ? "it is left out" : "it cannot be read";
      onOddity({ reason: "MISSING_FILE", place, message: `${place}: ${located.path} is not there; ${what}` });
      if (source.missing === "leave-out") continue;
    }
    const ending = endingOf(path);
    const given = idTemplate?.fill(values, number) ?? path;
    const { id, repeated } = ids.of(given.endsWith(ending) ? given.slice(0, given.length - ending.length) : given);
    if (repeated) onOddity({ reason: "DUPLICATE_ID", place, message: `${place}: ${given} is there again, and is called ${id}${ending}` });
    const part = partOfRow(values, located.path, options);
    if (part === null) {
      onOddity({ reason: "BAD_TIMES", place, message: `${place}: its times are no numbers of seconds, the end after the start; it is left out` });
      continue;
    }
    const own = attributes(values, number);
    yield {
      id: id + ending,
      content: { kind: "file", path: located.path },
      ...(part === undefined ? {} : { part }),
      ...(own === undefined ? {} : { attributes: own }),
    };
  }
}

/** A name that ends in `.*` is that of the first file that is there, in the order of the modality's endings. */
async function locate(root: Root, name: string, modality: Modality): Promise<Located> {
  if (!name.endsWith(ANY_ENDING)) return root.locate(name);
  const stem = name.slice(0, -ANY_ENDING.length);
  const endings = endingsOf(modality);
  let first: Located | null = null;
  for (const ending of endings) {
    const located = await root.locate(stem + ending);
    if (located.kind !== "missing") return located;
    first ??= located;
  }
  return first ?? { kind: "refused", why: "has no ending that is known" };
}

/** The part that a row and the source ask for; undefined: all of it, null: the row's times make no sense. */
function partOfRow(values: Row["values"], path: string, { source, layout, modality }: FileOptions): Partial<MediaPart> | undefined | null {
  const part = partOf(path, modality, source.part);
  const times = timesOf(values, layout);
  if (times === undefined || times === null) return times === null ? null : part;
  if (modality !== "image") return { startSeconds: times.start, ...(times.seconds === null ? {} : { durationSeconds: times.seconds }) };
  if (part === undefined) return undefined;
  // A frame is counted from where the row's part begins.
  if (part.position !== undefined && part.position !== null && times.seconds !== null) return { startSeconds: times.start + part.position * times.seconds };
  return { startSeconds: times.start + (part.startSeconds ?? 0) };
}

function timesOf(values: Row["values"], { cut }: TableLayout): { readonly start: number; readonly seconds: number | null } | undefined | null {
  if (cut === null) return undefined;
  const start = seconds(values.get(cut.start));
  if (start === null) return null;
  if (cut.end === null) return { start, seconds: cut.seconds };
  const end = seconds(values.get(cut.end));
  return end === null || end <= start ? null : { start, seconds: end - start };
}

function seconds(value: unknown): number | null {
  const text = fieldText(value)?.trim() ?? "";
  const number = text === "" ? NaN : Number(text);
  return Number.isFinite(number) && number >= 0 ? number : null;
}
