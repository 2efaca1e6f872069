import type { DecodeLimits, EncoderDescription, EncoderSpec } from "../bridge/types.js";
import type { Worker } from "../bridge/worker.js";
import type { CompiledUnreadable, Modality } from "../config/compiled.js";
import type { ItemList } from "../data/itemList.js";
import { CmcrError, dataError } from "../errors.js";
import { itemsOfModality } from "../plural.js";
import type { Json } from "../store/checksums.js";
import type { PartialOutput, SkippedItem } from "../store/partial.js";
import type { PendingFolder } from "../store/pendingFolder.js";
import { assemble } from "./assemble.js";
import { EMBEDDINGS } from "./context.js";
import { describeRows } from "./encodedFiles.js";
import { encodeMissing } from "./encodeShards.js";
import type { ProgressMeter, Reporter } from "./events.js";
import type { RegionPlan } from "./regionPlan.js";
import { mostSkipped, NON_FINITE, notFinite, tooManyUnreadable } from "./unreadable.js";

/** What is to be embedded, by which rules, and who hears of it. */
export interface EncodeJob {
  readonly worker: Worker;
  readonly spec: EncoderSpec;
  readonly modality: Modality;
  readonly items: ItemList;
  readonly batchSize: number;
  readonly limits: DecodeLimits | null;
  /** Which rows an item gives, and the items come with their regions; left out: one for each. */
  readonly regions?: RegionPlan | undefined;
  readonly policy: CompiledUnreadable;
  /** What people call the output, such as `photos in clip`. */
  readonly output: string;
  /** Field or option that sets the limit of unreadable items. */
  readonly field: string;
  /** File that lists the items that cannot be read. */
  readonly list: string;
  /** Writes it. */
  readonly writeList: (skipped: readonly SkippedItem[]) => Promise<void>;
  readonly report: Reporter;
}

/**
 * All that embeddings depend on: the inputs of their key. The size of a batch is among
 * them: it decides which kernels compute, and so the last bits of every row.
 */
export function encodeInputs(
  { worker, spec, modality, items, batchSize, limits, regions }: Pick<EncodeJob, "worker" | "spec" | "modality" | "items" | "batchSize" | "limits" | "regions">,
  encoder: EncoderDescription,
): Json {
  return {
    kind: "encode",
    provider: spec.provider,
    model: spec.model,
    weights: encoder.weightsSha256,
    revision: encoder.revision,
    computeDtype: encoder.computeDtype,
    preprocessing: preprocessingOf(encoder, modality),
    batchSize,
    device: worker.info.device.replace(/:\d+$/, ""),
    modality,
    items: items.identity,
    ...(limits === null ? {} : { limits: { ...limits } }),
    ...(regions === undefined ? {} : { regions: regions.identity }),
  };
}

/** What is done to items of one modality; what is done to others changes nothing for these. */
function preprocessingOf({ preprocessing }: EncoderDescription, modality: Modality): Json {
  return (JSON.parse(preprocessing === "" ? "{}" : preprocessing) as Readonly<Partial<Record<Modality, Json>>>)[modality] ?? null;
}

/** Embeds all items that have no row in `partial` yet, and joins its shards in the pending folder. Exit 3 when too many cannot be read, 5 when it is the encoder that has no finite values. */
export async function encodeItems(
  job: EncodeJob,
  partial: PartialOutput,
  pending: PendingFolder,
  meter: ProgressMeter,
): Promise<{ readonly files: readonly string[]; readonly facts: Readonly<Record<string, Json>> }> {
  const { items, report, output, regions } = job;
  const skipped = new SkippedSoFar(job);
  let begun = false;
  const path = pending.file(EMBEDDINGS);
  try {
    for (;;) {
      await encodeMissing({
        ...job,
        partial,
        onProgress: (done) => {
          if (!begun) meter.begin(done);
          begun = true;
          meter.update(done, items.count);
        },
        onNote: (note) => {
          report({ event: "warning", message: `${output}: ${note}` });
        },
        onSkipped: (more) => {
          skipped.add(more);
        },
      });
      if (partial.records.every(({ rows }) => rows === 0)) {
        const broken = notFinite(skipped.all, contextOf(job));
        if (broken !== null) throw broken;
        throw dataError(`${output}: not one of the ${items.count} items can be read. The list is ${job.list}.`, { reason: "UNREADABLE_ITEMS", path: output });
      }
      const whole = await assemble(partial, path, ({ from, to }, problem) => {
        report({ event: "warning", message: `${output}: the shard of the items ${from} to ${to - 1} is damaged (${problem}); it is made again` });
      });
      if (whole) break;
      await pending.forget(EMBEDDINGS);
    }
  } catch (error) {
    if (error instanceof CmcrError && ["UNREADABLE_ITEMS", NON_FINITE].includes(error.reason) && skipped.all.length > 0) await job.writeList(skipped.all);
    throw error;
  }
  const all = partial.records.flatMap((record) => record.skipped);
  const files = await describeRows(items, all, (name) => pending.file(name), regions === undefined ? undefined : (item) => regions.boxesOf(item).length);
  const rows = partial.records.reduce((sum, record) => sum + record.rows, 0);
  const dim = partial.records.find(({ file }) => file !== null)?.file?.dim ?? 0;
  return { files: [EMBEDDINGS, ...files], facts: { rows, dim, dtype: "float32", items: items.count, skipped: all.length } };
}

/** Refuses an output whose items were left out by more generous rules than these. Exit 3 or 5, as encodeItems. */
export async function judgeSkipped(skipped: readonly SkippedItem[], job: Omit<EncodeJob, "worker" | "batchSize" | "limits" | "report">): Promise<void> {
  if (skipped.length <= mostSkipped(job.policy, job.items.count)) return;
  await job.writeList(skipped);
  throw tooMany(skipped, job);
}

type Told = Pick<EncodeJob, "policy" | "output" | "items" | "modality" | "list" | "field" | "spec">;

function tooMany(skipped: readonly SkippedItem[], job: Told): CmcrError {
  const context = contextOf(job);
  return notFinite(skipped, context) ?? tooManyUnreadable(skipped, context);
}

function contextOf({ policy, output, items, modality, list, field, spec }: Told) {
  return { policy, output, count: items.count, unit: itemsOfModality(modality), list, field, encoder: spec };
}

/** Collects the items that have no row, each once, and ends the work when they are certainly too many. */
class SkippedSoFar {
  readonly #items = new Map<number, SkippedItem>();
  readonly #most: number;

  constructor(private readonly job: EncodeJob) {
    this.#most = mostSkipped(job.policy, job.items.count);
  }

  get all(): readonly SkippedItem[] {
    return [...this.#items.values()].sort((a, b) => a.item - b.item);
  }

  add(more: readonly SkippedItem[]): void {
    for (const item of more) this.#items.set(item.item, item);
    if (this.#items.size > this.#most) throw tooMany(this.all, this.job);
  }
}
