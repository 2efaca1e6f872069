import type { Place, SetCopy } from "./copy.js";

/** Checks of bounding boxes. */

/** Published corners never pass 1; a little more is rounding. */
const ROUNDING = 1e-6;

const FIX = "Correct the box, or load the file again";

/**
 * The corners x1, y1, x2, y2 of a box as fractions of the image, checked: what is no box is a
 * fault; degenerate boxes and negative values are known faults of VGG-SS. `which` is the box's number from 0, as items are counted.
 */
export function checkCorners(copy: SetCopy, at: Place, item: string, which: number, box: unknown): void {
  const values = numbersOf(copy, at, item, which, box);
  if (values === null) return;
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = values;
  const name = `${item}: box ${which}`;
  const most = Math.max(...values);
  if (most > 1 + ROUNDING) {
    const hint = most > 2 ? "; are these pixels? Fractions of the image's width and height are expected" : "";
    copy.fault("BAD_BOX", at, `${name} reaches to ${most}, beyond the image${hint}`, FIX);
    return;
  }
  if (Math.min(...values) < 0) copy.known("negative-box", at, `${name} has the negative value ${Math.min(...values)}; it is cut at the image's edge`);
  if (x2 <= x1 || y2 <= y1) copy.known("degenerate-box", at, `${name} has no area (${values.join(", ")})`);
}

/** A box given as x, y, width and height in fractions of the image; one that reaches further than the published ones (1.02) is a fault, as corners taken for that form do. */
export function checkCornerAndSize(copy: SetCopy, at: Place, item: string, box: unknown): void {
  const values = numbersOf(copy, at, item, 0, box);
  if (values === null) return;
  const [x = 0, y = 0, width = 0, height = 0] = values;
  if (Math.min(...values) < 0 || Math.max(...values) > 1 + ROUNDING) copy.fault("BAD_BOX", at, `${item}: the box has values outside of 0 to 1 (${values.join(", ")})`, FIX);
  else if (width === 0 || height === 0) copy.fault("BAD_BOX", at, `${item}: the box has no area (${values.join(", ")})`, FIX);
  else if (x + width > 1.02 || y + height > 1.02) {
    copy.fault("BAD_BOX", at, `${item}: the box reaches to ${Math.max(x + width, y + height).toFixed(3)}, beyond the image. Are these corners? x, y, width and height are expected`, FIX);
  }
}

function numbersOf(copy: SetCopy, at: Place, item: string, which: number, box: unknown): readonly number[] | null {
  const list = Array.isArray(box) ? (box as readonly unknown[]) : null;
  const numbers = list?.filter((value): value is number => typeof value === "number" && Number.isFinite(value)) ?? [];
  if (list?.length === 4 && numbers.length === 4) return numbers;
  copy.fault("BAD_BOX", at, `${item}: box ${which} is not a list of four numbers: ${(JSON.stringify(box) as string | undefined ?? "nothing").slice(0, 80)}`, FIX);
  return null;
}
