import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";

import type { Modality } from "../../config/compiled.js";
import type { CompiledSounding, TableLayout } from "../../config/compiledSource.js";
import { dataError } from "../../errors.js";
import type { Row } from "../tables/row.js";
import { Root } from "./belowRoot.js";
import { inFrame, type SoundingEntry } from "./boxAnnotations.js";
import { fileStamp } from "./fileStamp.js";
import { partJson } from "./folder.js";
import type { Oddity, SourceContext, SourceItem, SourceReader } from "./items.js";
import { pairsJson } from "./recordingPairs.js";
import { flickrEntries, idsOf, musicSoloEntries, vggSsEntries } from "./soundingEntries.js";
import { fileItems, type FileOptions } from "./tableFiles.js";
import { folderTimes } from "./walk.js";

type OnOddity = (oddity: Oddity) => void;
type Kind = CompiledSounding["type"];

/** Attributes of the items of each kind, beside the boxes. */
const ATTRIBUTES: Readonly<Record<Kind, readonly string[]>> = { "vgg-ss": ["class", "media"], "flickr-soundnet": ["media"], "music-solo": ["class", "media"] };

/** Opens VGG-SS, Flickr-SoundNet's test set or MUSIC-Solo: the images or the sounds, item i of the one belonging to item i of the other. */
export async function readSounding(source: CompiledSounding, { modality, signal }: SourceContext) {
  const root = await Root.open(rootOf(source));
  async function* scan(onOddity: OnOddity): AsyncGenerator<SourceItem> {
    let count = 0;
    for await (const item of soundingItems(source, { modality, root, onOddity, signal })) {
      count += 1;
      yield item;
    }
    if (count === 0) throw dataError(`${source.path} has no ${modality} items${source.list === null ? "" : ` that ${source.list} names`} below ${root.path}.`, { reason: "NO_ITEMS", path: source.path });
  }
  return {
    identity: soundingIdentity(source),
    roots: [root.path],
    attributes: [...ATTRIBUTES[source.type], "boxes"],
    fingerprint: () => soundingFingerprint(source, root, signal),
    scan,
  };
}

/** The readers of each kind. */
export const readVggSs: SourceReader<"vgg-ss"> = readSounding;
export const readFlickrSoundnet: SourceReader<"flickr-soundnet"> = readSounding;
export const readMusicSolo: SourceReader<"music-solo"> = readSounding;

/** The folder of the files. */
export function rootOf({ root, path }: Pick<CompiledSounding, "root" | "path">): string {
  return root ?? dirname(path);
}

interface Surroundings extends Pick<FileOptions, "modality" | "root" | "onOddity" | "ids"> {
  readonly signal: AbortSignal | undefined;
  /** Attributes to give the items in place of their own; their values are those of columns. */
  readonly attributes?: TableLayout["attributes"];
}

/** The items of a data set with boxes, whose ids are those of its annotations. */
export async function* soundingItems(source: CompiledSounding, { modality, root, onOddity, signal, ids, attributes }: Surroundings): AsyncGenerator<SourceItem> {
  const rows = rowsOf(source, onOddity, signal);
  const first = await rows.next();
  if (first.done === true) return;
  const templates = { image: source.image ?? (first.value.values.has("path") ? "{path}" : "frames/{file}.jpg"), audio: source.audio ?? (source.type === "music-solo" ? "audio/{video}.wav" : "audio/{file}.wav") };
  const layout: TableLayout = {
    needs: [],
    texts: [],
    file: modality === "image" ? templates.image : templates.audio,
    id: null,
    fileId: "{file}",
    attributes: attributes ?? Object.fromEntries([...ATTRIBUTES[source.type], "boxes"].map((name) => [name, `{${name}}`])),
    cut: source.around === null || modality === "image" ? null : { start: "start", end: null, seconds: source.around },
    oncePerFile: false,
  };
  yield* fileItems(startingWith(first.value, rows), { source, layout, modality, root, onOddity, partner: partnerOf(modality, templates), ...(ids === undefined ? {} : { ids }) });
}

/** The other file of a pair. */
export function partnerOf(modality: Modality, { image, audio }: { readonly image: string; readonly audio: string }): NonNullable<FileOptions["partner"]> {
  return modality === "image" ? { file: audio, modality: "audio" } : { file: image, modality: "image" };
}

/** The options of a source with boxes as an identity has them. */
export function soundingIdentity({ type, list, image, audio, around, missing, part, pairs }: CompiledSounding) {
  return { type, list: list !== null, image, audio, around, missing, part: partJson(part), pairs: pairs === null ? null : pairsJson(pairs) };
}

/** Changes with the annotations, the list, and where it matters which files there are. */
export async function soundingFingerprint({ type, path, list, annotations, image, audio, missing }: CompiledSounding, root: Root, signal: AbortSignal | undefined): Promise<string> {
  const stamps = await Promise.all([path, ...(list === null ? [] : [list])].map(fileStamp));
  const boxes: string[] = [];
  if (type === "flickr-soundnet" && annotations !== null) {
    // A file that is written over leaves its folder's time as it is.
    for await (const { id } of idsOf(path, signal)) boxes.push(String((await stat(join(annotations, `${id}.xml`)).catch(() => null))?.mtimeMs ?? "gone"));
  }
  const looks = missing === "leave-out" || [image, audio].some((file) => file?.endsWith(".*") === true);
  return [...stamps, ...boxes, looks ? await folderTimes(root.path, signal) : ""].join(" ");
}

async function* startingWith(first: Row, rest: AsyncIterable<Row>): AsyncGenerator<Row> {
  yield first;
  yield* rest;
}

/** A row for each entry: those that the list names, in its order, or all of them. */
async function* rowsOf(source: CompiledSounding, onOddity: OnOddity, signal: AbortSignal | undefined): AsyncGenerator<Row> {
  let number = 0;
  for await (const entry of chosen(source, onOddity, signal)) {
    yield rowOf(source, entry, number, onOddity);
    number += 1;
  }
}

function rowOf({ around }: CompiledSounding, { file, boxes, values, place }: SoundingEntry, number: number, onOddity: OnOddity): Row {
  const cut = inFrame(boxes, file, place, onOddity);
  if (cut.length === 0) onOddity({ reason: "NO_BOXES", place, message: `${place}: ${file} has no box` });
  const row = new Map<string, unknown>([...Object.entries(values), ["file", file], ["boxes", JSON.stringify(cut)]]);
  // A frame lies somewhere in its second.
  if (around !== null) row.set("start", Math.max(0, Number(values["second"]) + 0.5 - around / 2));
  return { values: row, place, number };
}

async function* chosen(source: CompiledSounding, onOddity: OnOddity, signal: AbortSignal | undefined): AsyncGenerator<SoundingEntry> {
  const unknown = (place: string): void => { onOddity({ reason: "NO_ANNOTATION", place, message: `${place} is not there: an item without boxes is left out` }); };
  const entries = source.type === "vgg-ss" ? vggSsEntries(source, signal) : source.type === "music-solo" ? musicSoloEntries(source, signal) : flickrEntries(source, unknown, signal);
  if (source.list === null) {
    yield* entries;
    return;
  }
  const byId = new Map<string, SoundingEntry>();
  for await (const entry of entries) byId.set(entry.file, entry);
  for await (const { id, place } of idsOf(source.list, signal)) {
    const entry = byId.get(id);
    if (entry === undefined) unknown(`${place}: the entry of ${JSON.stringify(id)} in ${source.path}`);
    else yield entry;
  }
}
