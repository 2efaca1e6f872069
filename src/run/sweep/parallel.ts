import type { CompiledWorker } from "../../config/compiled.js";

/** What decides how many variants run at the same time. */
export interface Parallelism {
  readonly requested: "auto" | number;
  readonly variants: number;
  /** The machine's, as far as this process may use them. */
  readonly cores: number;
  /** The largest number of threads that a variant's worker takes. */
  readonly threads: number;
  /** Of the worker that was started first, such as `cpu` or `cuda:0`. */
  readonly device: string;
  readonly address: CompiledWorker["address"];
}

/**
 * How many variants run at the same time, each with a worker of its own. On a CPU as many as its
 * cores carry; a device of another kind is busy with one, and a worker that somebody else has
 * started may have others to serve.
 */
export function lanesFor({ requested, variants, cores, threads, device, address }: Parallelism): number {
  const wanted = requested !== "auto" ? requested : address !== null || device !== "cpu" ? 1 : Math.floor(cores / threads);
  return Math.max(1, Math.min(variants, wanted));
}

/** Processes that decode items beside one of several workers: their share of the cores, unless the experiment says how many. */
export function decodersBeside({ decoders }: Pick<CompiledWorker, "decoders">, cores: number, lanes: number): number {
  return decoders ?? Math.max(1, Math.floor(cores / lanes));
}
