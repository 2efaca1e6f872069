/** Classification class by class: how many items of each are recognised, and what they are taken for. */

import { plural } from "../plural.js";
import type { ClassOutcomes } from "./classification.js";

/** A cell of a confusion matrix that is not 0: true class, class that the item is taken for, how many items; classes by their place. */
export type ConfusionCell = readonly [truth: number, predicted: number, items: number];

/** One class's part of metrics.json. */
export interface ClassMetrics {
  readonly label: number;
  /** Where labels have names. */
  readonly name?: string;
  /** How many items are of the class. */
  readonly items: number;
  /** Method name to the share of these that it recognises (top 1), the mean over seeds; null where there are none. */
  readonly recall: Readonly<Record<string, number | null>>;
}

/** What classes are called. */
export interface ClassNames {
  readonly labels: ArrayLike<number>;
  readonly names: readonly string[] | null;
}

/** Counts of several seeds' outcomes together, by true class and then by the class that items are taken for. */
export function confusionCells(seeds: readonly ClassOutcomes[], truth: Uint32Array, classes: number): readonly ConfusionCell[] {
  const counts = new Map<number, number>();
  for (const { predicted } of seeds) {
    truth.forEach((own, item) => {
      const cell = own * classes + (predicted[item] ?? 0);
      counts.set(cell, (counts.get(cell) ?? 0) + 1);
    });
  }
  return [...counts].sort(([a], [b]) => a - b).map(([cell, items]) => [Math.floor(cell / classes), cell % classes, items]);
}

/** The same as a matrix: rows are true classes, columns what items are taken for. */
export function confusionRows(cells: readonly ConfusionCell[], classes: number): readonly (readonly number[])[] {
  const rows = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (const [truth, predicted, items] of cells) {
    const row = rows[truth];
    if (row !== undefined) row[predicted] = items;
  }
  return rows;
}

/** Every class with its items and how many of them each method recognises. */
export function classMetrics(
  methods: readonly { readonly name: string; readonly seeds: readonly ClassOutcomes[] }[],
  truth: Uint32Array,
  { labels, names }: ClassNames,
): readonly ClassMetrics[] {
  const items = new Float64Array(labels.length);
  for (const own of truth) items[own] = (items[own] ?? 0) + 1;
  const recognised = methods.map(({ name, seeds }) => {
    const hits = new Float64Array(labels.length);
    for (const { ranks } of seeds) {
      truth.forEach((own, item) => {
        if (ranks[item] === 1) hits[own] = (hits[own] ?? 0) + 1;
      });
    }
    return { name, hits, seeds: seeds.length };
  });
  return Array.from(labels, (label, place) => {
    const own = items[place] ?? 0;
    const name = names?.[place];
    return {
      label,
      ...(name === undefined ? {} : { name }),
      items: own,
      recall: Object.fromEntries(recognised.map(({ name: method, hits, seeds }) => [method, own === 0 ? null : (hits[place] ?? 0) / (own * seeds)])),
    };
  });
}

/** Classes and confusions that a sentence names. */
const NAMED = 3;

/** What the classes say of the first method, in sentences: which have no item, which are recognised least, and what is mixed up most. */
export function classNotes(classes: readonly ClassMetrics[], cells: readonly ConfusionCell[], method: string): readonly string[] {
  const called = ({ label, name }: ClassMetrics): string => name ?? `class ${label}`;
  const empty = classes.filter(({ items }) => items === 0);
  const measured = classes.flatMap((own) => {
    const recall = own.recall[method];
    return recall == null ? [] : [{ name: called(own), recall }];
  });
  const worst = [...measured].sort((a, b) => a.recall - b.recall).slice(0, NAMED);
  const mistaken = cells
    .filter(([truth, predicted]) => truth !== predicted)
    .sort(([, , a], [, , b]) => b - a)
    .slice(0, NAMED);
  const nameOf = (place: number): string => {
    const own = classes[place];
    return own === undefined ? "" : called(own);
  };
  return [
    ...(empty.length === 0 ? [] : [`${empty.length} of ${plural(classes.length, "class", "classes")} ${empty.length === 1 ? "has no item and is" : "have no item and are"} in no mean of recalls: ${listed(empty.map(called))}.`]),
    ...(worst.length === 0 ? [] : [`Recognised least by ${method}: ${worst.map(({ name, recall }) => `${name} (recall ${recall.toFixed(3)})`).join(", ")}.`]),
    ...(mistaken.length === 0 ? [] : [`Mixed up most by ${method}: ${mistaken.map(([truth, predicted, items]) => `${nameOf(truth)} taken for ${nameOf(predicted)} (${items === 1 ? "once" : `${items} times`})`).join(", ")}.`]),
  ];
}

function listed(names: readonly string[]): string {
  return names.length <= NAMED ? names.join(", ") : `${names.slice(0, NAMED).join(", ")} and ${names.length - NAMED} more`;
}
