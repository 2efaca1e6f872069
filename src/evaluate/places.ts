/** From the scores of an image's regions to what is measured of an item, and the two baselines that look at no score. */

import { deriveSeed, randomSource } from "../connect/random.js";
import { type Box, type MapMeasure, MapMeter, rasterizeBoxes } from "./localization.js";
import { type Interpolation, PatchMapper } from "./patchMaps.js";
import { bestRegion, type Combination, RegionMapper } from "./regionMaps.js";

/** How the scores of an image's regions become a prediction of where its sound comes from. */
export interface MapSettings {
  /** The value of a pixel: the mean of the regions that cover it, or the largest. Not for patches, which do not overlap. */
  readonly combine: Combination;
  /**
   * `map`: the pixels that reach the threshold; the confidence is the mean of the map's top quarter, as SLAVC has it.
   * `best-region`: the region with the best score, filled; its score is the confidence.
   */
  readonly predict: "map" | "best-region";
  /** Between the centres of patches. */
  readonly interpolation: Interpolation;
  /** Whether the outermost patches' centres lie in the frame's corners, as EZ-VSL and SLAVC have it, or half a patch inside, as LVS. */
  readonly alignCorners: boolean;
  /** Pixels across and down. */
  readonly resolution: number;
  /** Null: the map's median. `half-maximum`: half its largest value. */
  readonly threshold: number | "half-maximum" | null;
  /** Whether a pixel must lie above the threshold, and not at it. */
  readonly strict: boolean;
  /** Boxes that must cover a pixel for it to count in full. */
  readonly consensus: number;
}

/** The items that are measured: their boxes, and the regions of their images. */
export interface PlaceItems {
  /** Of each item; empty where nothing sounds. */
  readonly boxes: readonly (readonly Box[])[];
  /** Regions `starts[i]` to `ends[i] - 1` are those of item i; each has one at least. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  /** Where each region lies. */
  readonly regions: readonly Box[];
  /** Where the regions are patches: the grid, row-major. */
  readonly grid: { readonly rows: number; readonly columns: number } | null;
}

/** What a method came to on each item. */
export interface PlaceOutcomes {
  /** NaN where the item has no box. */
  readonly ciou: Float64Array;
  readonly confidence: Float64Array;
}

/** Measures items one after the other. */
export class PlaceMeter {
  readonly #meter: MapMeter;
  readonly #regions: RegionMapper;
  readonly #patches: PatchMapper | null;

  constructor(
    private readonly items: PlaceItems,
    private readonly settings: MapSettings,
  ) {
    const { resolution, combine } = settings;
    this.#meter = new MapMeter(resolution, resolution, settings);
    this.#regions = new RegionMapper(resolution, combine);
    this.#patches = items.grid === null ? null : new PatchMapper(items.grid, resolution, settings);
  }

