/**
 * Statistics over trainings with several seeds: the value is the mean over the
 * seeds, and a resample draws seeds beside items, so that an interval covers both.
 */

import { deriveSeed, randomSource } from "../connect/random.js";
import type { Draw, Statistic } from "./bootstrap.js";

/**
 * One record of statistics from those of each seed, over the same items. A single
 * seed's are as they were.
 *
 * @param records the same metrics in each, in the order of the seeds
 */
export function overSeeds(records: readonly Readonly<Record<string, Statistic>>[]): Record<string, Statistic> {
  const [first = {}] = records;
  if (records.length <= 1) return { ...first };
  const drawn = seedDraws(records.length);
  return Object.fromEntries(
    Object.keys(first).map((metric) => [
      metric,
      meanOfSeeds(
        records.map((record) => {
          const statistic = record[metric];
          if (statistic === undefined) throw new RangeError(`a seed has no ${metric}`);
          return statistic;
        }),
        drawn,
      ),
    ]),
  );
}

function meanOfSeeds(statistics: readonly Statistic[], drawn: (draw: Draw) => Float64Array): Statistic {
  const seeds = statistics.map(({ value }) => value);
  const alike = new Float64Array(seeds.length).fill(1 / seeds.length);
  return {
    value: seeds.reduce((sum, value) => sum + value, 0) / seeds.length,
    seeds,
    resample(multiplicities, draw) {
      const weights = draw === undefined ? alike : drawn(draw);
      let sum = 0;
      statistics.forEach((statistic, seed) => {
        const weight = weights[seed] ?? 0;
        if (weight > 0) sum += weight * statistic.resample(multiplicities, draw);
      });
      return sum;
    },
  };
}

/**
 * The weight of each seed in a resample, (seeds,), summing to 1: how often it was drawn,
 * with replacement. It follows from the draws' seed, the resample's number and the number
 * of seeds alone, so that methods, metrics and runs with as many seeds are paired.
 */
function seedDraws(seeds: number): (draw: Draw) => Float64Array {
  const known = new Map<string, Float64Array>();
  return ({ seed, resample }) => {
    const key = `${seed}/${resample}`;
    let weights = known.get(key);
    if (weights === undefined) {
      weights = new Float64Array(seeds);
      const random = randomSource(deriveSeed(seed, "seed-draws", resample));
      for (let drawn = 0; drawn < seeds; drawn += 1) {
        const place = random.nextBelow(seeds);
        weights[place] = (weights[place] ?? 0) + 1 / seeds;
      }
      known.set(key, weights);
    }
    return weights;
  };
}
