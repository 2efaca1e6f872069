import type { SweepEvent } from "../../run/sweep/events.js";
import { SweepProgress } from "../../run/sweep/progress.js";
import { duration, skippedText } from "./format.js";
import { overallText, printSweep, runningText } from "./sweepFormat.js";
import type { SweepEventReporter } from "./sweepReporter.js";

/** Shortest time between two lines about what runs. */
const INTERVAL_MS = 10_000;

/** Plain lines on standard error, for logs; the table goes to standard output. */
export function sweepLinesReporter(): SweepEventReporter {
  const progress = new SweepProgress();
  let last = performance.now();
  const say = (line: string): void => {
    last = performance.now();
    process.stderr.write(`${line}\n`);
  };
  const report = (event: SweepEvent): void => {
    progress.hear(event);
    switch (event.event) {
      case "sweep":
        say(`sweep ${event.sweep} in ${event.folder}: ${event.variants} variants${event.finished === 0 ? "" : `, ${event.finished} finished before`}`);
        break;
      case "lanes":
        say(`${event.lanes} at a time on ${event.device}`);
        break;
      case "variant":
        if (event.status === "running") say(`${event.variant}: begins`);
        else if (event.status === "failed") say(`${event.variant}: failed: ${event.message ?? ""}`);
        else if (event.status === "complete") say(`${event.variant}: ${duration(event.seconds ?? 0)}; ${overallText(progress.overall)}`);
        break;
      case "progress":
        if (performance.now() - last < INTERVAL_MS) break;
        say([overallText(progress.overall), ...progress.overall.running.map((running) => runningText(running))].join("; "));
        break;
      case "output":
        if (!event.fromStore) say(`${event.variant}: ${event.stage}: ${event.output}: ${duration(event.seconds)}`);
        break;
      case "sweep-warning":
        say(`warning: ${event.message}`);
        break;
      case "warning":
        say(`${event.variant}: warning: ${event.message}`);
        break;
      case "skipped":
        say(`${event.variant}: ${skippedText(event)}`);
        break;
      case "table":
        printSweep(event.table);
        break;
      case "sweep-done":
        say(`done in ${duration(event.seconds)}`);
        process.stdout.write(`${event.folder}\n`);
        break;
      default:
        break;
    }
  };
  return { report, close() {} };
}
