/** Methods side by side on localization and on counterfactual recognition. */

import { dataError } from "../errors.js";
import type { BootstrapOptions, Statistic } from "./bootstrap.js";
import { bootstrapMethods, compared } from "./compare.js";
import { counterfactualStatistics } from "./counterfactual.js";
import { localizationStatistics } from "./localization.js";
import { type Compared, type SizeMetrics, withoutReplicates } from "./metricsFile.js";
import { beyondMedian, boxFaults, type BoxFaults, centreOutcomes, chanceOutcomes, type MapSettings, type PlaceItems, type PlaceOutcomes, SIZE_NAMES, sizeOf } from "./places.js";
import { overSeeds } from "./seeds.js";

/** A method's outcomes, one element for each seed; or a baseline that follows from the boxes alone. */
export type PlaceMethod = { readonly kind: "measured"; readonly name: string; readonly seeds: readonly PlaceOutcomes[] } | { readonly kind: "chance" | "centre"; readonly name: string };

export interface PlaceComparison {
  readonly name: string;
  readonly items: PlaceItems;
  /** Pairs that have no box and so are not among the items: of localization alone. */
  readonly leftOut: number;
  readonly map: MapSettings;
  /** In the order in which they are reported; the first is the one that the others are compared with. */
  readonly methods: readonly PlaceMethod[];
  readonly bootstrap: BootstrapOptions;
}

/** Localization: all items have a box. Thrown (exit 3) when there is none. */
export function compareLocalization(comparison: PlaceComparison): Compared {
  const { name, items, leftOut } = comparison;
  requireSounding(name, items);
  const methods = withOutcomes(comparison);
  const statistics = methods.map(([method, seeds]) => [method, overSeeds(seeds.map(({ ciou }) => localizationStatistics(ciou)))] as const);
  const count = items.boxes.length;
  const boxes = items.boxes.reduce((sum, { length }) => sum + length, 0);
  const entry = compared(name, "localization", [count + leftOut, boxes], [leftOut, 0], bootstrapMethods(count, statistics, comparison.bootstrap));
  return complete(entry, comparison, methods, localizationStatistics);
}

/**
 * Counterfactual recognition: some items have a box and some have none. Thrown (exit 3)
 * when either kind is missing: there is then nothing to tell apart.
 */
export function compareCounterfactual(comparison: PlaceComparison): Compared {
  const { name, items } = comparison;
  requireSounding(name, items);
  requireSilent(name, items);
  const methods = withOutcomes(comparison);
  const counts = Uint32Array.from(items.boxes, ({ length }) => length);
  const statistics = methods.map(([method, seeds]) => [method, overSeeds(seeds.map((outcomes) => counterfactualStatistics({ ...outcomes, boxes: counts })))] as const);
  const count = items.boxes.length;
  const entry = compared(name, "counterfactual", [count, soundingCount(items)], [0, 0], bootstrapMethods(count, statistics, comparison.bootstrap));
  return complete(entry, comparison, methods, locationAccuracy);
}

/**
 * The error where no item has a box.
 *
 * @param place of the boxes, such as their field and file
 */
export function requireSounding(name: string, items: Pick<PlaceItems, "boxes">, place = ""): void {
  if (soundingCount(items) > 0) return;
  throw dataError(`${name}: no item has a box${inPlace(place)}, so no place can be right or wrong. Give each item in which something sounds a list of boxes, such as [[0.1, 0.2, 0.5, 0.6]]; [] is for those where nothing does.`, { reason: "NOTHING_TO_MEASURE", path: name });
}

/** The error where every item has a box; `place` as above. */
export function requireSilent(name: string, items: Pick<PlaceItems, "boxes">, place = ""): void {
  if (soundingCount(items) < items.boxes.length) return;
  throw dataError(`${name}: every item has a box${inPlace(place)}, so no sound is foreign to its image. Counterfactual recognition needs pairs with [] for boxes; without them the task is localization.`, {
    reason: "NOTHING_TO_MEASURE",
    path: name,
  });
}

function inPlace(place: string): string {
  return place === "" ? "" : ` (${place})`;
}

