import type { EncoderSpec } from "../../bridge/types.js";
import type { CompiledCollection, CompiledEncoder, Modality } from "../../config/compiled.js";
import { usageError } from "../../errors.js";
import { PartialOutput } from "../../store/partial.js";
import { entryKey } from "../../store/pendingFolder.js";
import type { StoreEntry } from "../../store/store.js";
import { type OutputClaim, produce, reportWait, type RunContext, storedMatrix, type StoredMatrix } from "../context.js";
import { keptItemsOf, skippedOf } from "../encodedFiles.js";
import { type EncodeJob, encodeInputs, encodeItems, judgeSkipped } from "../encodeItems.js";
import { StaleItemsError } from "../encodeShards.js";

/** Items that the event about skipped ones names. */
const NAMED = 5;

/** Embeds a collection with the encoder of a space. Exit 2 when it cannot, 3 when too many items cannot be read. */
export async function encodeCollection(context: RunContext, collection: CompiledCollection, space: CompiledEncoder): Promise<StoredMatrix> {
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
  const view = { data: name, space: space.name };
  for (let items = await context.lists.get(collection); ; items = await context.lists.anew(collection)) {
    const job: EncodeJob = {
      worker,
      spec,
      modality,
      items,
      batchSize: space.batchSize,
      limits: collection.limits,
      policy: collection.unreadable,
      output: `${name} in ${space.name}`,
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
      return storedMatrix(entry, await keptItemsOf(entry));
    } catch (error) {
      if (!(error instanceof StaleItemsError)) throw error;
      context.report({ event: "warning", message: `${name}: files have changed since they were listed; they are listed anew` });
    }
  }
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
        reportWait(context, { stage: "encode", output: job.output, unit: `${job.modality}s` }, pid);
      },
    });
    partial = opened;
    if (context.fresh) await opened.clear();
    return { end: (whole) => (whole ? opened.remove() : opened.release()) };
  };
  return produce(context, {
    stage: "encode",
    output: job.output,
    unit: `${job.modality}s`,
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
