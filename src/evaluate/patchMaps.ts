/** Maps from the scores of an encoder's patches: from a coarse grid to pixels. */

export const INTERPOLATIONS = ["bilinear", "bicubic", "nearest"] as const;
export type Interpolation = (typeof INTERPOLATIONS)[number];

export interface PatchMapOptions {
  readonly interpolation: Interpolation;
  /** Whether the outermost patches' centres lie on the outermost pixels' (EZ-VSL, SLAVC), or half a patch inside (LVS, by OpenCV). */
  readonly alignCorners: boolean;
}

/** What one place takes part in a row of pixels: up to four sources and their weights. */
interface Taps {
  readonly sources: readonly number[];
  readonly weights: readonly number[];
}

/** The parameter of the cubic kernel that PyTorch and OpenCV use (Keys 1981). */
const CUBIC = -0.75;

/**
 * A map of `side` x `side` pixels, row-major, from scores of a grid, row-major, that equals
 * `torch.nn.functional.interpolate`: EZ-VSL takes it bilinear and SLAVC bicubic, both with
 * aligned corners; LVS bilinear without. Bilinear values stay between the scores; bicubic ones
 * may go beyond them. `nearest` knows no alignment: each pixel has the patch that it lies in.
 */
export class PatchMapper {
  readonly #across: readonly Taps[];
  readonly #down: readonly Taps[];
  readonly #rows: Float64Array;
  readonly #map: Float64Array;

  constructor(
    private readonly grid: { readonly rows: number; readonly columns: number },
    private readonly side: number,
    options: PatchMapOptions,
  ) {
    this.#across = Array.from({ length: side }, (_, pixel) => tapsOf(pixel, grid.columns, side, options));
    this.#down = Array.from({ length: side }, (_, pixel) => tapsOf(pixel, grid.rows, side, options));
    this.#rows = new Float64Array(grid.rows * side);
    this.#map = new Float64Array(side * side);
  }

  /** The map, which the next call overwrites. */
  map(scores: ArrayLike<number>): Float64Array {
    const { side } = this;
    const { rows, columns } = this.grid;
    for (let y = 0; y < rows; y += 1) {
      this.#across.forEach((taps, x) => {
        this.#rows[y * side + x] = weighted(taps, (column) => scores[y * columns + column] ?? NaN);
      });
    }
    this.#down.forEach((taps, y) => {
      for (let x = 0; x < side; x += 1) this.#map[y * side + x] = weighted(taps, (row) => this.#rows[row * side + x] ?? NaN);
    });
    return this.#map;
  }
}

function weighted({ sources, weights }: Taps, value: (source: number) => number): number {
  let sum = 0;
  for (let tap = 0; tap < sources.length; tap += 1) sum += (weights[tap] ?? 0) * value(sources[tap] ?? 0);
  return sum;
}

/** Where a pixel of `side` takes its value from among `count` places. */
function tapsOf(pixel: number, count: number, side: number, { interpolation, alignCorners }: PatchMapOptions): Taps {
  if (interpolation === "nearest") return { sources: [Math.floor((pixel * count) / side)], weights: [1] };
  const place = alignCorners ? (side === 1 ? 0 : (pixel * (count - 1)) / (side - 1)) : ((pixel + 0.5) * count) / side - 0.5;
  const inside = (source: number): number => Math.min(count - 1, Math.max(0, source));
  if (interpolation === "bilinear") {
    const held = inside(place);
    const first = Math.floor(held);
    return { sources: [first, inside(first + 1)], weights: [1 - (held - first), held - first] };
  }
  const first = Math.floor(place);
  const offset = place - first;
  return {
    sources: [-1, 0, 1, 2].map((step) => inside(first + step)),
    weights: [-1, 0, 1, 2].map((step) => cubic(Math.abs(step - offset))),
  };
}

/** Keys' cubic convolution kernel at a distance of 0 to 2. */
function cubic(distance: number): number {
  if (distance <= 1) return (CUBIC + 2) * distance ** 3 - (CUBIC + 3) * distance ** 2 + 1;
  return CUBIC * distance ** 3 - 5 * CUBIC * distance ** 2 + 8 * CUBIC * distance - 4 * CUBIC;
}
