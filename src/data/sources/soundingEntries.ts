import { dirname } from "node:path";

import type { CompiledSounding } from "../../config/compiledSource.js";
import { dataError } from "../../errors.js";
import { csvRows } from "../tables/csv.js";
import { jsonListRows } from "../tables/jsonList.js";
import { fieldText } from "../tables/row.js";
import { textOf } from "../tables/textStream.js";
import { Root } from "./belowRoot.js";
import { badAnnotation, cornersOf, type SoundingEntry } from "./boxAnnotations.js";
import { className } from "./className.js";
import { readFlickrBoxes } from "./flickrBoxes.js";
import { parseMusicSolo } from "./musicSolo.js";

/** The ids of a list are in its first column. */
export const ID_LIST = { kind: "csv", delimiter: ",", quote: '"', columns: ["file", "class"], comment: null, skipSpace: false } as const;

/** Documents of a data set's boxes are far smaller. */
const LARGEST_DOCUMENT = 1 << 28;

/** Ids of a list without a header, in its order, each with its place. */
export async function* idsOf(path: string, signal?: AbortSignal): AsyncGenerator<{ readonly id: string; readonly place: string }> {
  for await (const { values, place } of csvRows(path, ID_LIST, signal)) yield { id: fieldText(values.get("file"))?.trim() ?? "", place };
}

/**
 * The entries of VGG-SS's vggss.json: `file`, `class`, and `bbox`, a list of corners in fractions of the frame. Rejects
 * with exit 3 where one has not these.
 */
export async function* vggSsEntries({ path }: Pick<CompiledSounding, "path">, signal?: AbortSignal): AsyncGenerator<SoundingEntry> {
  for await (const { values, place } of jsonListRows(path, null, signal)) {
    const [file, name, boxes] = [fieldText(values.get("file")), fieldText(values.get("class")), values.get("bbox")];
    if (file === null || name === null || !Array.isArray(boxes)) throw badAnnotation(place, "expected an entry with file, class and a list bbox");
    const own = `${place} (${file})`;
    yield { file, boxes: boxes.map((box) => cornersOf(box, "corners", own)), values: { class: name, media: file }, place: own };
  }
}

/**
 * The entries of Flickr-SoundNet's list, each with the boxes of all annotators from its XML; an id
 * without a file is left to `onMissing`. Rejects with exit 3 where a file is damaged.
 */
export async function* flickrEntries({ path, annotations }: Pick<CompiledSounding, "path" | "annotations">, onMissing: (place: string) => void, signal?: AbortSignal): AsyncGenerator<SoundingEntry> {
  const folder = await Root.open(annotations ?? dirname(path));
  for await (const { id, place } of idsOf(path, signal)) {
    const located = await folder.locate(`${id}.xml`);
    if (located.kind === "refused") throw dataError(`${place}: the annotation of ${JSON.stringify(id)} ${located.why}.`, { reason: "PATH_LEADS_OUT", path: place });
    if (located.kind === "missing") onMissing(`${place}: ${located.path}`);
    else yield { file: id, boxes: await readFlickrBoxes(located.path), values: { media: id, id }, place: located.path };
  }
}

/** The entries of MUSIC-Solo's music_solo.json or solotest.json; rejects with exit 3 where one is not as either has them. */
export async function* musicSoloEntries({ path }: Pick<CompiledSounding, "path">, signal?: AbortSignal): AsyncGenerator<SoundingEntry> {
  let text = "";
  for await (const piece of textOf(path, signal)) {
    text += piece;
    if (text.length > LARGEST_DOCUMENT) throw badAnnotation(path, `a document of more than ${LARGEST_DOCUMENT} characters is no annotation`);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw badAnnotation(path, `it is no JSON (${cause instanceof Error ? cause.message : "malformed"})`);
  }
  for (const entry of parseMusicSolo(document, path)) yield { ...entry, values: { ...entry.values, class: className(entry.values["class"] ?? "") } };
}
