/** What the numbers say, in plain sentences, whichever way they point. */

import type { Bootstrapped, Estimate } from "./bootstrap.js";
import { pairedDifference } from "./bootstrap.js";
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
    ...(rival === undefined ? [] : [prefix + againstRival(first, rival, metric, sign)]),
    ...(chance === undefined ? [] : againstChance(first, chance, metric, sign).map((note) => prefix + note)),
  ];
}

/** What must be said of the data: few items, and items that count in no metric. */
export function countNotes(queries: number, leftOut: number, noun: string, lacking = "relevant item"): readonly string[] {
  const kept = queries - leftOut;
  return [
    ...(leftOut > 0 ? [`${leftOut} of ${queries} ${noun} have no ${lacking} and count in no metric.`] : []),
    ...(kept < FEW_ITEMS ? [`Only ${kept} ${noun} count: the intervals are wide, and rough.`] : []),
  ];
}

interface Named {
  readonly name: string;
  readonly estimate: Bootstrapped;
}

function againstRival(first: Named, rival: Named, metric: string, sign: number): string {
  const difference = pairedDifference(first.estimate, rival.estimate);
  const lead = oriented(difference, sign);
  const [low, high] = lead.ci95;
  if (low > 0) return `${first.name} is ${amount(lead, metric)} ${better(metric)} ${rival.name}, the best other method (${interval(lead, metric)}).`;
  if (high < 0) {
    const behind = oriented(difference, -sign);
    return `${rival.name} is ${amount(behind, metric)} ${better(metric)} ${first.name} (${interval(behind, metric)}): here the simpler method does better.`;
  }
  return `${first.name} and ${rival.name}, the best other method, cannot be told apart: ${first.name} minus ${rival.name} is ${amount(difference, metric)} (${interval(difference, metric)}, which includes zero).`;
}

function againstChance(first: Named, chance: Named, metric: string, sign: number): readonly string[] {
  const lead = oriented(pairedDifference(first.estimate, chance.estimate), sign);
  const [low, high] = lead.ci95;
  if (low > 0) return [];
  if (high < 0) {
    const behind = oriented(lead, -1);
    return [`${chance.name} is ${amount(behind, metric)} ${better(metric)} ${first.name} (${interval(behind, metric)}): ${first.name} does worse than guessing.`];
  }
  return [`${first.name} is not shown to do better than chance: the difference is ${amount(lead, metric)} (${interval(lead, metric)}).`];
}

/** The difference such that positive is better; its interval turns round with it. */
function oriented({ value, ci95: [low, high] }: Estimate, sign: number): Estimate {
  return sign > 0 ? { value, ci95: [low, high] } : { value: -value, ci95: [-high, -low] };
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
