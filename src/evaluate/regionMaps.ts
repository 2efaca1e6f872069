/** Maps from the scores of an image's regions. */

import type { Box } from "./localization.js";

/** How a pixel's value comes from the regions that cover it: C-MCR leaves this open. */
export type Combination = "mean" | "max";

/** Edges that rounding puts this far (in pixels) below a pixel's edge lie at it, as 3 / 7 of 224 pixels does. */
const EDGE_TOLERANCE = 1e-6;

/** Whole pixels of a region, right and bottom excluded: as boxes have them. */
interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * Maps of `side` x `side` pixels, row-major. A pixel that several regions cover has the mean,
 * or the largest, of their scores: the mean by default, as regions that agree then outweigh one
 * that stands alone. A pixel that none covers has the item's lowest score.
 */
export class RegionMapper {
  readonly #map: Float64Array;
  /** Sums and counts as differences from pixel to pixel, with a margin at the right and the bottom. */
  readonly #sums: Float64Array;
  readonly #counts: Float64Array;

  constructor(
    private readonly side: number,
    private readonly combine: Combination,
  ) {
    this.#map = new Float64Array(side * side);
    this.#sums = new Float64Array((side + 1) ** 2);
    this.#counts = new Float64Array((side + 1) ** 2);
  }

  /** The map of one item, which the next call overwrites; it has one region at least. */
  map(regions: readonly Box[], scores: ArrayLike<number>): Float64Array {
    if (this.combine === "max") this.paint(regions, scores);
    else this.average(regions, scores);
    return this.#map;
  }

  /** A region filled with 1, all else 0: the prediction where one region is the answer. */
  fill(region: Box): Float64Array {
    this.#map.fill(0);
    this.paintOne(region, 1);
    return this.#map;
  }

  private paint(regions: readonly Box[], scores: ArrayLike<number>): void {
    this.#map.fill(lowest(scores));
    const order = Uint32Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
    for (const i of order) {
      const region = regions[i];
      if (region !== undefined) this.paintOne(region, scores[i] ?? NaN);
    }
  }

  private paintOne(region: Box, value: number): void {
    const { left, top, right, bottom } = rectangle(region, this.side);
    for (let y = top; y < bottom; y += 1) if (right > left) this.#map.fill(value, y * this.side + left, y * this.side + right);
  }

  /**
   * Sums over rectangles by their corners. Scores are first made whole numbers, small enough for
   * all sums to be exact: pixels under the same regions then have the same value wherever they
   * lie, and a threshold at the median takes all of them or none.
   */
  private average(regions: readonly Box[], scores: ArrayLike<number>): void {
    const { side } = this;
    const stride = side + 1;
    const scale = wholeScale(scores);
    this.#sums.fill(0);
    this.#counts.fill(0);
    const mark = (at: number, sum: number, count: number): void => {
      this.#sums[at] = (this.#sums[at] ?? 0) + sum;
      this.#counts[at] = (this.#counts[at] ?? 0) + count;
    };
    regions.forEach((region, i) => {
      const { left, top, right, bottom } = rectangle(region, side);
      if (right <= left || bottom <= top) return;
      const whole = Math.round((scores[i] ?? NaN) * scale);
      mark(top * stride + left, whole, 1);
      mark(top * stride + right, -whole, -1);
      mark(bottom * stride + left, -whole, -1);
      mark(bottom * stride + right, whole, 1);
    });
    const otherwise = lowest(scores);
    for (let y = 0; y < side; y += 1) {
      let sum = 0;
      let count = 0;
      for (let x = 0; x < side; x += 1) {
        const at = y * stride + x;
        sum += this.#sums[at] ?? 0;
        count += this.#counts[at] ?? 0;
        const covering = count + (y === 0 ? 0 : (this.#counts[at - stride] ?? 0));
        const total = sum + (y === 0 ? 0 : (this.#sums[at - stride] ?? 0));
        this.#sums[at] = total;
        this.#counts[at] = covering;
        this.#map[y * side + x] = covering === 0 ? otherwise : total / covering / scale;
      }
    }
  }
}

/** The place of the largest score, the first where several are. */
export function bestRegion(scores: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < scores.length; i += 1) if ((scores[i] ?? NaN) > (scores[best] ?? NaN)) best = i;
  return best;
}

/** How many crops a grid of windows cuts from each image. */
export function cropCount(windows: readonly { readonly steps: number }[]): number {
  return windows.reduce((sum, { steps }) => sum + steps ** 2, 0);
}

function rectangle([left, top, right, bottom]: Box, side: number): Rectangle {
  const edge = (fraction: number): number => Math.floor(Math.min(1, Math.max(0, fraction)) * side + EDGE_TOLERANCE);
  return { left: edge(left), top: edge(top), right: edge(right), bottom: edge(bottom) };
}

function lowest(scores: ArrayLike<number>): number {
  let least = Infinity;
  for (let i = 0; i < scores.length; i += 1) least = Math.min(least, scores[i] ?? least);
  return least;
}

/** A power of two by which all scores together stay below 2^52. */
function wholeScale(scores: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < scores.length; i += 1) sum += Math.abs(scores[i] ?? 0);
  return sum === 0 ? 1 : 2 ** (51 - Math.ceil(Math.log2(sum)));
}
