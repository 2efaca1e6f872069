import { readFile } from "node:fs/promises";

import { type CmcrError, dataError, systemCode } from "../errors.js";
import { MOST_REGIONS, type RegionBox } from "./regions.js";

/**
 * How far outside the frame a corner may lie. Detectors overshoot by a little, and what lies outside is
 * clipped; what lies further is no fraction of the frame but most likely a number of pixels.
 */
const FURTHEST = 1;

/**
 * The regions of each image, from a .json file: a list for each item of the source, those that cannot be
 * read among them, of one box [left, top, right, bottom] or more, in fractions of the frame.
 *
 * Boxes are clipped to the frame. What then has no width or height, at the precision of the wire, is refused
 * with its item's number and not replaced: it is most often [x, y, width, height], or pixels, and so
 * are all the others. An empty list is refused as well, as an image without regions could not be compared.
 *
 * Exit 3 for all of this, and where there are not as many lists as items.
 *
 * @param place the field that names the file, for messages
 */
export async function readRegionBoxes(path: string, count: number, place: string): Promise<readonly (readonly RegionBox[])[]> {
  const lists = await readJson(path, place);
  if (!Array.isArray(lists)) throw invalid(path, place, "is not a list with a list of boxes for each image");
  if (lists.length !== count) {
    throw dataError(`${place}: ${path} has ${lists.length} lists of boxes, and the collection has ${count} items. Give a list for each item, in their order, those that cannot be read among them.`, {
      reason: "SHAPE_MISMATCH",
      path,
    });
  }
  return lists.map((list: unknown, item) => {
    if (!Array.isArray(list)) throw invalid(path, place, `has ${shown(list)} for item ${item} (counted from 0), where a list of boxes is expected`);
    if (list.length === 0) throw invalid(path, place, `has no box for item ${item} (counted from 0). Give it one at least, such as [0, 0, 1, 1] for all of the image`);
    if (list.length > MOST_REGIONS) throw invalid(path, place, `has ${list.length} boxes for item ${item} (counted from 0); at most ${MOST_REGIONS} can be embedded`);
    return list.map((box: unknown, index) => clipped(box, (what) => invalid(path, place, `has ${shown(box)} as box ${index} of item ${item} (counted from 0): ${what}`)));
  });
}

function clipped(box: unknown, wrong: (what: string) => CmcrError): RegionBox {
  if (!isFour(box)) throw wrong("a box is four numbers [left, top, right, bottom], fractions of the frame");
  const furthest = Math.max(...box.map((corner) => Math.max(-corner, corner - 1)));
  if (furthest > FURTHEST) throw wrong("boxes are fractions of the frame, 0 to 1, and this one lies far outside. Are these pixels? Divide them by the image's width and height");
  const clip = (corner: number): number => Math.min(1, Math.max(0, corner));
  const [left, top, right, bottom] = [clip(box[0]), clip(box[1]), clip(box[2]), clip(box[3])];
  // As they travel: two corners that become one there would be refused by the worker, hours later.
  if (Math.fround(left) >= Math.fround(right) || Math.fround(top) >= Math.fround(bottom)) {
    throw wrong("inside the frame it has no width or no height. Are these [x, y, width, height]? Expected [left, top, right, bottom]");
  }
  return [left, top, right, bottom];
}

function isFour(box: unknown): box is RegionBox {
  return Array.isArray(box) && box.length === 4 && box.every((corner) => typeof corner === "number" && Number.isFinite(corner));
}

async function readJson(path: string, place: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw invalid(path, place, `is not JSON (${cause.message})`);
    const code = systemCode(cause);
    throw dataError(`${place}: ${path} ${code === "ENOENT" ? "is not there" : `cannot be read (${code})`}.`, { reason: "DATA_MISSING", path, cause });
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)} …` : text;
}

function invalid(path: string, place: string, what: string): CmcrError {
  return dataError(`${place}: ${path} ${what}.`, { reason: "BOXES_INVALID", path });
}
