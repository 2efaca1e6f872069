// @ts-check
/** What a measurement is, how several are summed up, and whether it meets its bar. */

/**
 * One measured thing.
 *
 * @typedef {object} Result
 * @property {string} section name of the section that measured it
 * @property {string} name stable, for scripts
 * @property {string} what in words, with its size
 * @property {"fraction" | "ratio" | "MiB" | "s" | "difference"} unit
 * @property {number | null} measured null where it was left out; `note` says why
 * @property {{ atMost: number } | { atLeast: number } | null} bar null: reported only
 * @property {boolean | null} met null without a bar, without a measurement, and at small sizes
 * @property {string | null} note
 * @property {Record<string, unknown>} details
 */

/** The middle value, or the mean of the two in the middle; NaN of none. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const last = sorted.length - 1;
  if (last < 0) return Number.NaN;
  return (sorted[Math.floor(last / 2)] + sorted[Math.ceil(last / 2)]) / 2;
}

/** Rounds to four significant digits: more are noise. */
export function rounded(value) {
  return Number(value.toPrecision(4));
}

/**
 * A result as it is printed. Bars are set for the full sizes: at small ones none is judged.
 *
 * @returns {Result}
 */
export function judged(section, { name, what, unit, measured = null, bar = null, note = null, details = {} }, quick) {
  const judgeable = bar !== null && measured !== null && !quick;
  const met = !judgeable ? null : "atMost" in bar ? measured <= bar.atMost : measured >= bar.atLeast;
  return { section, name, what, unit, measured: measured === null ? null : rounded(measured), bar, met, note, details };
}
