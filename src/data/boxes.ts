import { readFile } from "node:fs/promises";

import { GENERATED_BOXES } from "../config/collection.js";
import type { CompiledCollection } from "../config/compiled.js";
import { type CmcrError, dataError, usageError } from "../errors.js";
import type { LabelSources } from "./labels.js";
import type { RegionBox } from "./regions.js";

/** For each item where in its image it sounds: a list of boxes, empty where nothing does. */
export type ItemBoxes = readonly (readonly RegionBox[])[];

/** What an item of a list of boxes is for, and how such a list is written. */
const HOW = "boxes are a list that holds, for each item, a list of boxes [left, top, right, bottom]";

/**
 * A corner that lies further outside than the size of the frame is no fraction of it, but most likely a number
 * of pixels. Published sets have a few such corners, which are cut at the frame as all others are.
 */
const FURTHEST = 1;

/**
 * The boxes of a collection's items, those that cannot be read among them: from a file, an
 * attribute of the items, or their generator. Rejects with exit 3 where lists are missing, too
 * many, or no boxes, and where most boxes are in pixels.
 *
 * @param count of the collection's items
 */
export async function boxesOf(collection: CompiledCollection, count: number, sources: LabelSources): Promise<ItemBoxes> {
  const { boxes, source, name } = collection;
  const place = `data.${name}.boxes`;
  if (boxes === null) throw usageError(`${place}: expected boxes, since a task looks for places; found none.`, { reason: "MISSING_FIELD", path: place });
  if (boxes.kind === "file") {
    const lists = await readBoxes(boxes.path);
    if (lists.length !== count) throw wrongCount(`${place}: ${boxes.path} has boxes for ${lists.length} items of ${count}`, boxes.path);
    return lists;
  }
  if (source === null) throw new Error(`${place}: only the items of a source have attributes`);
  if (source.type !== "builtin") return attributeBoxes(collection, boxes.attribute, count, sources);
  if (boxes.attribute !== GENERATED_BOXES) throw unknownAttribute(boxes.attribute, [GENERATED_BOXES], place);
  const described = await sources.describeGenerated(source, count);
  if (described.boxes === null) {
    throw usageError(`${place}: the items of the split "${source.split}" of "${source.generator}" have no boxes. Take a split that has them.`, { reason: "UNKNOWN_NAME", path: place });
  }
  if (described.boxes.length !== count) throw wrongCount(`${place}: the generator gave boxes for ${described.boxes.length} items of ${count}`, place);
  return described.boxes;
}

/** The lists of a boxes file. Rejects with exit 3 when it is missing, no JSON, or holds something else. */
export async function readBoxes(path: string): Promise<ItemBoxes> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw dataError(`${path} cannot be read. Does it exist?`, { reason: "DATA_MISSING", path, cause });
  });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw dataError(`${path} is not JSON (${cause instanceof Error ? cause.message : "unreadable"}). Write one list for each item.`, { reason: "CORRUPT", path, cause });
  }
  return parseBoxLists(content, path);
}

/**
 * Lists of boxes, `[]` where nothing sounds. Corners beyond the frame are cut at it later; a
 * box whose right lies left of its left is kept, and covers nothing. Thrown (exit 3) with the
 * row that is at fault, or that is the first one where most boxes are in pixels.
 */
export function parseBoxLists(content: unknown, place: string): ItemBoxes {
  if (!Array.isArray(content)) throw invalid(place, `${HOW}.`);
  const lists = content.map((boxes: unknown, row) => parseBoxList(boxes, place, `row ${row}`));
  refusePixels(lists, place, (item) => `item ${item} (counted from 0)`);
  return lists;
}

/** Thrown (exit 3) where most of all boxes lie far outside the frame: what is then measured would be of other places. */
function refusePixels(lists: ItemBoxes, place: string, nameOf: (item: number) => string): void {
  const far = (box: RegionBox): boolean => box.some((corner) => Math.max(-corner, corner - 1) > FURTHEST);
  const boxes = lists.reduce((sum, { length }) => sum + length, 0);
  const outside = lists.reduce((sum, list) => sum + list.filter(far).length, 0);
  if (outside * 2 <= boxes) return;
  const item = lists.findIndex((list) => list.some(far));
  const first = lists[item]?.find(far);
  throw invalid(place, `${outside} of ${boxes} boxes lie far outside the frame, the first of them ${JSON.stringify(first)} in ${nameOf(item)}. Boxes are fractions of the frame, 0 to 1. If these are pixels, divide by width and height of the image.`);
}

/** The same of maps, of which there are so many. */
export function parseBoxes(content: unknown, maps: number, place: string): ItemBoxes {
  const lists = parseBoxLists(content, place);
  if (lists.length === maps) return lists;
  throw invalid(place, `there are boxes for ${lists.length} items, and ${maps} maps. Give a list for each map, [] where nothing sounds.`);
}

function parseBoxList(boxes: unknown, place: string, item: string): readonly RegionBox[] {
  if (!Array.isArray(boxes)) throw invalid(place, `${item} is not a list of boxes. Write [[0.1, 0.2, 0.5, 0.6]] for one box.`);
  return boxes.map((box: unknown, index) => {
    if (!isBox(box)) throw invalid(place, `${item}, box ${index} is ${JSON.stringify(box)}; a box is four numbers [left, top, right, bottom], fractions of the frame.`);
    return box;
  });
}

async function attributeBoxes(collection: CompiledCollection, attribute: string, count: number, sources: LabelSources): Promise<ItemBoxes> {
  const place = `data.${collection.name}.boxes`;
  const items = await sources.list(collection);
  if (!items.attributes.includes(attribute)) throw unknownAttribute(attribute, items.attributes, place);
  if (items.count !== count) throw wrongCount(`${place}: the source has ${items.count} items, and the embeddings have ${count}`, place);
  const lists: (readonly RegionBox[])[] = [];
  const ids: string[] = [];
  for await (const block of items.describe({ from: 0, to: count })) {
    for (const { item, id, attributes } of block) {
      const text = attributes[attribute];
      if (text === undefined || text.trim() === "") {
        throw dataError(`${place}: the item ${id} has no ${attribute}. Write [] where nothing sounds.`, { reason: "MISSING_ATTRIBUTE", path: place });
      }
      ids[item] = id;
      lists[item] = parseBoxList(parseJson(text), place, `${attribute} of the item ${id}`);
    }
  }
  refusePixels(lists, place, (item) => `${attribute} of the item ${ids[item] ?? item}`);
  return lists;
}

/** Undefined for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isBox(box: unknown): box is RegionBox {
  return Array.isArray(box) && box.length === 4 && box.every((corner) => typeof corner === "number" && Number.isFinite(corner));
}

function invalid(place: string, message: string): CmcrError {
  return dataError(`${place}: ${message}`, { reason: "LOCALIZATION_INVALID", path: place });
}

function wrongCount(what: string, path: string): CmcrError {
  return dataError(`${what}. Give a list for each, [] where nothing sounds.`, { reason: "SHAPE_MISMATCH", path });
}

function unknownAttribute(attribute: string, known: readonly string[], place: string): CmcrError {
  const expected = known.length === 0 ? "a .json file of boxes, as the source's items have no attributes" : `one of ${known.join(", ")}`;
  return usageError(`${place}.attribute: expected ${expected}; found "${attribute}".`, { reason: "UNKNOWN_NAME", path: `${place}.attribute` });
}
