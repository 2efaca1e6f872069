import type { EncoderSpec } from "../../bridge/types.js";
import type { CompiledCollection, CompiledEncoder, CompiledRegions, Modality } from "../../config/compiled.js";
import type { KeptItems } from "../../data/keptItems.js";
import { layOut, type RegionLayout } from "../../data/regions.js";
import { dataError, usageError } from "../../errors.js";
import { itemsOfModality } from "../../plural.js";
import { PartialOutput } from "../../store/partial.js";
import { entryKey } from "../../store/pendingFolder.js";
import type { StoreEntry } from "../../store/store.js";
import { type OutputClaim, produce, reportWait, type RunContext, storedMatrix, type StoredMatrix } from "../context.js";
import { keptItemsOf, skippedOf } from "../encodedFiles.js";
import { type EncodeJob, encodeInputs, encodeItems, judgeSkipped } from "../encodeItems.js";
import { StaleItemsError } from "../encodeShards.js";
import { itemsWithRegions } from "../regionItems.js";
import { planRegions, type RegionPlan } from "../regionPlan.js";
import { viewName } from "./viewName.js";

/** Items that the event about skipped ones names. */
const NAMED = 5;

/** Embeds a collection, or regions of its images, with the encoder of a space. Exit 2 when it cannot, 3 when too many items cannot be read. */
export async function encodeCollection(context: RunContext, collection: CompiledCollection, space: CompiledEncoder, regions?: CompiledRegions): Promise<StoredMatrix> {
  const { worker } = context;
  const { modality, name } = collection;
  const spec = encoderSpec(space);
  const encoder = await worker.encoders.describe(spec);
  if (!encoder.modalities.includes(modality)) {
    throw usageError(`the space ${space.name} embeds ${encoder.modalities.join(" and ")}; ${name} is ${modality}.${towersHint(space, modality)}`, {
      reason: "IMPOSSIBLE_VALUE",
      path: `spaces.${space.name}`,
    });
  }
  if (regions !== undefined && modality !== "image") {
    throw usageError(`${name} is ${modality}, and only images have regions.`, { reason: "IMPOSSIBLE_VALUE", path: `data.${name}.modality` });
  }
  const view = { data: name, space: space.name, ...(regions === undefined ? {} : { regions }) };
  const output = viewName(view);
  for (let items = await context.lists.get(collection); ; items = await context.lists.anew(collection)) {
    const plan = regions === undefined ? undefined : await planRegions(regions, { space, encoder, count: items.count, collection: name });
    const job: EncodeJob = {
      worker,
      spec,
      modality,
      items: plan === undefined ? items : itemsWithRegions(items, plan),
      regions: plan,
      batchSize: space.batchSize,
      limits: collection.limits,
      policy: collection.unreadable,
      output,
      field: `data.${name}.unreadable.${collection.unreadable.action === "fail" ? "action" : "limit"}`,
      list: context.skipped.path,
      writeList: (skipped) => context.skipped.set(view, skipped),
      report: context.report,
    };
    try {
      const entry = await entryOf(context, job, encodeInputs(job, encoder));
      const skipped = await skippedOf(entry);
      await judgeSkipped(skipped, job);
      await context.skipped.set(view, skipped);
      if (skipped.length > 0) {
        const first = skipped.slice(0, NAMED).map(({ id, reason, message }) => ({ item: id, reason, message }));
        context.report({ event: "skipped", collection: name, space: space.name, count: skipped.length, items: items.count, file: context.skipped.path, first });
      }
      const kept = await keptItemsOf(entry);
      return withLayout(storedMatrix(entry, kept), plan, kept);
    } catch (error) {
      if (!(error instanceof StaleItemsError)) throw error;
      context.report({ event: "warning", message: `${name}: files have changed since they were listed; they are listed anew` });
    }
  }
}

/** The matrix with what its rows are, where these are regions. Exit 3 when there are not as many. */
function withLayout(matrix: StoredMatrix, plan: RegionPlan | undefined, kept: KeptItems): StoredMatrix {
  if (plan === undefined) return matrix;
  const regions: RegionLayout = layOut(plan.boxesOf, kept, plan.grid);
  if (regions.boxes.length !== matrix.rows) {
    throw dataError(`${matrix.entry.folder} has ${matrix.rows} rows where its items have ${regions.boxes.length} regions. Remove it; it is made again.`, { reason: "CORRUPT", path: matrix.entry.folder });
  }
  return { ...matrix, regions };
}

/** A space's encoder as the worker is asked for it. */
export function encoderSpec({ provider, model, checkpoint, options }: CompiledEncoder): EncoderSpec {
  return { provider, model, checkpoint, options };
}

async function entryOf(context: RunContext, job: EncodeJob, inputs: ReturnType<typeof encodeInputs>): Promise<StoreEntry> {
  let partial: PartialOutput | undefined;
  const claim = async (): Promise<OutputClaim> => {
    const opened = await PartialOutput.open(context.store.partials, entryKey("encode", inputs), inputs, {
      signal: context.signal,
      onWait: (pid) => {
        reportWait(context, { stage: "encode", output: job.output, unit: itemsOfModality(job.modality) }, pid);
      },
    });
    partial = opened;
    if (context.fresh) await opened.clear();
    return { end: (whole) => (whole ? opened.remove() : opened.release()) };
  };
  return produce(context, {
    stage: "encode",
    output: job.output,
    unit: itemsOfModality(job.modality),
    inputs,
    claim,
    confirm: async () => {
      if (!(await job.items.confirm())) throw new StaleItemsError();
    },
    make: (pending, meter) => {
      if (partial === undefined) throw new Error(`${job.output} was not claimed`);
      return encodeItems(job, partial, pending, meter);
    },
  });
}

/** ULIP-2's own checkpoints leave out the towers that they were trained beside. */
function towersHint({ provider, name }: CompiledEncoder, modality: Modality): string {
  if (provider !== "ulip" || (modality !== "image" && modality !== "text")) return "";
  return ` For ULIP-2's ${modality} tower give spaces.${name}.openClipCheckpoint, open_clip's weights of ViT-bigG-14.`;
}