  /** An item's measure from its regions' scores, one for each and none NaN. */
  measure(item: number, scores: Float32Array | Float64Array): MapMeasure {
    const { items, settings } = this;
    const boxes = items.boxes[item] ?? [];
    const regions = items.regions.slice(items.starts[item], items.ends[item]);
    if (settings.predict === "map") {
      return this.#meter.measure(this.#patches === null ? this.#regions.map(regions, scores) : this.#patches.map(scores), boxes);
    }
    const best = bestRegion(scores);
    const region = regions[best];
    if (region === undefined) throw new RangeError(`item ${item} has no region`);
    return { ciou: this.#meter.overlap(this.#regions.fill(region), boxes), confidence: scores[best] ?? NaN };
  }
}

/**
 * Chance: the regions, and all that is done with their scores, but scores that are drawn
 * uniformly from 0 to 1; and a confidence drawn likewise, which knows nothing of the map.
 *
 * @param seed of the bootstrap; the draws are a stream of their own
 */
export function chanceOutcomes(items: PlaceItems, settings: MapSettings, seed: number): PlaceOutcomes {
  const meter = new PlaceMeter(items, settings);
  const places = randomSource(deriveSeed(seed, "chance", 0));
  const confidences = randomSource(deriveSeed(seed, "chance", 1));
  const uniform = (source: typeof places): number => source.nextUint32() / 2 ** 32;
  return outcomesBy(items, (item) => {
    const scores = Float64Array.from({ length: (items.ends[item] ?? 0) - (items.starts[item] ?? 0) }, () => uniform(places));
    return { ciou: meter.measure(item, scores).ciou, confidence: uniform(confidences) };
  });
}

/**
 * Centre: for every item the half of the frame that lies nearest to its middle (no threshold but
 * the median suits a map that has no scores), and the same confidence. Where published sets show
 * what sounds in the middle, a method must be above it to have used the sound at all.
 */
export function centreOutcomes(items: PlaceItems, { resolution, consensus }: MapSettings): PlaceOutcomes {
  const middle = (resolution - 1) / 2;
  const map = Float64Array.from({ length: resolution ** 2 }, (_, i) => -((Math.floor(i / resolution) - middle) ** 2 + ((i % resolution) - middle) ** 2));
  const meter = new MapMeter(resolution, resolution, { threshold: null, consensus });
  return outcomesBy(items, (item) => ({ ciou: meter.measure(map, items.boxes[item] ?? []).ciou, confidence: 0 }));
}

function outcomesBy({ boxes }: PlaceItems, measure: (item: number) => MapMeasure): PlaceOutcomes {
  const outcomes = { ciou: new Float64Array(boxes.length), confidence: new Float64Array(boxes.length) };
  for (let item = 0; item < boxes.length; item += 1) {
    const { ciou, confidence } = measure(item);
    outcomes.ciou[item] = ciou;
    outcomes.confidence[item] = confidence;
  }
  return outcomes;
}

/** What is odd about boxes, counted. */
export interface BoxFaults {
  /** Boxes that reach beyond the frame by more than rounding does; they are cut at it. */
  readonly beyond: number;
  /** Boxes that cover nothing, as their right is not right of their left or their bottom not below their top. */
  readonly degenerate: number;
  /** Items with boxes of which none covers a pixel: their cIoU can only be 0. */
  readonly hopeless: number;
}

/** Further beyond the frame than that is no rounding. */
const BEYOND = 1e-6;

/** Counts what is odd about items' boxes. */
export function boxFaults(boxes: readonly (readonly Box[])[], resolution: number): BoxFaults {
  const all = boxes.flat();
  const degenerate = ([left, top, right, bottom]: Box): boolean => Math.min(1, right) <= Math.max(0, left) || Math.min(1, bottom) <= Math.max(0, top);
  return {
    beyond: all.filter((box) => box.some((corner) => corner < -BEYOND || corner > 1 + BEYOND)).length,
    degenerate: all.filter(degenerate).length,
    hopeless: boxes.filter((own) => own.length > 0 && rasterizeBoxes(own, resolution, resolution).every((value) => value === 0)).length,
  };
}

/**
 * Items in which what sounds is so small that a map cut at its median, half of the frame or more,
 * cannot reach a cIoU of 0.5: where no boxes overlap, those of less than a quarter of the frame.
 */
export function beyondMedian(boxes: readonly (readonly Box[])[], { resolution, consensus }: Pick<MapSettings, "resolution" | "consensus">): number {
  const predicted = resolution ** 2 - Math.floor(resolution ** 2 / 2);
  return boxes.filter((own) => {
    if (own.length === 0) return false;
    let whole = 0;
    let covered = 0;
    for (const value of rasterizeBoxes(own, resolution, resolution, consensus)) {
      whole += value;
      if (value > 0) covered += 1;
    }
    return whole < Math.max(0, predicted - covered);
  }).length;
}

/** SLAVC's parts of a test set by how many of 224 x 224 pixels sound: each from its own number to the next one's. */
export const SIZES = { small: 0, medium: 32 ** 2, large: 96 ** 2, huge: 144 ** 2 } as const;
export type Size = keyof typeof SIZES;
export const SIZE_NAMES = Object.keys(SIZES) as readonly Size[];
const SIZE_RESOLUTION = 224;

/** The size of what sounds in an item: the sum of its true map, in which boxes that overlap count once. Null where it has no box. */
export function sizeOf(boxes: readonly Box[], consensus: number): Size | null {
  if (boxes.length === 0) return null;
  const area = rasterizeBoxes(boxes, SIZE_RESOLUTION, SIZE_RESOLUTION, consensus).reduce((sum, value) => sum + value, 0);
  return SIZE_NAMES.findLast((size) => area >= SIZES[size]) ?? "small";
}
