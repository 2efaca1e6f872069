import type { RunEvent } from "../../run/events.js";

/** Numbers and times as people read them. */

/** Seconds as `0.4 s`, `12 s`, `3:05` or `2:07:30`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(m).padStart(h > 0 ? 2 : 1, "0")}:${String(s).padStart(2, "0")}`;
  return h > 0 ? `${h}:${tail}` : tail;
}

/** A rate as `812/s`, `3.4/s` or `0.02/s`. */
export function rate(perSecond: number): string {
  const digits = perSecond >= 100 ? 0 : perSecond >= 1 ? 1 : 2;
  return `${perSecond.toFixed(digits)}/s`;
}

/** How much is done, as `120/500 images`, or `120 images` where nobody knows of how many. */
export function figures({ done, total, unit }: Extract<RunEvent, { readonly event: "progress" }>): string {
  return `${done}${total === null ? "" : `/${total}`} ${unit}`;
}

/** What was left out of a collection, and where it says why. */
export function skippedText({ collection, space, count, items, file, first }: Extract<RunEvent, { readonly event: "skipped" }>): string {
  const [example] = first;
  const such = example === undefined ? "" : `, such as ${example.message.includes(example.item) ? "" : `${example.item}: `}${example.message}`;
  return `skipped: ${count} of ${items} items of ${collection} in ${space} cannot be read${such} (${file})`;
}
