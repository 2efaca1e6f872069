import cliProgress from "cli-progress";

import type { RunEvent } from "../../run/events.js";
import { stderrColors } from "../colors.js";
import { duration, figures as countsOf, rate, skippedText } from "./format.js";
import type { RunReporter } from "./reporter.js";
import { printResults } from "./results.js";

type Progress = Extract<RunEvent, { readonly event: "progress" }>;

const WIDEST_BAR = 24;
const NARROWEST_BAR = 6;
const SHORTEST_NAME = 12;
const DEFAULT_COLUMNS = 80;
const STAGE_WIDTH = 9;

/** A bar with rate and time left for what is being made, and a line for what is ready. */
export function terminalReporter(): RunReporter {
  const colors = stderrColors();
  let bar: cliProgress.SingleBar | undefined;

  const say = (line: string): void => {
    stop();
    process.stderr.write(`${line}\n`);
  };
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
  };
  const show = (event: Progress): void => {
    if (bar === undefined) {
      bar = new cliProgress.SingleBar({
        stream: process.stderr,
        clearOnComplete: true,
        hideCursor: true,
        fps: 10,
        etaBuffer: 1,
        format: (_options, _params, payload: { progress: Progress }) => line(payload.progress),
      });
      bar.start(event.total ?? 0, event.done, { progress: event });
    } else bar.update(event.done, { progress: event });
  };
  const line = (progress: Progress): string => {
    const { stage, output, done, total, rate: perSecond, secondsLeft, note } = progress;
    const speed = perSecond === null ? "" : `  ${rate(perSecond)}`;
    const left = secondsLeft === null ? "" : `  ${duration(secondsLeft)} left`;
    const figures = `${countsOf(progress)}${speed}${left}${note === undefined ? "" : `  ${note}`}`;
    // Figures say most, so the bar gives way first, and then the name.
    const room = (process.stderr.columns || DEFAULT_COLUMNS) - 1 - STAGE_WIDTH - 1 - figures.length - 4;
    const width = Math.max(NARROWEST_BAR, Math.min(WIDEST_BAR, room - output.length));
    const longest = Math.max(SHORTEST_NAME, room - width);
    const name = output.length <= longest ? output : `${output.slice(0, longest - 1)}…`;
    const filled = total !== null && total > 0 ? Math.round((width * done) / total) : 0;
    const drawn = colors.cyan("█".repeat(filled)) + colors.dim("░".repeat(width - filled));
    return `${stage.padEnd(STAGE_WIDTH)} ${name}  ${drawn}  ${figures}`;
  };

  const report = (event: RunEvent): void => {
    switch (event.event) {
      case "run":
        say(colors.bold(`run ${event.run}`));
        break;
      case "worker":
        say(colors.dim(`worker: torch ${event.torchVersion} on ${event.device} (${event.deviceName}), ${event.threads} thread${event.threads === 1 ? "" : "s"}`));
        break;
      case "progress":
        show(event);
        break;
      case "output":
        say(
          `${colors.dim(event.stage.padEnd(STAGE_WIDTH))} ${event.output}  ` +
            (event.fromStore ? colors.dim("from the store") : colors.green(duration(event.seconds))),
        );
        break;
      case "warning":
        say(`${colors.yellow("warning")}: ${event.message}`);
        break;
      case "skipped":
        say(colors.yellow(skippedText(event)));
        break;
      case "metrics":
        stop();
        printResults(event.metrics);
        break;
      case "done":
        say(colors.dim(`done in ${duration(event.seconds)}`));
        process.stdout.write(`${event.folder}\n`);
        break;
      case "stage":
      case "stage-end":
        break;
    }
  };
  return { report, close: stop };
}
