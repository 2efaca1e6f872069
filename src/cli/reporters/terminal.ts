import cliProgress from "cli-progress";

import type { RunEvent } from "../../run/events.js";
import { stderrColors } from "../colors.js";
import { duration, rate } from "./format.js";
import type { RunReporter } from "./reporter.js";
import { printResults } from "./results.js";

type Progress = Extract<RunEvent, { readonly event: "progress" }>;

const BAR_WIDTH = 24;
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
      bar.start(event.total, event.done, { progress: event });
    } else bar.update(event.done, { progress: event });
  };
  const line = ({ stage, output, done, total, unit, rate: perSecond, secondsLeft, note }: Progress): string => {
    const filled = total > 0 ? Math.round((BAR_WIDTH * done) / total) : 0;
    const drawn = colors.cyan("█".repeat(filled)) + colors.dim("░".repeat(BAR_WIDTH - filled));
    const speed = perSecond === null ? "" : `  ${rate(perSecond)}`;
    const left = secondsLeft === null ? "" : `  ${duration(secondsLeft)} left`;
    return `${stage.padEnd(STAGE_WIDTH)} ${output}  ${drawn}  ${done}/${total} ${unit}${speed}${left}${note === undefined ? "" : `  ${note}`}`;
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
