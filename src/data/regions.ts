/** Left, top, right, bottom, as fractions of an image's width and height. */
export type RegionBox = readonly [number, number, number, number];

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
