/**
 * Counterfactual recognition: localization with items in which nothing sounds,
 * as SLAVC's extended test sets have it. A method must be confident where
 * something sounds, right about the place, and not confident elsewhere.
 */

import { ratioStatistic, type Statistic } from "./bootstrap.js";
import type { MapMeasures } from "./localization.js";

/** A place counts as found from this cIoU on. */
const CIOU_THRESHOLD = 0.5;

/**
 * The metrics, by their names in metrics.json. An item is detected when its
 * confidence is at least a threshold. Detected and well placed: true positive;
 * detected otherwise: false positive; sounding and not detected: false negative.
 *
 * - `AP`: over the thresholds sorted(confidence) without the largest, downwards
 *   in steps of max(1, floor(n / 200)), precision made to fall monotonically:
 *   the sum of precision_i (recall_(i+1) - recall_i). SLAVC adds no area before
 *   the first threshold, and neither is any added here.
 * - `maxF1`: the largest F1 over every max(1, floor(n / 10))-th sorted
 *   confidence from the smallest, about eleven thresholds, as SLAVC sweeps them.
 *   A finer sweep would give as much or more.
 * - `LocAcc`: share of the sounding items whose place is found, whatever the
 *   confidence.
 *
 * @param measures as `measureMaps` gives them; at least one item sounds
 */
export function counterfactualStatistics({ ciou, confidence, boxes }: MapMeasures): Record<string, Statistic> {
  const sounds = Float64Array.from(boxes, (count) => (count > 0 ? 1 : 0));
  const found = ciou.map((value, i) => (sounds[i] === 1 && value >= CIOU_THRESHOLD ? 1 : 0));
  const detections = new Detections(confidence, sounds, found);
  const once = new Float64Array(boxes.length).fill(1);
  const statistic = (measure: () => number): Statistic => {
    const resample = (multiplicities: Float64Array): number => {
      detections.draw(multiplicities);
      return measure();
    };
    return { value: resample(once), resample };
  };
  return {
    AP: statistic(() => detections.averagePrecision()),
    maxF1: statistic(() => detections.maxF1()),
    LocAcc: ratioStatistic(found, sounds),
  };
}

/** Counts at every confidence threshold of a (resampled) set of items. */
class Detections {
  private readonly count: number;
  /** Items by ascending confidence. */
  private readonly order: Uint32Array;
  /** For each place in the order, the first place of equal confidence. */
  private readonly tieStart: Uint32Array;
  /** Place of each drawn item, ascending, items drawn twice occurring twice. */
  private readonly places: Uint32Array;
  /** Items detected when the threshold is the confidence at a place. */
  private readonly truePositives: Float64Array;
  private readonly detected: Float64Array;
  /** Of the detected, those in which something sounds, well placed or not. */
  private readonly detectedSounding: Float64Array;

  constructor(
    confidence: Float64Array,
    private readonly sounds: Float64Array,
    private readonly found: Float64Array,
  ) {
    this.count = confidence.length;
    this.order = Uint32Array.from(confidence.keys()).sort((a, b) => (confidence[a] ?? 0) - (confidence[b] ?? 0));
    this.tieStart = new Uint32Array(this.count);
    this.places = new Uint32Array(this.count);
    this.truePositives = new Float64Array(this.count + 1);
    this.detected = new Float64Array(this.count + 1);
    this.detectedSounding = new Float64Array(this.count + 1);
    let start = 0;
    for (let place = 0; place < this.count; place += 1) {
      if (confidence[this.order[place] ?? 0] !== confidence[this.order[start] ?? 0]) start = place;
      this.tieStart[place] = start;
    }
  }

  /** Takes the items anew, each as often as it says. */
  draw(multiplicities: Float64Array): void {
    let drawn = this.count;
    for (let place = this.count - 1; place >= 0; place -= 1) {
      const item = this.order[place] ?? 0;
      const times = multiplicities[item] ?? 0;
      this.truePositives[place] = (this.truePositives[place + 1] ?? 0) + times * (this.found[item] ?? 0);
      this.detected[place] = (this.detected[place + 1] ?? 0) + times;
      this.detectedSounding[place] = (this.detectedSounding[place + 1] ?? 0) + times * (this.sounds[item] ?? 0);
      this.places.fill(place, drawn - times, drawn);
      drawn -= times;
    }
  }

  averagePrecision(): number {
    const step = Math.max(1, Math.floor(this.count / 200));
    const points: { readonly precision: number; readonly recall: number }[] = [];
    for (let i = this.count - 2; i >= 0; i -= step) points.push(this.at(i));
    let sum = 0;
    let best = points.at(-1)?.precision ?? 0;
    for (let i = points.length - 2; i >= 0; i -= 1) {
      const [point, next] = [points[i], points[i + 1]];
      if (point === undefined || next === undefined) break;
      best = Math.max(best, point.precision);
      sum += best * (next.recall - point.recall);
    }
    return sum;
  }

  maxF1(): number {
    const step = Math.max(1, Math.floor(this.count / 10));
    let best = 0;
    for (let i = 0; i < this.count; i += step) {
      const { precision, recall } = this.at(i);
      if (precision + recall > 0) best = Math.max(best, (2 * precision * recall) / (precision + recall));
    }
    return best;
  }

  /** Precision and recall with the i-th smallest drawn confidence as threshold; each 1 where there is nothing to divide by. */
  private at(i: number): { readonly precision: number; readonly recall: number } {
    const place = this.tieStart[this.places[i] ?? 0] ?? 0;
    const truePositives = this.truePositives[place] ?? 0;
    const detected = this.detected[place] ?? 0;
    // A sounding item that is detected but ill placed is a false positive, and no false negative.
    const missed = (this.detectedSounding[0] ?? 0) - (this.detectedSounding[place] ?? 0);
    return {
      precision: detected === 0 ? 1 : truePositives / detected,
      recall: truePositives + missed === 0 ? 1 : truePositives / (truePositives + missed),
    };
  }
}
