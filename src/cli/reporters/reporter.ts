import type { Reporter } from "../../run/events.js";

/** Shows a run's events; `close` leaves the terminal as it was. */
export interface RunReporter {
  readonly report: Reporter;
  close(): void;
}

/** The reporter for what standard error is, or JSON lines where they are asked for. */
export async function chooseReporter(json: boolean): Promise<RunReporter> {
  if (json) return (await import("./json.js")).jsonReporter();
  if (process.stderr.isTTY) return (await import("./terminal.js")).terminalReporter();
  return (await import("./lines.js")).linesReporter();
}
