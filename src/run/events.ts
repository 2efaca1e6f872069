import type { MetricsFile } from "../evaluate/metricsFile.js";

/** The stages of a run, in order. */
export const STAGES = ["encode", "enhance", "connect", "evaluate"] as const;
export type Stage = (typeof STAGES)[number];

/**
 * What a run tells whoever watches. With `--json` each is one line on standard
 * output, as it stands here.
 */
export type RunEvent =
  | { readonly event: "run"; readonly run: string; readonly folder: string }
  | {
      readonly event: "worker";
      readonly device: string;
      readonly deviceName: string;
      readonly torchVersion: string;
      readonly threads: number;
      readonly pid: number;
    }
  | { readonly event: "stage"; readonly stage: Stage; readonly outputs: number }
  | {
      readonly event: "progress";
      readonly stage: Stage;
      /** What is being made, such as `images in clip`. */
      readonly output: string;
      readonly done: number;
      /** Null while it is not known, as when items are counted. */
      readonly total: number | null;
      readonly unit: string;
      /** Units a second, and seconds left at that rate; null before they are known. */
      readonly rate: number | null;
      readonly secondsLeft: number | null;
      /** Such as the loss. */
      readonly note?: string;
    }
  | { readonly event: "output"; readonly stage: Stage; readonly output: string; readonly fromStore: boolean; readonly seconds: number }
  | { readonly event: "stage-end"; readonly stage: Stage; readonly seconds: number; readonly made: number; readonly fromStore: number }
  | { readonly event: "warning"; readonly message: string }
  | {
      /** Items of a collection that have no row in a space, as they cannot be read. */
      readonly event: "skipped";
      readonly collection: string;
      readonly space: string;
      readonly count: number;
      /** Of the collection, these among them. */
      readonly items: number;
      /** Lists all of them. */
      readonly file: string;
      readonly first: readonly { readonly item: string; readonly reason: string; readonly message: string }[];
    }
  | { readonly event: "metrics"; readonly metrics: MetricsFile }
  | { readonly event: "done"; readonly run: string; readonly folder: string; readonly seconds: number };

/** Hears the events of a run. */
export type Reporter = (event: RunEvent) => void;

/** Shortest time between two progress events of one output. */
const INTERVAL_MS = 200;

/** Turns counts into progress events, seldom enough, with rate and time left. */
export class ProgressMeter {
  #started = performance.now();
  #last = -Infinity;
  /** What was there before: no part of the rate. */
  #before = 0;

  constructor(
    private readonly report: Reporter,
    private readonly stage: Stage,
    private readonly output: string,
    private readonly unit: string,
  ) {}

  /** The work begins now, with so many ready already. */
  begin(done: number): void {
    this.#started = performance.now();
    this.#before = done;
  }

  /** `done` of `total` are ready. */
  update(done: number, total: number | null, note?: string): void {
    const now = performance.now();
    if (done !== total && now - this.#last < INTERVAL_MS) return;
    this.#last = now;
    const seconds = (now - this.#started) / 1000;
    const rate = done > this.#before && seconds > 0 ? (done - this.#before) / seconds : null;
    this.report({
      event: "progress",
      stage: this.stage,
      output: this.output,
      done,
      total,
      unit: this.unit,
      rate,
      secondsLeft: rate === null || total === null ? null : (total - done) / rate,
      ...(note === undefined ? {} : { note }),
    });
  }
}
