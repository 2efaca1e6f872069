/**
 * How much a finding matters: a `fault` makes a copy unfit, `known` is one of the published annotations' own faults, which
 * is handled, and `missing` a file that a copy may lack.
 */
export type Severity = "fault" | "known" | "missing";

/** Something that was found in a copy of a data set. */
export interface Finding {
  readonly severity: Severity;
  /** Stable, upper-case, such as `TRUNCATED`. */
  readonly reason: string;
  /** The file, relative to the copy's root. */
  readonly file: string;
  /** The line or item in it, such as `item 12` or `line 3`; empty where all of it is meant. */
  readonly at: string;
  /** What is wrong, without the place. */
  readonly message: string;
  /** What to do. */
  readonly fix: string;
}

/** A finding's place as one text: `vggss.json, item 12`, `flickr_test.csv:3`. */
export function findingPlace({ file, at }: Pick<Finding, "file" | "at">): string {
  if (at === "") return file;
  return /^\d+$/.test(at) ? `${file}:${at}` : `${file}, ${at}`;
}
