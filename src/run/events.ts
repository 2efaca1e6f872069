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
      readonly total: number;
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
  | { readonly event: "metrics"; readonly metrics: MetricsFile }
  | { readonly event: "done"; readonly run: string; readonly folder: string; readonly seconds: number };

/** Hears the events of a run. */
export type Reporter = (event: RunEvent) => void;

/** Shortest time between two progress events of one output. */
const INTERVAL_MS = 200;

/** Turns counts into progress events, seldom enough, with rate and time left. */
export class ProgressMeter {
  readonly #started = performance.now();
  #last = -Infinity;

  constructor(
    private readonly report: Reporter,
    private readonly stage: Stage,
    private readonly output: string,
    private readonly unit: string,
  ) {}

  /** `done` of `total` are ready. */
  update(done: number, total: number, note?: string): void {
    const now = performance.now();
    if (done < total && now - this.#last < INTERVAL_MS) return;
    this.#last = now;
    const seconds = (now - this.#started) / 1000;
    const rate = done > 0 && seconds > 0 ? done / seconds : null;
    this.report({
      event: "progress",
      stage: this.stage,
      output: this.output,
      done,
      total,
      unit: this.unit,
      rate,
      secondsLeft: rate === null ? null : (total - done) / rate,
      ...(note === undefined ? {} : { note }),
    });
  }
}
