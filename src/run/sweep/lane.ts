import { appendFile } from "node:fs/promises";
import { join } from "node:path";

import type { Worker } from "../../bridge/worker.js";
import type { CompiledWorker } from "../../config/compiled.js";
import { openWorker } from "../workers.js";

export interface LaneOptions {
  /** Folders below which the workers may read and write. */
  readonly roots: readonly string[];
  readonly signal: AbortSignal;
  /** Processes that decode items beside this worker, as its settings or its share of the machine say; null: as many as there are cores. */
  readonly decoders: (settings: CompiledWorker) => number | null;
}

/** A place for one variant at a time, with a worker that outlives it: starting one takes longer than many a training. */
export class Lane {
  #worker: Worker | null = null;
  #settings = "";
  #log: string[] = [];

  constructor(private readonly options: LaneOptions) {}

  /** The lane's worker, of these settings: the one that is there, or a new one in its place. Exit 4 when there is none. */
  async worker(settings: CompiledWorker): Promise<Worker> {
    const key = JSON.stringify(settings);
    if (this.#worker !== null && this.#settings === key && this.#worker.process?.ended !== true) return this.#worker;
    await this.close();
    const { roots, signal, decoders } = this.options;
    this.#worker = await openWorker({
      settings: { ...settings, decoders: decoders(settings) },
      roots,
      signal,
      onLine: (line) => this.#log.push(line),
    });
    this.#settings = key;
    return this.#worker;
  }

  /** Adds what the worker has said since to the log of the run that it worked for. */
  async writeLog(folder: string): Promise<void> {
    const lines = this.#log;
    this.#log = [];
    if (lines.length > 0) await appendFile(join(folder, "worker.log"), `${lines.join("\n")}\n`);
  }

  /** Ends the worker. The next variant gets another. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.close();
  }
}
