import { itemOfRows, type KeptItems } from "./keptItems.js";

/** Left, top, right, bottom, as fractions of an image's width and height. */
export type RegionBox = readonly [number, number, number, number];

/** Regions that one image may have; the worker refuses more. */
export const MOST_REGIONS = 4096;

/**
 * Which rows of a matrix are regions of which image: those of the i-th kept item are
 * rows `offsets[i]` to `offsets[i + 1] - 1`, and `boxes[row]` says where the row's
 * region lies, as fractions of the frame.
 */
export interface RegionLayout {
  /** One longer than the kept items, ascending from 0. */
  readonly offsets: Uint32Array;
  readonly boxes: readonly RegionBox[];
  /** Where the regions are an encoder's patches: how many lie below and beside each other, row-major. */
  readonly grid: { readonly rows: number; readonly columns: number } | null;
}

/** Windows of the same share of an image's width and height, at `steps` x `steps` places. */
export interface CropWindows {
  /** In (0, 1]. */
  readonly size: number;
  /** Whole, at least 1. */
  readonly steps: number;
}

/**
 * The rectangles of a grid of crops, scale after scale and row-major within each: the first window of a
 * scale touches the frame's left and top edges, the last one its right and bottom edges, and the others lie
 * evenly between. A single step is in the middle; of size 1 it is the whole frame.
 */
export function cropBoxes(windows: readonly CropWindows[]): readonly RegionBox[] {
  return windows.flatMap(({ size, steps }) => {
    const spans = Array.from({ length: steps }, (_, step) => {
      // The far edge first where it is known exactly, so that the last window ends at 1 and not near it.
      const start = steps === 1 ? (1 - size) / 2 : ((1 - size) * step) / (steps - 1);
      const last = step > 0 && step === steps - 1;
      return [start, last || size === 1 ? 1 : Math.min(1, start + size)] as const;
    });
    return spans.flatMap(([top, bottom]) => spans.map(([left, right]): RegionBox => [left, top, right, bottom]));
  });
}

/** The rectangles of a grid of patches that covers the frame, row-major. */
export function gridBoxes({ rows, columns }: { readonly rows: number; readonly columns: number }): readonly RegionBox[] {
  return Array.from({ length: rows * columns }, (_, patch): RegionBox => {
    const row = Math.floor(patch / columns);
    const column = patch % columns;
    return [column / columns, row / rows, (column + 1) / columns, (row + 1) / rows];
  });
}

/** The layout of the rows of kept items, `boxesOf` telling the regions of an item by its number. */
export function layOut(boxesOf: (item: number) => readonly RegionBox[], kept: KeptItems, grid: RegionLayout["grid"]): RegionLayout {
  const items = itemOfRows(kept);
  const offsets = new Uint32Array(items.length + 1);
  const boxes: RegionBox[] = [];
  items.forEach((item, index) => {
    for (const box of boxesOf(item)) boxes.push(box);
    offsets[index + 1] = boxes.length;
  });
  return { offsets, boxes, grid };
}
