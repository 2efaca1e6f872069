import type { DecodeLimits, EncoderSpec, FailedItem, FinishedShard, ShardMessage } from "../bridge/types.js";
import type { Worker } from "../bridge/worker.js";
import type { Modality } from "../config/compiled.js";
import { type ItemList, type ItemRange, type ItemRun, type UnreadableItem, describeItems } from "../data/itemList.js";
import { NpyFile } from "../data/npyFile.js";
import { CmcrError, dataError, EXIT } from "../errors.js";
import { fileSha256 } from "../store/checksums.js";
import type { PartialOutput, ShardRecord, SkippedItem } from "../store/partial.js";
import { LiveShard } from "./liveShard.js";
import { Pace } from "./pace.js";
import type { RegionPlan } from "./regionPlan.js";

/**
 * A shard ends after so many items, or after as many as take so many seconds, whichever is
 * first, but not before a batch is whole: an interruption costs no more than that. The first
 * one is a single batch, which tells how long a batch takes.
 */
const SHARD_ITEMS = 8192;
const SHARD_SECONDS = 30;
/** And not after more rows than the worker can well hold, where items have many regions. */
const SHARD_ROWS = 131_072;
/**
 * What is on its way to the worker and in it: as much as takes so long, but neither too few
 * batches nor too many. Two keep the device and the decoders at work at the same time.
 */
const SECONDS_AHEAD = 5;
const FEWEST_BATCHES_AHEAD = 2;
const MOST_BATCHES_AHEAD = 16;
const MOST_ITEMS_AHEAD = 2048;

/** What is to be embedded, and where it goes. */
export interface ShardJob {
  readonly worker: Worker;
  readonly partial: PartialOutput;
  readonly spec: EncoderSpec;
  readonly modality: Modality;
  readonly items: ItemList;
  readonly batchSize: number;
  readonly limits: DecodeLimits | null;
  /** Which rows an item gives, and the items come with their regions; left out: one for each. */
  readonly regions?: RegionPlan | undefined;
  /** Items that are done, those of earlier shards among them. */
  readonly onProgress: (done: number) => void;
  readonly onNote: (note: string) => void;
  /** Hears of items that have no row, those of earlier shards among them; what it throws ends the encoding. */
  readonly onSkipped: (skipped: readonly SkippedItem[]) => void;
}

/** Thrown when the items turn out to be others than those that were listed: they must be listed anew. */
export class StaleItemsError extends Error {}

/**
 * Embeds all items that are in no finished shard yet, each shard becoming one as soon as it
 * is whole. Batches never cross shards, and begin at the same items wherever shards end,
 * so the rows are the same bytes however often it is interrupted.
 */
export async function encodeMissing(job: ShardJob): Promise<void> {
  const { partial, items } = job;
  const known = partial.records.flatMap(({ skipped }) => skipped);
  if (known.length > 0) job.onSkipped(known);
  const missing = partial.missing(items.count);
  if (missing.length > 0) await new ShardStream(job, missing).run();
}

class ShardStream {
  /** Shards that were begun and are not finished, the first one first. */
  readonly #live: LiveShard[] = [];
  /** Items that the worker has done. */
  #done = 0;
  #sent = 0;
  /** Items that are finished without the worker, and those of earlier shards. */
  #besides: number;
  #wake: () => void = () => undefined;
  /** Whether a finished shard is being recorded. */
  #keeping = false;
  readonly #pace = new Pace();
  #confirmed: Promise<void> | undefined;
  #dim: number | null;

  constructor(
    private readonly job: ShardJob,
    private readonly missing: readonly ItemRange[],
  ) {
    this.#besides = job.partial.records.reduce((sum, { from, to }) => sum + to - from, 0);
    this.#dim = job.partial.records.find(({ file }) => file !== null)?.file?.dim ?? null;
  }

