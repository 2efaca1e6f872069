import type { RunEvent } from "../../run/events.js";
import { duration, figures, rate, skippedText } from "./format.js";
import type { RunReporter } from "./reporter.js";
import { printResults } from "./results.js";

/** Shortest time between two lines about one output. */
const INTERVAL_MS = 5_000;

/** Plain lines on standard error, for logs; the results go to standard output. */
export function linesReporter(): RunReporter {
  let last = performance.now();
  const say = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  const report = (event: RunEvent): void => {
    switch (event.event) {
      case "run":
        say(`run ${event.run} in ${event.folder}`);
        break;
      case "worker":
        say(`worker: torch ${event.torchVersion} on ${event.device} (${event.deviceName}), ${event.threads} thread${event.threads === 1 ? "" : "s"}`);
        break;
      case "progress":
        if (event.done === event.total || performance.now() - last < INTERVAL_MS) break;
        last = performance.now();
        say(
          `${event.stage}: ${event.output}: ${figures(event)}` +
            (event.rate === null ? "" : `, ${rate(event.rate)}`) +
            (event.secondsLeft === null ? "" : `, ${duration(event.secondsLeft)} left`) +
            (event.note === undefined ? "" : `, ${event.note}`),
        );
        break;
      case "output":
        last = performance.now();
        say(`${event.stage}: ${event.output}: ${event.fromStore ? "from the store" : duration(event.seconds)}`);
        break;
      case "warning":
        say(`warning: ${event.message}`);
        break;
      case "skipped":
        say(skippedText(event));
        break;
      case "metrics":
        printResults(event.metrics);
        break;
      case "done":
        say(`done in ${duration(event.seconds)}`);
        process.stdout.write(`${event.folder}\n`);
        break;
      case "stage":
      case "stage-end":
        break;
    }
  };
  return { report, close() {} };
}
