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
  const alike = new Float64Array(seeds.length).fill(1);
  return {
    value: seeds.reduce((sum, value) => sum + value, 0) / seeds.length,
    seeds,
    resample(multiplicities, draw) {
      const times = draw === undefined ? alike : drawn(draw);
      let sum = 0;
      let count = 0;
      statistics.forEach((statistic, seed) => {
        const own = times[seed] ?? 0;
        if (own === 0) return;
        sum += own * statistic.resample(multiplicities, draw);
        count += own;
      });
      return sum / count;
    },
  };
}

/**
 * How often each seed occurs in a resample, (seeds,), drawn with replacement. One fewer is
 * drawn than there are, without which the variance of the mean of n seeds would come out
 * too small by (n - 1) / n (Rao and Wu, "Resampling inference with
 * complex survey data", JASA 1988); docs/adr/0016 has the figures. The draws follow from
 * the bootstrap's seed, the resample's number and the number of seeds alone, so that
 * methods, metrics and runs with as many seeds are paired.
 */
function seedDraws(seeds: number): (draw: Draw) => Float64Array {
  const known = new Map<string, Float64Array>();
  return ({ seed, resample }) => {
    const key = `${seed}/${resample}`;
    let times = known.get(key);
    if (times === undefined) {
      times = new Float64Array(seeds);
      const random = randomSource(deriveSeed(seed, "seed-draws", resample));
      for (let drawn = 1; drawn < seeds; drawn += 1) {
        const place = random.nextBelow(seeds);
        times[place] = (times[place] ?? 0) + 1;
      }
      known.set(key, times);
    }
    return times;
  };
}
