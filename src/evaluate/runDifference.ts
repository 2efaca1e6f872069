/** How two runs differ on a task that both have evaluated, from their bootstrap.json. */

import { type Bootstrapped, estimateOf, pairedDifference, resampled } from "./bootstrap.js";
import type { MetricReplicates, MetricValues, TaskBootstrap } from "./bootstrapFile.js";
import type { MetricEstimates } from "./metricsFile.js";

/** The first run minus the second, metric by metric. */
export interface RunDifference {
  readonly results: MetricEstimates;
  /** Retrieval with the gallery as queries, where both runs have it. */
  readonly reverse?: MetricEstimates;
  /** What must be said beside the numbers, in sentences. */
  readonly notices: readonly string[];
}

/**
 * The first run minus the second on the same items, with 95 % intervals: paired, as both
 * runs met the same items in each resample, and where they have as many seeds, seeds of
 * the same places. Metrics that only one of them has are left out.
 *
 * Throws RangeError when the items were drawn otherwise: another number of items, of
 * resamples, or another seed of the bootstrap. Then there is no pairing.
 */
export function runDifference(first: TaskBootstrap, second: TaskBootstrap): RunDifference {
  if (first.task !== second.task) throw new RangeError(`${first.task} and ${second.task} cannot be compared`);
  const results = differences(first.draws, side(first, "results"), second.draws, side(second, "results"));
  const bothWays = first.reverse !== undefined && second.reverse !== undefined;
  return {
    results,
    ...(bothWays ? { reverse: differences(first.reverseDraws ?? "", side(first, "reverse"), second.reverseDraws ?? "", side(second, "reverse")) } : {}),
    notices: notices(first, second),
  };
}

interface Side {
  readonly replicates: MetricReplicates;
  readonly values: MetricValues;
}

function side(task: TaskBootstrap, way: "results" | "reverse"): Side {
  return { replicates: task[way] ?? {}, values: task.values[way] ?? {} };
}

function differences(firstDraws: string, first: Side, secondDraws: string, second: Side): MetricEstimates {
  const shared = Object.keys(first.replicates).filter((metric) => metric in second.replicates);
  return Object.fromEntries(shared.map((metric) => [metric, estimateOf(pairedDifference(estimated(first, metric, firstDraws), estimated(second, metric, secondDraws)))]));
}

function estimated({ replicates, values }: Side, metric: string, draws: string): Bootstrapped {
  const seeds = values[metric] ?? [];
  const value = seeds.reduce((sum, own) => sum + own, 0) / seeds.length;
  return resampled(value, Float64Array.from(replicates[metric] ?? [], (replicate) => replicate ?? NaN), draws, seeds.length > 1 ? seeds : undefined);
}

function notices(first: TaskBootstrap, second: TaskBootstrap): readonly string[] {
  const [own, other] = [first, second].map(({ values }) => Object.values(values.results)[0]?.length ?? 0);
  return [
    ...(first.truth === second.truth ? [] : ["The runs do not hold their items against the same truth, so the difference is not of the method alone."]),
    ...(own === other ? [] : [`The runs have ${own ?? 0} and ${other ?? 0} seeds: what is drawn is paired by the items alone.`]),
  ];
}
