/**
 * Audio-visual source localization: maps of where a sound comes from, held
 * against boxes. The definitions are those that VGG-SS, EZ-VSL and SLAVC share.
 */

import { type CmcrError, dataError } from "../errors.js";
import { meanStatistic, type Statistic } from "./bootstrap.js";
import { selectSmallest } from "./selection.js";

/** Left, top, right, bottom, as fractions of the frame's width and height. */
export type Box = readonly [number, number, number, number];

/** Consecutive maps, (count, height, width) row-major; higher is more of the source. */
export interface MapBlock {
  readonly data: Float32Array | Float64Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
}

export interface LocalizationOptions {
  /**
   * Where a map is cut: a pixel belongs to the source when its value, as given, is at least this. Null: the map's
   * median, the value at place floor(n / 2) of the n sorted ones, as LVS, EZ-VSL and (with `--relative_prediction`)
   * SLAVC have it; the default, as it needs no scale. SLAVC otherwise cuts at a fixed number: its 0.5, of scores
   * moved to 0 to 1, is a cosine of 0. `half-maximum`: half the map's largest value, as DSOL does it.
   */
  readonly threshold: number | "half-maximum" | null;
  /** Whether a pixel must lie above the threshold: so LVS and DSOL have it. Left out: at it is enough, as for EZ-VSL and SLAVC. */
  readonly strict?: boolean;
  /** How many boxes must agree for a pixel to count in full; 1: a single annotation. Flickr-SoundNet has 2. */
  readonly consensus?: number;
}

/** What is measured of each map. */
export interface MapMeasures {
  /** cIoU of each item. NaN where it has no box. */
  readonly ciou: Float64Array;
  /** Mean of the top quarter of each map's pixels. */
  readonly confidence: Float64Array;
  /** Boxes of each item; 0: nothing sounds. */
  readonly boxes: Uint32Array;
}

/** Steps of the thresholds whose success rates AUC integrates: 0, 0.05, to 1. */
const AUC_STEPS = 20;

/**
 * The true map of an item's boxes at a resolution: how far each pixel belongs to
 * the source, 0 to 1. Corners are clipped to 0 to 1, multiplied by the
 * resolution and rounded down, and right and bottom excluded, as SLAVC does it.
 * A pixel counts min(boxes over it / consensus, 1).
 */
export function rasterizeBoxes(boxes: readonly Box[], height: number, width: number, consensus = 1): Float64Array {
  const truth = new Float64Array(height * width);
  for (const [left, top, right, bottom] of boxes) {
    const [from, to] = [edgePixel(left, width), edgePixel(right, width)];
    for (let y = edgePixel(top, height); y < edgePixel(bottom, height); y += 1) {
      for (let i = y * width + from; i < y * width + to; i += 1) truth[i] = (truth[i] ?? 0) + 1;
    }
  }
  for (let i = 0; i < truth.length; i += 1) truth[i] = Math.min((truth[i] ?? 0) / consensus, 1);
  return truth;
}

/** The pixel at which an edge lies: its fraction of the frame, cut at the frame, times the pixels, rounded down. */
function edgePixel(fraction: number, length: number): number {
  return Math.floor(Math.min(1, Math.max(0, fraction)) * length);
}

/**
 * cIoU of a map: the truth that is inside the prediction, over all truth and
 * the predicted pixels that have none. 0 where both are empty.
 *
 * @param strict whether a pixel is predicted above the threshold only, and not at it
 */
export function ciou(map: Float32Array | Float64Array, threshold: number, truth: Float64Array, strict = false): number {
  let inside = 0;
  let whole = 0;
  let outside = 0;
  for (let i = 0; i < truth.length; i += 1) {
    const own = truth[i] ?? 0;
    whole += own;
    const value = map[i] ?? NaN;
    if (strict ? value <= threshold : value < threshold) continue;
    inside += own;
    if (own === 0) outside += 1;
  }
  return whole + outside === 0 ? 0 : inside / (whole + outside);
}

/** What is measured of one map. */
export interface MapMeasure {
  /** NaN where the item has no box. */
  readonly ciou: number;
  readonly confidence: number;
}

/** Measures maps of one size, one after the other. */
export class MapMeter {
  readonly #sorted: Float64Array;

  constructor(
    private readonly height: number,
    private readonly width: number,
    private readonly options: LocalizationOptions,
  ) {
    this.#sorted = new Float64Array(height * width);
  }

