import { readFile } from "node:fs/promises";

import { systemCode } from "../../errors.js";
import { FLICKR_FRAME, flickrBboxes } from "../sources/flickrBoxes.js";
import type { Place, SetCopy } from "./copy.js";

const MOST_ANNOTATORS = 3;
const FIX = "Correct the file, or load it again";

/**
 * Checks `Annotations/ID.xml`: a root with annotators, each with bbox elements whose first child is
 * passed over and whose others are xmin, ymin, xmax and ymax in whole pixels.
 */
export async function checkFlickrXml(copy: SetCopy, id: string, named: Place): Promise<void> {
  const file = `Annotations/${id}.xml`;
  const at = { file, at: "" };
  let text: string;
  try {
    text = await readFile(copy.path(file), "utf8");
  } catch (error) {
    if (systemCode(error) === "") throw error;
    if (await copy.has("Annotations")) copy.fault("MISSING", at, `is not there; ${named.file}:${named.at} names it`, "Load it from the Sound Localization Dataset");
    return;
  }
  const boxes = flickrBboxes(text);
  if (typeof boxes === "string") {
    copy.fault(text.trim() === "" ? "EMPTY" : "BAD_XML", at, text.trim() === "" ? "is empty" : boxes, FIX);
    return;
  }
  if (boxes.length === 0) copy.fault("NO_BOX", at, "has no bbox", FIX);
  copy.count("boxes", boxes.length);
  if (boxes.length > 10 * MOST_ANNOTATORS) copy.fault("BAD_XML", at, `has ${boxes.length} boxes; those of up to ${MOST_ANNOTATORS} annotators are expected`, FIX);
  for (const [index, children] of boxes.entries()) {
    const which = { file, at: `bbox ${index}` };
    const values = children.slice(1).map((value) => (/^-?\d+$/.test(value) ? Number(value) : NaN));
    const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN] = values;
    if (values.length !== 4 || values.some(Number.isNaN)) copy.fault("BAD_BOX", which, `expected xmin, ymin, xmax and ymax in whole pixels after a first child; found ${children.join(", ")}`, FIX);
    else if (Math.min(...values) < 0 || Math.max(...values) > FLICKR_FRAME) copy.fault("BAD_BOX", which, `${values.join(", ")} reaches beyond the frame of ${FLICKR_FRAME} x ${FLICKR_FRAME} pixels`, FIX);
    else if (x2 <= x1 || y2 <= y1) copy.fault("BAD_BOX", which, `${values.join(", ")} has no area`, FIX);
  }
}
