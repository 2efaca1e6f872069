import { type CompiledCollection, type CompiledTask, type CompiledView, hasEncoder, taskViews } from "../../config/compiled.js";
import { allItems, type KeptItems } from "../../data/keptItems.js";
import { readNpyHeader } from "../../data/npy.js";
import { readRegionBoxes } from "../../data/regionBoxes.js";
import type { RunContext } from "../context.js";
import { planRegions } from "../regionPlan.js";
import { encoderSpec } from "./encodeCollection.js";
import { checkTruth } from "./evaluate.js";
import { sampledItems } from "./sample.js";
import { viewName } from "./viewName.js";

type CheckedContext = Pick<RunContext, "experiment" | "worker" | "lists">;

/**
 * Refuses, once the items are listed and before hours of encoding, what no embedding can mend: regions that do
 * not fit the images or that the encoder lacks, and labels, lists and boxes that do not fit the items. What cannot
 * be told yet, such as how many rows a folder of embeddings has, is left to the stages.
 *
 * @throws CmcrError (exit 2 or 3) as the stages throw it
 */
export async function checkBefore(context: CheckedContext): Promise<void> {
  const { evaluate } = context.experiment;
  for (const task of evaluate) {
    const views = taskViews(task);
    const counted = new Map<string, KeptItems>();
    for (const view of views) {
      const kept = await countedItems(context, view);
      if (kept !== null) counted.set(viewName(view), kept);
    }
    for (const view of views) await checkRegions(context, view, counted.get(viewName(view))?.count ?? null);
    if (!views.every((view) => counted.has(viewName(view)))) continue;
    await checkTruth({ run: context, table: { get: (view) => ({ kept: known(counted, view) }) } }, task, await isWhole(context, task));
  }
}

function known(counted: ReadonlyMap<string, KeptItems>, view: CompiledView): KeptItems {
  const kept = counted.get(viewName(view));
  if (kept === undefined) throw new Error(`the items of ${viewName(view)} are not counted`);
  return kept;
}

/** The items of a view as if each could be read; null where only the stage will tell. */
async function countedItems({ experiment, lists }: CheckedContext, { data, space }: CompiledView): Promise<KeptItems | null> {
  const collection = collectionOf(experiment.data, data);
  const given = collection.embeddings[space];
  // What else is wrong with an array is the import's to say.
  if (given !== undefined && !given.endsWith(".npy")) return null;
  const count = given === undefined ? (collection.source === null ? undefined : (await lists.get(collection)).count) : (await readNpyHeader(given).catch(() => null))?.shape[0];
  if (count === undefined) return null;
  const all = allItems(count);
  return collection.sample === undefined ? all : sampledItems(all, collection.sample);
}

/** Regions from a file are held against the images, and patches against the encoder, which is described for them alone. */
async function checkRegions({ experiment, worker }: CheckedContext, { data, space: name, regions }: CompiledView, count: number | null): Promise<void> {
  const space = experiment.spaces[name];
  if (regions === undefined || count === null || space === undefined || !hasEncoder(space)) return;
  if (regions.kind === "boxes") await readRegionBoxes(regions.path, count, `the regions of ${data}`);
  if (regions.kind === "patches") await planRegions(regions, { space, encoder: await worker.encoders.describe(encoderSpec(space)), count, collection: data });
}

/** Whether no item of a task's query is known to be unreadable: such an item is left out, whatever its label is. */
async function isWhole({ experiment, lists }: CheckedContext, { query: { data, space } }: CompiledTask): Promise<boolean> {
  const collection = collectionOf(experiment.data, data);
  if (collection.source === null || collection.embeddings[space] !== undefined) return true;
  const list = await lists.get(collection);
  return list.unreadableIn({ from: 0, to: list.count }) === 0;
}

function collectionOf(data: Readonly<Record<string, CompiledCollection>>, name: string): CompiledCollection {
  const collection = data[name];
  if (collection === undefined) throw new Error(`no collection ${name}`);
  return collection;
}
