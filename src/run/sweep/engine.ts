import { availableParallelism } from "node:os";
import { join } from "node:path";

import { InterruptedError, WorkerLostError } from "../../bridge/errors.js";
import type { SweepVariant } from "../../config/sweepCompile.js";
import { CmcrError } from "../../errors.js";
import { plural } from "../../plural.js";
import { Store } from "../../store/store.js";
import { experimentRoots } from "../workers.js";
import type { SweepReporter, VariantStatus } from "./events.js";
import type { SweepFolder } from "./folder.js";
import { Lane } from "./lane.js";
import { decodersBeside, lanesFor } from "./parallel.js";
import { type SweepTable, sweepTable, type VariantResult } from "./table.js";
import { runVariant, variantResult } from "./variantRun.js";

export interface SweepOptions {
  readonly signal: AbortSignal;
  readonly report: SweepReporter;
  /** In place of the sweep's own. */
  readonly parallel?: "auto" | number;
  /** Go on with the other variants when one has failed. */
  readonly keepGoing: boolean;
}

/**
 * Runs every variant that is not finished, several at a time, and writes the table after each.
 * @throws CmcrError: exit 130 when it is interrupted, the first failed variant's exit code when
 * one has failed; either says how to go on.
 */
export async function runSweep(folder: SweepFolder, options: SweepOptions): Promise<SweepTable> {
  const sweeping = new Sweeping(folder, options);
  try {
    return await sweeping.run();
  } finally {
    await folder.close();
  }
}

class Sweeping {
  readonly #started = performance.now();
  readonly #results = new Map<string, VariantResult>();
  readonly #waiting: SweepVariant[] = [];
  /** What went wrong, in the order of time. */
  readonly #failures: { readonly variant: SweepVariant; readonly error: unknown }[] = [];
  #done = 0;

  constructor(
    private readonly folder: SweepFolder,
    private readonly options: SweepOptions,
  ) {}

  async run(): Promise<SweepTable> {
    const { folder, options } = this;
    const { variants } = folder.sweep;
    for (const variant of variants) {
      const result = await variantResult(this.#path(variant));
      const known = folder.variants.find(({ name }) => name === variant.name)?.status;
      if (result === null) this.#waiting.push(variant);
      else this.#results.set(variant.name, result);
      // Whoever was killed could not write down how far it had come.
      if (result !== null && known !== "complete") await folder.setVariant(variant.name, "complete");
      if (result === null && (known === "running" || known === "complete")) await folder.setVariant(variant.name, "interrupted");
    }
    this.#done = variants.length - this.#waiting.length;
    options.report({ event: "sweep", sweep: folder.name, folder: folder.path, variants: variants.length, finished: this.#done });
    await this.#runWaiting();
    return this.#finish();
  }

  async #runWaiting(): Promise<void> {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const { signal, report } = this.options;
    const { root } = await Store.open(join(this.folder.runs, ".store"));
    const { variants } = this.folder.sweep;
    const roots = [...new Set([root, this.folder.runs, ...variants.flatMap(({ experiment }) => experimentRoots(experiment))])];
    const cores = availableParallelism();
    const lane = new Lane({ roots, signal, decoders: ({ decoders }) => decoders });
    const others: Promise<void>[] = [];
    // How many there will be is known once the first worker says what it computes on.
    const onDevice = (device: string): void => {
      const lanes = lanesFor({
        requested: this.options.parallel ?? this.folder.sweep.parallel,
        variants: this.#waiting.length + 1,
        cores,
        threads: Math.max(...variants.map(({ experiment }) => experiment.worker.threads)),
        device: device.replace(/:\d+$/, ""),
        address: first.experiment.worker.address,
      });
      report({ event: "lanes", lanes, device });
      const beside = (): Lane => new Lane({ roots, signal, decoders: (settings) => decodersBeside(settings, cores, lanes) });
      for (let number = 1; number < lanes; number += 1) others.push(this.#serve(beside()));
    };
    await this.#serve(lane, onDevice);
    await Promise.all(others);
  }

  /** Runs variants in a lane, one after another, until there are none or the sweep ends. */
  async #serve(lane: Lane, onDevice: (device: string) => void = () => undefined): Promise<void> {
    try {
      let tell: typeof onDevice | null = onDevice;
      while (!this.#ending) {
        const variant = this.#waiting.shift();
        if (variant === undefined) return;
        await this.#attempt(variant, lane, (device) => {
          tell?.(device);
          tell = null;
        });
      }
    } finally {
      await lane.close();
    }
  }

