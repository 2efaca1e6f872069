import { textSha256, arraysSha256, type Json } from "../../store/checksums.js";
import type { RemoteTensor } from "../../bridge/types.js";
import type { CompiledCounterfactual, CompiledLocalization } from "../../config/compiled.js";
import { boxesOf, type ItemBoxes } from "../../data/boxes.js";
import { itemOfRows } from "../../data/keptItems.js";
import { CmcrError, dataError, EXIT } from "../../errors.js";
import type { PlaceMethod } from "../../evaluate/comparePlaces.js";
import { PlaceMeter, type PlaceItems, type PlaceOutcomes } from "../../evaluate/places.js";
import type { MethodContext } from "./methods.js";
import type { CountedContext, MeasuredMethod, MethodPair, Outcomes, TruthContext } from "./taskKind.js";

/** A task that looks for places in images. */
export type PlaceTask = CompiledLocalization | CompiledCounterfactual;

/** What a task of places holds its maps against. */
export interface PlaceTruth {
  readonly items: PlaceItems;
  /** Row of each item's sound. */
  readonly soundRows: Uint32Array;
  /** Pairs that have no box and are not among the items. */
  readonly leftOut: number;
  /** Where the boxes are, for messages. */
  readonly place: string;
  /** The boxes of the items, as a checksum. */
  readonly sha256: string;
}

/** Between so many items the process does what else there is to do, such as hear a Ctrl-C. */
const ITEMS_AT_ONCE = 32;

/**
 * Pairs of a sound and an image by their numbers in their collections, those that both spaces
 * could read, with the image's boxes and regions. Exit 3 when sounds and images, or boxes, are
 * not equally many, and where an image has no region.
 *
 * @param all whether pairs without a box are among the items, or left out
 */
export async function placeTruth(context: TruthContext, task: PlaceTask, all: boolean): Promise<PlaceTruth> {
  const { table } = context;
  const { kept: sounds } = table.get(task.query);
  const { kept: images, regions } = table.get(task.image);
  if (regions === null) throw new Error(`${task.image.data} in ${task.image.space} has no regions`);
  const { given, place } = await pairedBoxes(context, task);
  const imageOf = new Map(Array.from(itemOfRows(images), (item, row) => [item, row]));
  const pairs = Array.from(itemOfRows(sounds), (item, soundRow) => ({ item, soundRow, image: imageOf.get(item) })).filter(({ image }) => image !== undefined);
  const measured = pairs.filter(({ item }) => all || (given[item]?.length ?? 0) > 0);
  const offset = (image: number | undefined, next: number): number => regions.offsets[(image ?? 0) + next] ?? 0;
  const items: PlaceItems = {
    boxes: measured.map(({ item }) => given[item] ?? []),
    starts: Uint32Array.from(measured, ({ image }) => offset(image, 0)),
    ends: Uint32Array.from(measured, ({ image }) => offset(image, 1)),
    regions: regions.boxes,
    grid: regions.grid,
  };
  const bare = measured.find((_, i) => items.starts[i] === items.ends[i]);
  if (bare !== undefined) {
    throw dataError(`evaluate.${task.name}.image.regions: the image ${bare.item} (counted from 0) has no region. Give it one at least, such as [0, 0, 1, 1] for all of it.`, {
      reason: "LOCALIZATION_INVALID",
      path: `evaluate.${task.name}.image.regions`,
    });
  }
  const soundRows = Uint32Array.from(measured, ({ soundRow }) => soundRow);
  return { items, soundRows, leftOut: pairs.length - measured.length, place, sha256: textSha256(JSON.stringify(items.boxes)) };
}

