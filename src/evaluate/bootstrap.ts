/**
 * Percentile bootstrap over items (Efron and Tibshirani 1993, chapter 13): the
 * items are drawn anew with replacement, and the interval is what the middle 95
 * percent of the resampled statistics span. All statistics of one call see the
 * same draws, so that differences between methods are paired.
 */

import { randomSource } from "../connect/random.js";

/** A number with its 95 percent interval, as metrics.json has it. */
export interface Estimate {
  readonly value: number;
  /** The 2.5th and the 97.5th percentile of the resampled values. */
  readonly ci95: readonly [number, number];
  /** Only of several seeds, whose mean the value is: their sample standard deviation (n - 1). */
  readonly std?: number;
  /** Only of several seeds: the value of each, in their order. */
  readonly seeds?: readonly number[];
}

/** Names a resample among all. */
export interface Draw {
  /** From 0. */
  readonly resample: number;
  /** The seed of the draws. */
  readonly seed: number;
}

/** A statistic of items that can be taken again when items occur several times or not at all. */
export interface Statistic {
  /** On the items as they are. */
  readonly value: number;
  /** The value of each seed, where the statistic is the mean of several. */
  readonly seeds?: readonly number[];
  /**
   * When item i occurs `multiplicities[i]` times. The array has one element for
   * each item, sums to their number, and is overwritten after the call. NaN
   * where the statistic is undefined; such resamples are left out of the interval.
   *
   * @param draw where more than items is drawn anew; without it that stays as it is
   */
  resample(multiplicities: Float64Array, draw?: Draw): number;
}

export interface BootstrapOptions {
  readonly resamples: number;
  /** Below 2^53. The same seed and number of items give the same draws. */
  readonly seed: number;
}

/** Enough for percentiles that vary by about a twentieth of the interval between seeds. */
export const DEFAULT_RESAMPLES = 1000;

/** An estimate together with what it was resampled to. */
export interface Bootstrapped extends Estimate {
  /** One value for each resample, in the order of the draws. */
  readonly replicates: Float64Array;
  /** Names the draws: two with the same name are paired. */
  readonly draws: string;
}

/**
 * Bootstraps statistics of the same `count` items. Costs resamples x count for
 * the draws, and for each statistic what its `resample` costs.
 */
export function bootstrap<Name extends string>(
  count: number,
  statistics: Readonly<Record<Name, Statistic>>,
  options: BootstrapOptions,
): Record<Name, Bootstrapped> {
  const { resamples, seed } = options;
  if (!Number.isInteger(resamples) || resamples < 1) throw new RangeError(`resamples is a positive integer, not ${resamples}`);
  const named = Object.entries<Statistic>(statistics).map(([name, statistic]) => ({ name, statistic, replicates: new Float64Array(resamples) }));
  const random = randomSource(seed);
  const multiplicities = new Float64Array(count);
  for (let resample = 0; resample < resamples; resample += 1) {
    multiplicities.fill(0);
    for (let drawn = 0; drawn < count; drawn += 1) {
      const item = random.nextBelow(count);
      multiplicities[item] = (multiplicities[item] ?? 0) + 1;
    }
    const draw: Draw = { resample, seed };
    for (const { statistic, replicates } of named) replicates[resample] = statistic.resample(multiplicities, draw);
  }
  const draws = `${count}/${resamples}/${seed}`;
  const entries = named.map(({ name, statistic, replicates }) => [name, resampled(statistic.value, replicates, draws, statistic.seeds)]);
  return Object.fromEntries(entries) as Record<Name, Bootstrapped>;
}

/** An estimate from its resampled values; `seeds` where the value is the mean of several. */
export function resampled(value: number, replicates: Float64Array, draws: string, seeds?: readonly number[]): Bootstrapped {
  return { ...estimate(value, replicates, seeds), replicates, draws };
}

/**
 * `first` minus `second`, with the interval of the difference: narrower than
 * the two intervals suggest, as both methods met the same items in each
 * resample. Throws RangeError when the two were not drawn together.
 */
