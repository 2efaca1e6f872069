import type { SweepReporter } from "../../run/sweep/events.js";

/** Shows a sweep's events; `close` leaves the terminal as it was. */
export interface SweepEventReporter {
  readonly report: SweepReporter;
  close(): void;
}

/** The reporter for what standard error is, or JSON lines where they are asked for. */
export async function chooseSweepReporter(json: boolean): Promise<SweepEventReporter> {
  if (json) {
    return {
      report(event) {
        process.stdout.write(`${JSON.stringify(event)}\n`);
      },
      close() {},
    };
  }
  if (process.stderr.isTTY) return (await import("./sweepTerminal.js")).sweepTerminalReporter();
  return (await import("./sweepLines.js")).sweepLinesReporter();
}