  get #ending(): boolean {
    return this.options.signal.aborted || (this.#failures.length > 0 && !this.options.keepGoing);
  }

  async #attempt(variant: SweepVariant, lane: Lane, onDevice: (device: string) => void): Promise<void> {
    const { signal, report } = this.options;
    const { name } = variant;
    const began = performance.now();
    const before = this.folder.variants.find((state) => state.name === name)?.seconds ?? 0;
    const seconds = (): number => before + (performance.now() - began) / 1000;
    await this.#note(variant, "running", null);
    try {
      const worker = await lane.worker(variant.experiment.worker);
      onDevice(worker.info.device);
      await runVariant({
        runs: this.folder.runs,
        variant,
        worker,
        signal,
        report: (event) => {
          report({ variant: name, ...event });
        },
        pidBefore: this.folder.pidBefore,
      });
      const result = await variantResult(this.#path(variant));
      if (result === null) throw new Error(`the run of ${name} has ended without a result`);
      this.#results.set(name, result);
      this.#done += 1;
      await this.#note(variant, "complete", seconds());
    } catch (error) {
      // What it has left in its worker nobody takes away.
      await lane.close();
      if (signal.aborted) await this.#note(variant, "interrupted", seconds());
      else {
        this.#failures.push({ variant, error });
        this.#done += 1;
        await this.#note(variant, "failed", seconds(), reasonOf(error));
      }
    } finally {
      await lane.writeLog(this.#path(variant)).catch(() => undefined);
    }
    await this.#writeTable();
  }

  async #note(variant: SweepVariant, status: Exclude<VariantStatus, "pending">, seconds: number | null, message?: string): Promise<void> {
    await this.folder.setVariant(variant.name, status, { ...(seconds === null ? {} : { seconds }), ...(message === undefined ? {} : { error: message }) });
    this.options.report({
      event: "variant",
      variant: variant.name,
      status,
      done: this.#done,
      total: this.folder.sweep.variants.length,
      seconds,
      ...(message === undefined ? {} : { message }),
    });
  }

  #table(): SweepTable {
    const { sweep } = this.folder;
    const states = new Map(this.folder.variants.map((state) => [state.name, state]));
    return sweepTable({
      sweep: this.folder.name,
      reference: sweep.reference,
      metrics: sweep.metrics,
      variants: sweep.variants.map(({ name, changes, experiment, folder }) => {
        const { status = "pending", seconds = null, error } = states.get(name) ?? {};
        return {
          name,
          status,
          folder: join("runs", folder),
          changes: Object.fromEntries(changes.map(({ path, value }) => [path, value])),
          seconds,
          ...(error === undefined ? {} : { error }),
          experiment,
          result: this.#results.get(name) ?? null,
        };
      }),
    });
  }

  async #writeTable(): Promise<SweepTable> {
    const table = this.#table();
    await this.folder.writeTable(table);
    return table;
  }

  async #finish(): Promise<SweepTable> {
    const { folder, options } = this;
    const interrupted = options.signal.aborted;
    const [first] = this.#failures;
    await folder.setStatus(interrupted ? "interrupted" : first === undefined ? "complete" : "failed");
    const table = await this.#writeTable();
    const resume = `cmcr sweep --resume ${folder.path}`;
    if (interrupted) throw new InterruptedError(folder.path, `go on with: ${resume}`);
    options.report({ event: "table", table });
    const complete = this.#results.size;
    if (first === undefined) {
      options.report({ event: "sweep-done", sweep: folder.name, folder: folder.path, seconds: (performance.now() - this.#started) / 1000, complete, failed: 0 });
      return table;
    }
    const { error, variant } = first;
    if (!(error instanceof CmcrError)) throw error;
    const others = this.#failures.length > 1 ? ` (${this.#failures.length} variants have failed)` : "";
    throw new CmcrError(
      `the variant ${JSON.stringify(variant.name)} failed: ${reasonOf(error)}\n${complete} of ${plural(table.variants.length, "variant")} ${complete === 1 ? "is" : "are"} finished${others}; the table so far is in ${folder.path}. Go on with: ${resume}`,
      { code: error.code, reason: error.reason, path: folder.path, details: error.details, cause: error },
    );
  }

  #path(variant: SweepVariant): string {
    return join(this.folder.runs, variant.folder);
  }
}

/** Why a run failed, without what its own command would have added. */
function reasonOf(error: unknown): string {
  if (error instanceof WorkerLostError && error.cause instanceof WorkerLostError) return error.cause.message;
  return error instanceof Error ? error.message : String(error);
}
