import type { Schedule } from "../config/compiled.js";

type Kind = Schedule["kind"];
type Of<K extends Kind> = Extract<Schedule, { kind: K }>;

/**
 * A schedule's value at a step, 0-based, of `totalSteps`. At step 0 it is
 * `from` (0 while warming up); `to` is reached at step `totalSteps`, right
 * after the last one, as PyTorch's schedulers do with T_max = total steps.
 */
export function evaluateSchedule(schedule: Schedule, step: number, totalSteps: number): number {
  return evaluateAt(schedule, Math.min(step / totalSteps, 1));
}

function evaluateAt<K extends Kind>(schedule: Of<K>, progress: number): number {
  const evaluate: (schedule: Of<K>, progress: number) => number = EVALUATE[schedule.kind];
  return evaluate(schedule, progress);
}

/** The value of each kind of schedule at a progress of 0 to 1. */
const EVALUATE: { readonly [K in Kind]: (schedule: Of<K>, progress: number) => number } = {
  constant: ({ from }) => from,
  linear: ({ from, to }, progress) => between(from, to, progress),
  cosine: ({ from, to }, progress) => between(from, to, fallen(progress)),
  step: ({ from, factor, milestones }, progress) => from * factor ** milestones.filter((milestone) => milestone <= progress).length,
  "warmup-cosine": ({ from, to, warmup }, progress) =>
    progress < warmup ? (from * progress) / warmup : between(from, to, fallen((progress - warmup) / (1 - warmup))),
};

/** How far a half cosine has gone from 0 to 1. */
function fallen(progress: number): number {
  return (1 - Math.cos(Math.PI * progress)) / 2;
}

/** Exact at both ends, and never beyond them. */
function between(from: number, to: number, share: number): number {
  const value = from * (1 - share) + to * share;
  return Math.min(Math.max(value, Math.min(from, to)), Math.max(from, to));
}