/** The boxes of all pairs, and where they are. Exit 3 when sounds and images, or boxes, are not equally many. */
export async function pairedBoxes({ run: { experiment, worker, lists }, table }: CountedContext, task: PlaceTask): Promise<{ readonly given: ItemBoxes; readonly place: string }> {
  const { count } = table.get(task.image).kept;
  const sounds = table.get(task.query).kept.count;
  if (sounds !== count) {
    throw dataError(`evaluate.${task.name}.image: sound i belongs to image i, so there must be as many; found ${sounds} items in ${task.query.data} and ${count} in ${task.image.data}.`, {
      reason: "SHAPE_MISMATCH",
      path: `evaluate.${task.name}.image`,
    });
  }
  // Those of the images' collection, else of the sounds'.
  const collections = [task.image, task.query].map(({ data }) => experiment.data[data]);
  const collection = collections.find((one) => one !== undefined && one.boxes !== null) ?? collections[0];
  if (collection === undefined) throw new Error(`no collection ${task.image.data}`);
  const given = await boxesOf(collection, count, {
    describeGenerated: (source, described) => worker.encoders.describeGenerated(source, described),
    list: (listed) => lists.get(listed),
  });
  const { name, boxes } = collection;
  return { given, place: boxes?.kind === "file" ? `data.${name}.boxes, ${boxes.path}` : `data.${name}.boxes` };
}

/** What a task's outcomes depend on beside its fields and its views' embeddings. */
export function placeIdentity({ items, soundRows, sha256 }: PlaceTruth): Json {
  const { starts, ends, regions, grid } = items;
  return { boxes: sha256, pairs: arraysSha256(soundRows, starts, ends), regions: grid === null ? textSha256(JSON.stringify(regions)) : [grid.rows, grid.columns] };
}

/** The outcomes of one method: `ciou` and `confidence` of each item, NaN the cIoU of an item without a box. */
export async function measurePlaces({ run: { worker } }: MethodContext, task: PlaceTask, { items, soundRows }: PlaceTruth, { there }: MethodPair): Promise<PlaceOutcomes & Outcomes> {
  const held: RemoteTensor[] = [];
  for (const view of [task.query, task.image]) held.push(await there.embed(view));
  const [sounds, regions] = held;
  if (sounds === undefined || regions === undefined) throw new Error(`${task.name} embeds two views`);
  const scores = await worker.retrieval.scoreGroups(sounds, regions, soundRows, items.starts, items.ends);
  await worker.tensors.release(...held);
  const meter = new PlaceMeter(items, task.map);
  const outcomes = { ciou: new Float64Array(soundRows.length), confidence: new Float64Array(soundRows.length) };
  let from = 0;
  for (let item = 0; item < soundRows.length; item += 1) {
    if (item % ITEMS_AT_ONCE === 0) await new Promise(setImmediate);
    const to = from + (items.ends[item] ?? 0) - (items.starts[item] ?? 0);
    const own = scores.subarray(from, to);
    if (own.some(Number.isNaN)) throw notFinite(task, item);
    const { ciou, confidence } = meter.measure(item, own);
    outcomes.ciou[item] = ciou;
    outcomes.confidence[item] = confidence;
    from = to;
  }
  return outcomes;
}

/** Methods as the comparison takes them. */
export function placeMethods(methods: readonly MeasuredMethod[]): readonly PlaceMethod[] {
  return methods.map((method) => {
    if (method.kind === "measured") return { kind: "measured", name: method.name, seeds: method.seeds.map(outcomesOfPlaces) };
    return { kind: method.baseline.method === "centre" ? "centre" : "chance", name: method.name };
  });
}

function outcomesOfPlaces({ ciou, confidence }: Outcomes): PlaceOutcomes {
  if (!(ciou instanceof Float64Array) || !(confidence instanceof Float64Array)) throw new Error("these are no outcomes of places");
  return { ciou, confidence };
}

function notFinite({ name }: PlaceTask, item: number): CmcrError {
  return new CmcrError(`${name}: the score of a region of item ${item} is NaN. Check the embeddings of both sides.`, { code: EXIT.numerics, reason: "NON_FINITE", path: name });
}