export function pairedDifference(first: Bootstrapped, second: Bootstrapped): Bootstrapped {
  if (first.draws !== second.draws) throw new RangeError(`draws ${first.draws} and ${second.draws} are not paired`);
  const replicates = first.replicates.map((value, i) => value - (second.replicates[i] ?? NaN));
  return resampled(first.value - second.value, replicates, first.draws, differenceOfSeeds(first, second));
}

/** Seed by seed; what has no seeds is the same with each. */
function differenceOfSeeds(first: Estimate, second: Estimate): readonly number[] | undefined {
  const count = first.seeds?.length ?? second.seeds?.length;
  if (count === undefined) return undefined;
  const difference = Array.from({ length: count }, (_, i) => (first.seeds?.[i] ?? first.value) - (second.seeds?.[i] ?? second.value));
  return (second.seeds?.length ?? count) === count ? difference : undefined;
}

/** Without the resampled values: what metrics.json holds. */
export function estimateOf({ value, ci95, std, seeds }: Estimate): Estimate {
  return { value, ci95, ...(std === undefined || seeds === undefined ? {} : { std, seeds }) };
}

/** The mean of one value for each item. */
export function meanStatistic(values: Float64Array): Statistic {
  const [first = NaN] = values;
  // Adding up equal values in another number would give an interval that is nothing but rounding.
  if (values.every((value) => value === first)) return constantStatistic(first);
  const total = values.reduce((sum, value) => sum + value, 0);
  return {
    value: total / values.length,
    resample(multiplicities) {
      let sum = 0;
      for (let i = 0; i < values.length; i += 1) sum += (values[i] ?? 0) * (multiplicities[i] ?? 0);
      return sum / values.length;
    },
  };
}

/** What no item changes. */
export function constantStatistic(value: number): Statistic {
  return { value, resample: () => value };
}

/** The sum of one value for each item over the sum of another; NaN where that is 0. */
export function ratioStatistic(numerators: Float64Array, denominators: Float64Array): Statistic {
  const resample = (multiplicities: Float64Array): number => {
    let above = 0;
    let below = 0;
    for (let i = 0; i < numerators.length; i += 1) {
      const times = multiplicities[i] ?? 0;
      above += times * (numerators[i] ?? 0);
      below += times * (denominators[i] ?? 0);
    }
    return above / below;
  };
  return { value: resample(new Float64Array(numerators.length).fill(1)), resample };
}

/** The median of one value for each item: of an even number, the mean of the two in the middle. */
export function medianStatistic(values: Float64Array): Statistic {
  const order = Uint32Array.from(values.keys()).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const sorted = Float64Array.from(order, (i) => values[i] ?? 0);
  // The middle places, counted from 1, of as many values as there are items.
  const lower = Math.ceil(values.length / 2);
  const upper = Math.floor(values.length / 2) + 1;
  return {
    value: ((sorted[lower - 1] ?? NaN) + (sorted[upper - 1] ?? NaN)) / 2,
    resample(multiplicities) {
      let counted = 0;
      let below = NaN;
      for (let i = 0; i < sorted.length; i += 1) {
        const before = counted;
        counted += multiplicities[order[i] ?? 0] ?? 0;
        if (before < lower && counted >= lower) below = sorted[i] ?? NaN;
        if (counted >= upper) return (below + (sorted[i] ?? NaN)) / 2;
      }
      return NaN;
    },
  };
}

/** Interval of the resampled values, by linear interpolation between order statistics (type 7 of Hyndman and Fan 1996). */
function estimate(value: number, replicates: Float64Array, seeds: readonly number[] | undefined): Estimate {
  const sorted = replicates.filter((replicate) => !Number.isNaN(replicate)).sort();
  const ci95 = [quantile(sorted, 0.025), quantile(sorted, 0.975)] as const;
  return { value, ci95, ...(seeds === undefined ? {} : { std: sampleDeviation(seeds), seeds }) };
}

/** Standard deviation of a sample, with n - 1; 0 of a single value. */
export function sampleDeviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

function quantile(sorted: Float64Array, probability: number): number {
  const position = probability * (sorted.length - 1);
  const floor = Math.floor(position);
  const [low, high] = [sorted[floor] ?? NaN, sorted[Math.ceil(position)] ?? NaN];
  // Equal neighbours are kept as they are: interpolating would round them.
  return low === high ? low : low + (position - floor) * (high - low);
}
