import type { SetProgress } from "../../run/setPace.js";
import { duration, rate } from "./format.js";

/** Shortest time between two lines about the same work, where there is no terminal. */
const LINE_INTERVAL_MS = 5_000;
const TERMINAL_INTERVAL_MS = 100;

/** Shows how far work on a data set is, on standard error: one line that changes on a terminal, else a line now and then. */
export class SetProgressLine {
  readonly #terminal = process.stderr.isTTY;
  #last = performance.now();
  #shown = 0;

  /** `what` is being done to so many `unit`. */
  show(what: string, unit: string, { done, total, perSecond, secondsLeft }: SetProgress): void {
    const now = performance.now();
    if (now - this.#last < (this.#terminal ? TERMINAL_INTERVAL_MS : LINE_INTERVAL_MS)) return;
    this.#last = now;
    const figures = [
      total === null ? "counting files" : `${done}/${total} ${unit}`,
      ...(perSecond === null || total === null ? [] : [rate(perSecond)]),
      ...(secondsLeft === null || done === 0 ? [] : [`${duration(secondsLeft)} left`]),
    ];
    const line = `${what}: ${figures.join(", ")}`;
    if (!this.#terminal) {
      process.stderr.write(`${line}\n`);
      return;
    }
    process.stderr.write(`\r${line.padEnd(this.#shown)}`);
    this.#shown = line.length;
  }

  /** Leaves the terminal's line empty. */
  close(): void {
    if (this.#shown > 0) process.stderr.write(`\r${" ".repeat(this.#shown)}\r`);
    this.#shown = 0;
  }
}
