import { type CmcrError, dataError } from "../../errors.js";
import type { RegionBox } from "../regions.js";
import type { Oddity } from "./items.js";

/** How four numbers mean a box: its corners, or its upper left corner and its size. */
export type BoxForm = "corners" | "size";

/** An image with its sound and the boxes around what sounds, before any box is cut to its frame. */
export interface SoundingEntry {
  /** Its id, of which the names of its files are made. */
  readonly file: string;
  readonly boxes: readonly RegionBox[];
  /** What else is known of it, for the names of its files and its attributes: text by column. */
  readonly values: Readonly<Record<string, string>>;
  /** The file and the entry, for messages. */
  readonly place: string;
}

/** Rounding to pixels and back is no reason to say that a box leads out of its frame. */
const SLACK = 1e-6;

/**
 * A box of an annotation as the corners left, top, right, bottom, neither cut nor put right. Thrown with exit 3
 * where it is not four numbers.
 *
 * @param unit what is the frame's width and height in these numbers
 */
export function cornersOf(value: unknown, form: BoxForm, place: string, unit = 1): RegionBox {
  if (!Array.isArray(value) || value.length !== 4 || !value.every((number) => typeof number === "number" && Number.isFinite(number))) {
    throw badAnnotation(place, `expected a box of four numbers, found ${value === undefined ? "nothing" : JSON.stringify(value).slice(0, 80)}`);
  }
  const [x, y, third, fourth] = (value as readonly number[]).map((number) => number / unit) as [number, number, number, number];
  return form === "corners" ? [x, y, third, fourth] : [x, y, x + third, y + fourth];
}

/**
 * The boxes of an item with each number cut to the frame, 0 to 1, which is how SLAVC's code has VGG-SS. A box that
 * leads out of the frame, and one that covers nothing then, is kept and reported.
 */
export function inFrame(boxes: readonly RegionBox[], item: string, place: string, onOddity: (oddity: Oddity) => void): readonly RegionBox[] {
  return boxes.map((box) => {
    const [left, top, right, bottom] = box.map((number) => Math.min(1, Math.max(0, number))) as [number, number, number, number];
    const written = `[${box.join(", ")}]`;
    if (box.some((number) => number < -SLACK || number > 1 + SLACK)) {
      onOddity({ reason: "CLIPPED_BOX", place, message: `${place}: the box ${written} of ${item} leads out of the frame, and is cut to it` });
    }
    if (right <= left || bottom <= top) {
      onOddity({ reason: "DEGENERATE_BOX", place, message: `${place}: the box ${written} of ${item} covers nothing; it is kept as it is` });
    }
    return [left, top, right, bottom];
  });
}

/** The error for an annotation that is not as its data set has it: exit 3. */
export function badAnnotation(place: string, what: string): CmcrError {
  return dataError(`${place}: ${what}.`, { reason: "BAD_ANNOTATION", path: place });
}
