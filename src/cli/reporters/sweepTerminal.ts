import type { SweepEvent } from "../../run/sweep/events.js";
import { SweepProgress } from "../../run/sweep/progress.js";
import { stderrColors } from "../colors.js";
import { duration, skippedText } from "./format.js";
import { overallText, printSweep, runningText } from "./sweepFormat.js";
import type { SweepEventReporter } from "./sweepReporter.js";

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;
/** Shortest time between two paintings. */
const INTERVAL_MS = 100;
const NARROWEST_BAR = 6;
const WIDEST_BAR = 24;

/** A line for the whole sweep and one for each variant that runs, kept up to date below the lines for what is finished. */
export function sweepTerminalReporter(): SweepEventReporter {
  const colors = stderrColors();
  const progress = new SweepProgress();
  let painted = 0;
  let last = -Infinity;

  const columns = (): number => (process.stderr.columns || DEFAULT_COLUMNS) - 1;
  const clip = (text: string): string => (text.length <= columns() ? text : `${text.slice(0, columns() - 1)}…`);
  const clear = (): void => {
    // Up to the first painted line, and everything from there on away.
    if (painted > 0) process.stderr.write(`\u001b[${painted}A\u001b[0J`);
    painted = 0;
  };
  const paint = (): void => {
    clear();
    const { overall } = progress;
    if (overall.total === 0) return;
    const said = overallText(overall);
    const width = Math.max(NARROWEST_BAR, Math.min(WIDEST_BAR, columns() - said.length - 2));
    const filled = Math.round((width * overall.done) / overall.total);
    // What has left the screen cannot be painted again.
    const room = Math.max(1, (process.stderr.rows || DEFAULT_ROWS) - 4);
    const hidden = overall.running.length - room;
    const lines = [
      `${colors.cyan("█".repeat(filled))}${colors.dim("░".repeat(width - filled))}  ${said.slice(0, Math.max(0, columns() - width - 2))}`,
      ...overall.running.slice(0, room).map((running) => colors.dim(clip(`  ${runningText(running)}`))),
      ...(hidden > 0 ? [colors.dim(`  and ${hidden} more`)] : []),
    ];
    process.stderr.write(lines.map((line) => `${line}\n`).join(""));
    painted = lines.length;
    last = performance.now();
  };
  const say = (line: string): void => {
    clear();
    process.stderr.write(`${line}\n`);
    paint();
  };

  const report = (event: SweepEvent): void => {
    progress.hear(event);
    switch (event.event) {
      case "sweep":
        say(colors.bold(`sweep ${event.sweep}`) + colors.dim(`, ${event.variants} variants${event.finished === 0 ? "" : `, ${event.finished} finished before`}`));
        break;
      case "lanes":
        say(colors.dim(`${event.lanes} at a time on ${event.device}`));
        break;
      case "variant":
        if (event.status === "complete") say(`${event.variant}  ${colors.green(duration(event.seconds ?? 0))}`);
        else if (event.status === "failed") say(`${event.variant}  ${colors.red("failed")}: ${event.message ?? ""}`);
        else paint();
        break;
      case "sweep-warning":
        say(`${colors.yellow("warning")}: ${event.message}`);
        break;
      case "warning":
        say(`${event.variant}: ${colors.yellow("warning")}: ${event.message}`);
        break;
      case "skipped":
        say(colors.yellow(`${event.variant}: ${skippedText(event)}`));
        break;
      case "table":
        clear();
        printSweep(event.table);
        break;
      case "sweep-done":
        clear();
        process.stderr.write(`${colors.dim(`done in ${duration(event.seconds)}`)}\n`);
        process.stdout.write(`${event.folder}\n`);
        break;
      default:
        if (performance.now() - last >= INTERVAL_MS) paint();
        break;
    }
  };
  return { report, close: clear };
}