function soundingCount({ boxes }: Pick<PlaceItems, "boxes">): number {
  return boxes.filter(({ length }) => length > 0).length;
}

type MethodOutcomes = readonly (readonly [string, readonly PlaceOutcomes[]])[];

function withOutcomes({ items, map, methods, bootstrap: { seed } }: PlaceComparison): MethodOutcomes {
  return methods.map((method) => {
    if (method.kind === "measured") return [method.name, method.seeds];
    return [method.name, [method.kind === "chance" ? chanceOutcomes(items, map, seed) : centreOutcomes(items, map)]];
  });
}

/** `LocAcc` of items that all sound. */
function locationAccuracy(ciou: Float64Array): Record<string, Statistic> {
  const { "cIoU@0.5": found } = localizationStatistics(ciou);
  return found === undefined ? {} : { LocAcc: found };
}

/** Adds the parts by size, and what must be said of boxes and baselines. */
function complete(entry: Compared, comparison: PlaceComparison, methods: MethodOutcomes, statisticsOf: (ciou: Float64Array) => Record<string, Statistic>): Compared {
  const { items, map, bootstrap } = comparison;
  const ofItems = items.boxes.map((boxes) => sizeOf(boxes, map.consensus));
  const sizes = SIZE_NAMES.map((size): readonly [string, SizeMetrics] => {
    const places = ofItems.flatMap((own, item) => (own === size ? [item] : []));
    if (places.length === 0) return [size, { items: 0, results: {} }];
    const of = ({ ciou }: PlaceOutcomes): Float64Array => Float64Array.from(places, (item) => ciou[item] ?? NaN);
    const statistics = methods.map(([method, seeds]) => [method, overSeeds(seeds.map((outcomes) => statisticsOf(of(outcomes))))] as const);
    return [size, { items: places.length, results: withoutReplicates(bootstrapMethods(places.length, statistics, bootstrap)) }];
  });
  const notes = [...entry.metrics.notes, ...baselineNotes(comparison, entry.metrics.task), ...medianNotes(comparison), ...faultNotes(boxFaults(items.boxes, map.resolution))];
  return { ...entry, metrics: { ...entry.metrics, sizes: Object.fromEntries(sizes), notes } };
}

function baselineNotes({ methods, bootstrap: { seed } }: PlaceComparison, task: string): readonly string[] {
  return methods.flatMap(({ kind, name }) => {
    if (kind === "chance") return [`${name} has the same regions with scores${task === "counterfactual" ? " and a confidence" : ""} drawn with the bootstrap's seed, ${seed}.`];
    if (kind === "centre" && task === "counterfactual") return [`${name} is equally confident of every pair, so its AP is 0 by definition.`];
    return [];
  });
}

/** What the published way of cutting a map cannot do. */
function medianNotes({ items, map }: PlaceComparison): readonly string[] {
  if (map.predict !== "map" || map.threshold !== null || map.strict) return [];
  const count = beyondMedian(items.boxes, map);
  const sounding = soundingCount(items);
  return count === 0 ? [] : [`In ${count} of ${sounding} sounding items what sounds is so small that no map cut at its median, half of the frame, can reach a cIoU of 0.5.`];
}

function faultNotes({ beyond, degenerate, hopeless }: BoxFaults): readonly string[] {
  return [
    ...(beyond > 0 ? [`${counted(beyond, "box reaches", "boxes reach")} beyond the frame and ${beyond === 1 ? "is" : "are"} cut at it.`] : []),
    ...(degenerate > 0 ? [`${counted(degenerate, "box is", "boxes are")} degenerate, right not beyond left or bottom not below top, and cover${degenerate === 1 ? "s" : ""} nothing.`] : []),
    ...(hopeless > 0 ? [`${counted(hopeless, "item has boxes", "items have boxes")} of which none covers a pixel: ${hopeless === 1 ? "it counts" : "they count"} as sounding, and the cIoU can only be 0.`] : []),
  ];
}

function counted(count: number, one: string, several: string): string {
  return `${count} ${count === 1 ? one : several}`;
}
