import type { OverallProgress, RunningVariant } from "../../run/sweep/progress.js";
import type { SweepTable } from "../../run/sweep/table.js";
import { sweepText } from "../../run/sweep/tableText.js";
import { stdoutHasColors } from "../colors.js";
import { duration } from "./format.js";

const DEFAULT_WIDTH = 100;

/** How far a sweep is, such as `5/25 variants, 1 failed, 240 an hour, 2:10 left`. */
export function overallText({ done, failed, total, perHour, secondsLeft }: OverallProgress): string {
  return [
    `${done}/${total} variants`,
    ...(failed === 0 ? [] : [`${failed} failed`]),
    ...(perHour === null || done === total ? [] : [`${perHour < 10 ? perHour.toFixed(1) : Math.round(perHour)} an hour`]),
    ...(secondsLeft === null || done === total ? [] : [`${duration(secondsLeft)} left`]),
  ].join(", ");
}

/** What one of its variants is at, such as `full: connect projectors of a and b 120/252 steps, loss 1.2`. */
export function runningText({ name, stage, output, done, total, unit, note }: RunningVariant): string {
  if (stage === null) return `${name}: starting`;
  const counts = total === null ? "" : ` ${done}/${total} ${unit}`;
  return `${name}: ${stage}${output === "" ? "" : ` ${output}`}${counts}${note === "" ? "" : `, ${note}`}`;
}

/** Prints a sweep's table on standard output. */
export function printSweep(table: SweepTable): void {
  process.stdout.write(`\n${sweepText(table, { width: process.stdout.columns || DEFAULT_WIDTH, color: stdoutHasColors() })}\n\n`);
}
