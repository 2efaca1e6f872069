import type { Stage } from "../events.js";
import type { SweepEvent } from "./events.js";

/** What a variant that runs is at. */
export interface RunningVariant {
  readonly name: string;
  readonly stage: Stage | null;
  /** What is being made; empty before that is known. */
  readonly output: string;
  readonly done: number;
  readonly total: number | null;
  readonly unit: string;
  /** Such as the loss, or what it waits for. */
  readonly note: string;
}

/** How far the whole sweep is. */
export interface OverallProgress {
  readonly done: number;
  readonly failed: number;
  readonly total: number;
  /** Variants an hour, as those finished lately took; null before one is. */
  readonly perHour: number | null;
  readonly secondsLeft: number | null;
  /** In the order in which they began. */
  readonly running: readonly RunningVariant[];
}

/** How many of the last variants tell how long the next ones will take: the first ones make what all share. */
const RECENT = 8;

/** Follows the events of a sweep. */
export class SweepProgress {
  #done = 0;
  #failed = 0;
  #total = 0;
  #lanes = 1;
  readonly #seconds: number[] = [];
  readonly #running = new Map<string, RunningVariant>();

  /** Takes an event in. */
  hear(event: SweepEvent): void {
    switch (event.event) {
      case "sweep":
        this.#total = event.variants;
        this.#done = event.finished;
        break;
      case "lanes":
        this.#lanes = event.lanes;
        break;
      case "variant":
        this.#done = event.done;
        if (event.status === "running") this.#running.set(event.variant, idle(event.variant));
        else this.#running.delete(event.variant);
        if (event.status === "failed") this.#failed += 1;
        if (event.status === "complete" && event.seconds !== null) this.#seconds.push(event.seconds);
        break;
      case "stage":
        this.#change(event.variant, { ...idle(event.variant), stage: event.stage });
        break;
      case "progress": {
        const { variant, stage, output, done, total, unit, note = "" } = event;
        this.#change(variant, { name: variant, stage, output, done, total, unit, note });
        break;
      }
      default:
        break;
    }
  }

  get overall(): OverallProgress {
    const recent = this.#seconds.slice(-RECENT).sort((a, b) => a - b);
    const typical = recent[Math.floor(recent.length / 2)];
    const left = this.#total - this.#done;
    return {
      done: this.#done,
      failed: this.#failed,
      total: this.#total,
      perHour: typical === undefined || typical === 0 ? null : (3600 / typical) * Math.min(this.#lanes, Math.max(1, left)),
      secondsLeft: typical === undefined ? null : Math.ceil(left / this.#lanes) * typical,
      running: [...this.#running.values()],
    };
  }

  #change(name: string, to: RunningVariant): void {
    if (this.#running.has(name)) this.#running.set(name, to);
  }
}

function idle(name: string): RunningVariant {
  return { name, stage: null, output: "", done: 0, total: null, unit: "", note: "" };
}
