import { relative } from "node:path";

import type { MediaPart } from "../../bridge/types.js";
import type { Modality } from "../../config/compiled.js";
import type { CompiledPairs, TableLayout } from "../../config/compiledSource.js";
import { dataError } from "../../errors.js";
import { fieldText, type Row } from "../tables/row.js";
import type { Located, Root } from "./belowRoot.js";
import { mapInOrder } from "./inOrder.js";
import type { SourceItem } from "./items.js";
import { endingOf, endingsOf, isStill, partOf } from "./mediaKinds.js";
import { pairRows, partOfPair, SEGMENT } from "./recordingPairs.js";
import { attributeReader, type RowOptions } from "./tableTexts.js";
import { Template } from "./template.js";
import { SeenTexts, UniqueIds } from "./uniqueIds.js";

/** Files that are looked for at the same time. */
const LOOKED_FOR = 32;
const ANY_ENDING = ".*";

export interface FileOptions extends RowOptions {
  readonly modality: Modality;
  readonly root: Root;
  /** The other file of each pair: where missing ones are left out, a pair goes with either, so that both collections stay in step. */
  readonly partner?: { readonly file: string; readonly modality: Modality };
  /** Ids that are taken already; new ones unless given. */
  readonly ids?: UniqueIds;
}

/**
 * The files that rows name, each looked for below the root, once for every pair that a row gives. A row
 * without a name is reported and left out; what becomes of a file that is not there, the source says.
 * Rejects with exit 3 for a path that leads out of the root, and for a still image where frames of a
 * recording are asked for, naming the line.
 */
export async function* fileItems(rows: AsyncIterable<Row>, options: FileOptions): AsyncGenerator<SourceItem> {
  const { source, layout, modality, root, onOddity, partner } = options;
  const pairs = source.pairs ?? null;
  const template = new Template(layout.file ?? "");
  const idTemplate = layout.fileId === null ? null : new Template(layout.fileId);
  const attributes = attributeReader(layout);
  const ids = new PairIds(options.ids ?? new UniqueIds());
  const partnerTemplate = partner === undefined || source.missing !== "leave-out" ? null : new Template(partner.file);
  const seen = layout.oncePerFile ? new SeenTexts() : null;
  const looked = mapInOrder(pairRows(rows, pairs), LOOKED_FOR, async (row) => {
    const name = template.fill(row.values, row.number);
    const located = name === null || name === "" ? null : await locate(root, name, modality);
    const other = located?.kind === "there" ? (partnerTemplate?.fill(row.values, row.number) ?? null) : null;
    const lacking = other === null || partner === undefined ? null : await locate(root, other, partner.modality);
    return { row, name, located: lacking?.kind === "missing" ? lacking : located };
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
    const own = attributes(values, number);
    const ending = endingOf(path);
    // Parts of one recording are told apart by their number, whatever their files are.
    const given = idTemplate?.fill(values, number) ?? (pairs === null ? path : (own?.["media"] ?? path));
    const segment = pairs === null ? null : Number(values.get(SEGMENT));
    const { id, repeated } = ids.of(given.endsWith(ending) ? given.slice(0, given.length - ending.length) : given, number, segment);
    if (repeated) onOddity({ reason: "DUPLICATE_ID", place, message: `${place}: ${given} is there again, and is called ${id}${ending}` });
    const part = partOfRow(row, located.path, options);
    if (part === null) {
      onOddity({ reason: "BAD_TIMES", place, message: `${place}: its times are no numbers of seconds, the end after the start; it is left out` });
      continue;
    }
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

/** Ids of items: those of a recording's parts differ in what follows `#`, and a recording that comes again gets another id once. */
class PairIds {
  #last = { row: -1, segment: 0, id: "" };

  constructor(private readonly ids: UniqueIds) {}

  of(given: string, row: number, segment: number | null): { readonly id: string; readonly repeated: boolean } {
    if (segment === null) return this.ids.of(given);
    const goesOn = row === this.#last.row && segment > this.#last.segment;
    const { id, repeated } = goesOn ? { id: this.#last.id, repeated: false } : this.ids.of(given);
    this.#last = { row, segment, id };
    return { id: `${id}#${segment}`, repeated };
  }
}

/** The part that a row and the source ask for; undefined: all of it, null: the row's times make no sense. */
function partOfRow({ values, place }: Row, path: string, { source, layout, modality }: FileOptions): Partial<MediaPart> | undefined | null {
  const pairs = source.pairs ?? null;
  const part = partOf(path, modality, source.part);
  const times = timesOf(values, layout);
  if (times === null) return null;
  if (pairs !== null) return partOfPaired({ place, path, of: pairs.of ?? times, segment: Number(values.get(SEGMENT)) }, pairs, { source, layout, modality });
  if (times === undefined) return part;
  if (modality !== "image") return { startSeconds: times.start, ...(times.seconds === null ? {} : { durationSeconds: times.seconds }) };
  if (part === undefined) return undefined;
  // A frame is counted from where the row's part begins.
  if (part.position !== undefined && part.position !== null && times.seconds !== null) return { startSeconds: times.start + part.position * times.seconds };
  return { startSeconds: times.start + (part.startSeconds ?? 0) };
}

interface PairedFile {
  readonly place: string;
  readonly path: string;
  readonly of: Times | undefined;
  readonly segment: number;
}

function partOfPaired({ place, path, of, segment }: PairedFile, { count }: CompiledPairs, { source, layout, modality }: Pick<FileOptions, "source" | "layout" | "modality">): Partial<MediaPart> | undefined | null {
  if (of === undefined || of.seconds === null) return null;
  const wanted = partOfPair({ start: of.start, seconds: of.seconds }, segment, count, modality, source.part?.frame ?? null);
  if (modality !== "image" || !isStill(path)) return wanted;
  // Each part may have a still of its own.
  if (new Template(layout.file ?? "").columns.includes(SEGMENT)) return undefined;
  throw dataError(`${place}: pairs: ${count} asks for ${count} frames of a recording, and ${path} is one image. Name its frames with {segment} in the pattern, or take the videos.`, { reason: "STILL_IMAGE", path: place });
}

interface Times {
  readonly start: number;
  readonly seconds: number | null;
}

function timesOf(values: Row["values"], { cut }: TableLayout): Times | undefined | null {
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