  async run(): Promise<void> {
    const { worker, spec, modality, items, limits, regions } = this.job;
    this.job.onProgress(this.#besides);
    // At the same time as the first batches are embedded; a shard is kept once it is known.
    this.#confirmed = this.#confirm();
    this.#confirmed.catch(() => undefined);
    const total = this.missing.reduce((sum, range) => sum + range.to - range.from - items.unreadableIn(range), 0);
    if (total === 0) {
      // There is nothing to send, only items to list.
      for await (const _message of this.#messages()) throw new Error("an unreadable item was to be sent");
      return;
    }
    await worker.encoders.encodeShards(
      { spec, modality, total, limits, messages: this.#messages(), ...(regions === undefined ? {} : { squash: regions.squash, ...(regions.patches === null ? {} : { patches: regions.patches }) }) },
      {
        onProgress: (done) => {
          this.#pace.reached(done);
          this.#done = done;
          this.#wake();
          this.job.onProgress(this.#besides + done);
        },
        onFailures: (failures) => this.#failed(failures),
        onShard: (shard) => this.#finished(shard),
        onNote: this.job.onNote,
      },
    );
    await this.#confirmed;
  }

  async *#messages(): AsyncGenerator<ShardMessage> {
    const { items, batchSize, worker } = this.job;
    const transport = worker.sharesFiles ? "paths" : "bytes";
    for (const range of this.missing) {
      let shard = this.#shard(range.from);
      for await (const run of items.runs(range, batchSize, transport)) {
        await this.#room();
        // A message may end in the middle of a batch, where bytes are sent; a shard must not.
        if ((shard.to - range.from) % batchSize === 0 && this.#full(shard)) {
          yield* this.#end(shard);
          shard = this.#shard(shard.to);
        }
        if (run.unreadable.length > 0) await this.#unreadable(shard, run);
        if (run.batch !== null && shard.sent.length === 0) this.#live.push(shard);
        shard.add(run);
        this.#sent += run.items.length;
        if (run.batch !== null) yield { kind: "batch", batch: run.batch };
      }
      if (shard.to > shard.from) yield* this.#end(shard);
    }
  }

  #shard(from: number): LiveShard {
    const { regions } = this.job;
    return new LiveShard(from, this.#sent, regions === undefined ? undefined : (item) => regions.boxesOf(item).length);
  }

  /** Whether a shard has enough items; judged as late as can be, when the next ones are to be sent. */
  #full(shard: LiveShard): boolean {
    const items = shard.to - shard.from;
    if (items === 0) return false;
    const pace = this.#pace.perSecond;
    return shard.base === 0 || items >= SHARD_ITEMS || shard.rowsSent >= SHARD_ROWS || (pace !== null && items >= SHARD_SECONDS * pace);
  }

  /** Ends a shard once every earlier one counts, so that no more than one is ever whole and lost. */
  async *#end(shard: LiveShard): AsyncGenerator<ShardMessage> {
    const { worker, partial } = this.job;
    while (this.#keeping || (this.#live[0] !== undefined && this.#live[0] !== shard)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (shard.sent.length === 0) await this.#keep(shard, null);
    else yield { kind: "end", target: worker.sharesFiles ? { path: partial.path(shard.fileName) } : "memory" };
  }

  /** Waits while enough is on its way. */
  async #room(): Promise<void> {
    while (this.#sent - this.#done >= this.#mostAhead()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #mostAhead(): number {
    const { batchSize } = this.job;
    const soon = SECONDS_AHEAD * (this.#pace.perSecond ?? 0);
    return Math.max(FEWEST_BATCHES_AHEAD * batchSize, Math.min(soon, Math.max(MOST_ITEMS_AHEAD, MOST_BATCHES_AHEAD * batchSize)));
  }

  async #confirm(): Promise<void> {
    if (!(await this.job.items.confirm())) throw new StaleItemsError("the items have changed since they were listed");
  }

  async #unreadable(shard: LiveShard, run: ItemRun): Promise<void> {
    this.#besides += run.unreadable.length;
    await this.#skip(shard, run.unreadable);
  }

  async #failed(failures: readonly FailedItem[]): Promise<void> {
    for (const shard of this.#live) {
      const own = failures.filter(({ item }) => shard.sends(item));
      if (own.length > 0) await this.#skip(shard, own.map((failure) => shard.fail(failure)));
    }
    const lost = failures.find(({ item }) => !this.#live.some((shard) => shard.sends(item)));
    if (lost !== undefined) throw malformed(`speaks of item ${lost.item}, which is in no shard that it has`);
  }

  /** Notes items of a shard that have no row, by name. */
  async #skip(shard: LiveShard, unreadable: readonly UnreadableItem[]): Promise<void> {
    const sorted = [...unreadable].sort((a, b) => a.item - b.item);
    const infos = await describeItems(
      this.job.items,
      sorted.map(({ item }) => item),
    );
    const skipped = infos.map(({ item, id, file }, index) => ({ item, id, file, reason: sorted[index]?.reason ?? "", message: sorted[index]?.message ?? "" }));
    shard.skipped.push(...skipped);
    this.job.onSkipped(skipped);
  }

  async #finished(done: FinishedShard): Promise<void> {
    const shard = this.#live.shift();
    this.#keeping = true;
    const { items, rows, tensor } = done;
    if (shard?.sent.length !== items || rows !== shard.rows || (rows > 0) !== (tensor !== null)) {
      throw malformed(`made a shard of ${items} items and ${rows} rows where ${shard?.sent.length ?? 0} items came, of which ${shard?.failed ?? 0} failed, so that there are ${shard?.rows ?? 0} rows`);
    }
    const [changed] = shard.falseRows;
    if (changed !== undefined) throw dataError(`${changed.message}. Run it again; what is finished is kept.`, { reason: "CHANGED" });
    await this.#keep(shard, done);
    this.#keeping = false;
    this.#wake();
  }

  async #keep(shard: LiveShard, done: FinishedShard | null): Promise<void> {
    const { from, to, fileName } = shard;
    const skipped = [...shard.skipped].sort((a, b) => a.item - b.item);
    let file: ShardRecord["file"] = null;
    if (done?.tensor != null) {
      const { dim } = done.tensor;
      if (this.#dim !== null && this.#dim !== dim) {
        throw malformed(`made rows of ${dim} dimensions where there were ${this.#dim}`);
      }
      this.#dim = dim;
      file = { name: fileName, dim, ...(await this.#rowsOf(shard, done)) };
    }
    await this.#confirmed;
    await this.job.partial.add({ from, to, rows: done?.rows ?? 0, file, skipped });
  }

  /** Size and checksum of a shard's file, which is fetched where the worker could not write it. */
  async #rowsOf({ fileName }: LiveShard, { tensor, bytes, sha256 }: FinishedShard): Promise<{ bytes: number; sha256: string }> {
    const { worker, partial } = this.job;
    if (tensor === null) throw new Error("a shard without rows has no file");
    if (worker.sharesFiles) {
      await worker.tensors.release(tensor);
      return { bytes, sha256 };
    }
    const path = partial.path(fileName);
    const file = await NpyFile.create(path, "float32", [tensor.rows, tensor.dim]);
    try {
      await worker.tensors.download(tensor, (chunk) => file.append(chunk));
    } finally {
      await file.close();
    }
    await worker.tensors.release(tensor);
    return { bytes: file.bytes, sha256: await fileSha256(path) };
  }
}

function malformed(what: string): CmcrError {
  return new CmcrError(`the worker ${what}`, { code: EXIT.worker, reason: "MALFORMED_ANSWER" });
}
