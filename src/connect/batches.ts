import { deriveSeed, randomSource } from "./random.js";

/** How the rows of the overlap are dealt out. */
export interface BatchSettings {
  /** Rows of the overlap; fewer than 2^32. */
  readonly queries: number;
  readonly batchSize: number;
  readonly lastBatch: "drop" | "keep";
}

/** The fewest rows that make a batch: contrast needs two, and so does BatchNorm. */
const SMALLEST_BATCH = 2;

/**
 * Batches in one epoch. A last batch that is not full counts when it is kept
 * and has two rows or more; of a single one nothing can be learned.
 */
export function batchesPerEpoch({ queries, batchSize, lastBatch }: BatchSettings): number {
  const full = Math.floor(queries / batchSize);
  const rest = queries - full * batchSize;
  return full + (lastBatch === "keep" && rest >= SMALLEST_BATCH ? 1 : 0);
}

/**
 * The row numbers 0 to n - 1 in a random order: Durstenfeld's shuffle (CACM
 * 1964, algorithm 235), every order being equally likely.
 */
export function permutation(n: number, seed: number): Uint32Array {
  const random = randomSource(seed);
  const rows = Uint32Array.from({ length: n }, (_, row) => row);
  for (let last = n - 1; last > 0; last--) {
    const other = random.nextBelow(last + 1);
    const row = rows[last] ?? 0;
    rows[last] = rows[other] ?? 0;
    rows[other] = row;
  }
  return rows;
}

/**
 * The batches of an epoch (0-based): each row of the overlap at most once, in
 * an order of that epoch's own, whatever other epochs drew.
 */
export function* epochBatches(settings: BatchSettings, seed: number, epoch: number): Generator<Uint32Array, void> {
  const rows = permutation(settings.queries, deriveSeed(seed, "batches", epoch));
  const batches = batchesPerEpoch(settings);
  for (let batch = 0; batch < batches; batch++) {
    // A copy: a view would keep the whole epoch alive as long as any step.
    yield rows.slice(batch * settings.batchSize, (batch + 1) * settings.batchSize);
  }
}

/** For each of n queries a random row of a memory of m rows, in place of consistency: the ablation. */
export function randomMemoryRows(seed: number, n: number, m: number): Uint32Array {
  const random = randomSource(deriveSeed(seed, "random-memory"));
  return Uint32Array.from({ length: n }, () => random.nextBelow(m));
}