  /**
   * The cIoU of a map, (height, width) row-major without NaN, with an item's boxes, and
   * its confidence, which is that of the map as it is given: a map that was stretched
   * between its own least and largest value would be as confident as any other.
   */
  measure(map: Float32Array | Float64Array, boxes: readonly Box[]): MapMeasure {
    const sorted = this.#sorted;
    sorted.set(map);
    const median = selectSmallest(sorted, Math.floor(sorted.length / 2));
    const { threshold, strict = false } = this.options;
    const cut = threshold === "half-maximum" ? upperMaximum(sorted) / 2 : (threshold ?? median);
    return { ciou: boxes.length === 0 ? NaN : ciou(map, cut, this.truth(boxes), strict), confidence: topQuarterMean(sorted) };
  }

  /** The same of a prediction whose pixels are known: 1 inside of it and 0 outside. */
  overlap(predicted: Float32Array | Float64Array, boxes: readonly Box[]): number {
    return boxes.length === 0 ? NaN : ciou(predicted, 0.5, this.truth(boxes));
  }

  private truth(boxes: readonly Box[]): Float64Array {
    return rasterizeBoxes(boxes, this.height, this.width, this.options.consensus ?? 1);
  }
}

/**
 * Measures maps block by block, at their own resolution. Thrown (exit 3) with the
 * map and pixel of a NaN, and when maps and boxes differ in number.
 */
export async function measureMaps(
  blocks: AsyncIterable<MapBlock> | Iterable<MapBlock>,
  boxes: readonly (readonly Box[])[],
  options: LocalizationOptions,
  place: string,
): Promise<MapMeasures> {
  const measures: MapMeasures = {
    ciou: new Float64Array(boxes.length),
    confidence: new Float64Array(boxes.length),
    boxes: Uint32Array.from(boxes, ({ length }) => length),
  };
  let item = 0;
  for await (const { data, count, height, width } of blocks) {
    const pixels = height * width;
    if (pixels === 0) throw invalid(place, `the maps have ${height} by ${width} pixels. Give maps with one pixel or more.`);
    const meter = new MapMeter(height, width, options);
    for (let i = 0; i < count; i += 1, item += 1) {
      const own = boxes[item];
      if (own === undefined) throw invalid(place, `there are more maps than the ${boxes.length} lists of boxes.`);
      const map = data.subarray(i * pixels, (i + 1) * pixels);
      const nan = firstNaN(map);
      if (nan >= 0) throw invalid(place, `map ${item} is NaN at row ${Math.floor(nan / width)}, column ${nan % width}. Find what made it.`);
      const { ciou: overlap, confidence } = meter.measure(map, own);
      measures.ciou[item] = overlap;
      measures.confidence[item] = confidence;
    }
  }
  if (item < boxes.length) throw invalid(place, `there are ${item} maps, and ${boxes.length} lists of boxes.`);
  return measures;
}

/**
 * The metrics, by their names in metrics.json, from the cIoU of each item that
 * sounds: `cIoU@0.5`, the share that reaches 0.5; `AUC`, the area, by the
 * trapezoid rule, under the share that reaches 0, 0.05, to 1; `meanCIoU`.
 */
export function localizationStatistics(ciouOfItems: Float64Array): Record<string, Statistic> {
  return {
    "cIoU@0.5": meanStatistic(ciouOfItems.map((value) => (value >= 0.5 ? 1 : 0))),
    AUC: meanStatistic(ciouOfItems.map(areaUnderSuccess)),
    meanCIoU: meanStatistic(ciouOfItems),
  };
}

/** An item's part of AUC: the curve is a mean over items, and so is its area. */
function areaUnderSuccess(value: number): number {
  let area = 0;
  for (let step = 0; step < AUC_STEPS; step += 1) {
    const [from, to] = [0.05 * step, 0.05 * (step + 1)];
    area += ((to - from) * (Number(value >= from) + Number(value >= to))) / 2;
  }
  return area;
}

/**
 * Mean of the floor(n / 4) largest of n values, of one at least. SLAVC's slice
 * rounds up where 4 does not divide n; at its 224 x 224 the two agree.
 *
 * @param values already parted at the median; they are reordered
 */
function topQuarterMean(values: Float64Array): number {
  const count = Math.max(1, Math.floor(values.length / 4));
  const upper = values.subarray(Math.floor(values.length / 2));
  selectSmallest(upper, upper.length - count);
  let sum = 0;
  for (let i = upper.length - count; i < upper.length; i += 1) sum += upper[i] ?? 0;
  return sum / count;
}

/** The largest of values that are already parted at the median. */
function upperMaximum(values: Float64Array): number {
  let largest = -Infinity;
  for (let i = Math.floor(values.length / 2); i < values.length; i += 1) largest = Math.max(largest, values[i] ?? largest);
  return largest;
}

function firstNaN(values: Float32Array | Float64Array): number {
  for (let i = 0; i < values.length; i += 1) if (Number.isNaN(values[i])) return i;
  return -1;
}

function invalid(place: string, message: string): CmcrError {
  return dataError(`${place}: ${message}`, { reason: "LOCALIZATION_INVALID", path: place });
}
