/** What the numbers say, in plain sentences, whichever way they point. */

import type { Bootstrapped, Estimate } from "./bootstrap.js";
import { pairedDifference, sampleDeviation } from "./bootstrap.js";
import { formatMetric, higherIsBetter } from "./metricNames.js";
import type { BootstrappedMethods } from "./metricsFile.js";

/** Chance is no rival; it is compared with apart. */
const CHANCE = "chance";
/** With fewer items than this an interval is so wide that it should be said. */
const FEW_ITEMS = 100;

/**
 * How the first method stands against the best of the others and against
 * chance, by one metric.
 *
 * @param direction such as "query to gallery"; empty where there is but one
 */
export function comparisonNotes(methods: BootstrappedMethods, metric: string, direction: string): readonly string[] {
  const [first, ...others] = Object.entries(methods).flatMap(([name, metrics]) => {
    const estimate = metrics[metric];
    return estimate === undefined ? [] : [{ name, estimate }];
  });
  if (first === undefined) return [];
  const sign = higherIsBetter(metric) ? 1 : -1;
  const rivals = others.filter(({ name }) => name !== CHANCE).sort((a, b) => sign * (b.estimate.value - a.estimate.value));
  const [rival] = rivals;
  const chance = others.find(({ name }) => name === CHANCE);
  const prefix = direction === "" ? "" : `${direction}: `;
  return [
    ...(rival === undefined ? [] : againstRival(first, rival, metric, sign).map((note) => prefix + note)),
    ...(chance === undefined ? [] : againstChance(first, chance, metric, sign).map((note) => prefix + note)),
  ];
}

/** What must be said of the data: few items, and items that count in no metric. */
export function countNotes(queries: number, leftOut: number, noun: string, lacking = "relevant item"): readonly string[] {
  const kept = queries - leftOut;
  return [
    ...(leftOut > 0 ? [`${leftOut} of ${queries} ${noun} ${leftOut === 1 ? `has no ${lacking} and counts` : `have no ${lacking} and count`} in no metric.`] : []),
    ...(kept < FEW_ITEMS ? [`Only ${kept} ${noun} count: the intervals are wide, and rough.`] : []),
  ];
}

/** From this share of an interval's variance on, the seeds tell more of it than the items do, and few of them tell it badly. */
const MOSTLY_SEEDS = 0.5;
/** With as many seeds their spread is known well enough. */
const MANY_SEEDS = 10;

/**
 * What must be said of several seeds, by the main metric: how many they are, and that
 * few of them make an interval too narrow where they, and not the items, make it wide.
 */
export function seedNotes(methods: BootstrappedMethods, metric: string, noun: string): readonly string[] {
  const [first] = Object.entries(methods);
  const estimate = first?.[1][metric];
  if (first === undefined || estimate?.seeds === undefined || estimate.std === undefined) return [];
  const [name] = first;
  const count = estimate.seeds.length;
  const share = estimate.std ** 2 / count / sampleDeviation(Array.from(estimate.replicates).filter((value) => !Number.isNaN(value))) ** 2;
  return [
    `${name} was trained with ${count} seeds: its values are their means, ± their standard deviation, and its intervals cover ${noun} and seeds.`,
    ...(count < MANY_SEEDS && share > MOSTLY_SEEDS
      ? [`Its ${metric} varies more between seeds than between draws of the ${noun}: with only ${count} seeds the intervals are somewhat too narrow.`]
      : []),
  ];
}

/**
 * How two methods or runs differ by one metric: "above" or "better" only where the
 * paired interval of the difference excludes zero.
 *
 * @param difference the first minus the second
 */
export function differenceNote(first: string, second: string, difference: Estimate, metric: string): string {
  const lead = oriented(difference, higherIsBetter(metric) ? 1 : -1);
  const [low, high] = lead.ci95;
  if (low > 0) return `${first} is ${amount(lead, metric)} ${better(metric)} ${second} (${interval(lead, metric)}${withSeeds(lead, "ahead")}).`;
  if (high < 0) return differenceNote(second, first, negated(difference), metric);
  return `${first} and ${second} cannot be told apart: ${first} minus ${second} is ${amount(difference, metric)} (${interval(difference, metric)}, which includes zero${withSeeds(lead, "ahead")}).`;
}

interface Named {
  readonly name: string;
  readonly estimate: Bootstrapped;
}

function againstRival(first: Named, rival: Named, metric: string, sign: number): readonly string[] {
  const difference = pairedDifference(first.estimate, rival.estimate);
  const lead = oriented(difference, sign);
  const [low, high] = lead.ci95;
  if (low > 0) return [`${first.name} is ${amount(lead, metric)} ${better(metric)} ${rival.name}, the best other method (${interval(lead, metric)}${withSeeds(lead, "ahead")}).`];
  if (high < 0) {
    const behind = negated(lead);
    return [
      `${rival.name} is ${amount(behind, metric)} ${better(metric)} ${first.name} (${interval(behind, metric)}${withSeeds(behind, "ahead")}): here the simpler method does better.`,
      ...beyondReach(first, rival, metric, sign),
    ];
  }
  return [
    `${first.name} and ${rival.name}, the best other method, cannot be told apart: ${first.name} minus ${rival.name} is ${amount(difference, metric)} (${interval(difference, metric)}, which includes zero${withSeeds(lead, "ahead")}).`,
    ...beyondReach(first, rival, metric, sign),
  ];
}

/** Said where the first method does not even reach into the rival's own interval. */
function beyondReach(first: Named, rival: Named, metric: string, sign: number): readonly string[] {
  const [bound] = oriented(rival.estimate, sign).ci95;
  if (sign * first.estimate.value > bound) return [];
  return [`${first.name} is not ${better(metric)} the ${sign > 0 ? "lower" : "upper"} end of ${rival.name}'s own interval: ${formatMetric(metric, first.estimate.value)} against ${formatMetric(metric, sign * bound)}.`];
}

function againstChance(first: Named, chance: Named, metric: string, sign: number): readonly string[] {
  const lead = oriented(pairedDifference(first.estimate, chance.estimate), sign);
  const [low, high] = lead.ci95;
  if (low > 0) return [];
  if (high < 0) {
    const behind = negated(lead);
    return [`${chance.name} is ${amount(behind, metric)} ${better(metric)} ${first.name} (${interval(behind, metric)}): ${first.name} does worse than guessing.`];
  }
  return [`${first.name} is not shown to do better than chance: the difference is ${amount(lead, metric)} (${interval(lead, metric)}).`];
}

/** The difference such that positive is better; its interval turns round with it. */
function oriented(difference: Estimate, sign: number): Estimate {
  return sign > 0 ? difference : negated(difference);
}

function negated({ value, ci95: [low, high], std, seeds }: Estimate): Estimate {
  return { value: -value, ci95: [-high, -low], ...(std === undefined || seeds === undefined ? {} : { std, seeds: seeds.map((own) => -own) }) };
}

/** With how many of the seeds the sign is that of being ahead; nothing where there is but one. */
function withSeeds({ seeds }: Estimate, what: string): string {
  if (seeds === undefined) return "";
  const ahead = seeds.filter((own) => own > 0).length;
  return `; ${what} with ${ahead} of ${seeds.length} seeds`;
}

function amount({ value }: Estimate, metric: string): string {
  return `${formatMetric(metric, value)} ${metric}`;
}

function interval({ ci95: [low, high] }: Estimate, metric: string): string {
  return `95 % interval ${formatMetric(metric, low)} to ${formatMetric(metric, high)}`;
}

function better(metric: string): string {
  return higherIsBetter(metric) ? "above" : "better (lower) than";
}
