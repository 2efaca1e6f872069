import { readFile } from "node:fs/promises";

import { systemCode } from "../../errors.js";
import type { RegionBox } from "../regions.js";
import { unreadableFile } from "../tables/textStream.js";
import { badAnnotation, cornersOf } from "./boxAnnotations.js";
import { parseXml } from "./xmlElements.js";

/** The frame of Flickr-SoundNet's annotations has so many pixels a side, whatever the image has. */
export const FLICKR_FRAME = 256;

/**
 * The boxes of a file of Flickr-SoundNet's annotations, those of all annotators: of each `bbox` in a child of the root, the
 * first element is passed over, and the rest are left, top, right and bottom in a frame of 256 pixels, which become fractions
 * of it. Rejects with exit 3 where the file is missing or cut off, or a box has not four numbers.
 */
export async function readFlickrBoxes(path: string): Promise<readonly RegionBox[]> {
  const document = await readFile(path, "utf8").catch((cause: unknown) => {
    throw systemCode(cause) === "" ? cause : unreadableFile(path, cause);
  });
  const boxes = flickrBboxes(document);
  if (typeof boxes === "string") throw badAnnotation(path, boxes);
  return boxes.map((children) => cornersOf(children.slice(1).map((text) => (/^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text)), "corners", path, FLICKR_FRAME));
}

/** The texts of the elements of each `bbox` in a child of the root, that of the first among them; or what is wrong with the document. */
export function flickrBboxes(document: string): readonly (readonly string[])[] | string {
  try {
    const boxes = parseXml(document).children.flatMap(({ children }) => children.filter(({ name }) => name === "bbox"));
    return boxes.map(({ children }) => children.map(({ text }) => text.trim()));
  } catch (error) {
    return error instanceof Error ? error.message : "it is no XML";
  }
}
