import { CmcrError, EXIT, type ExitCode } from "../errors.js";

/** Keys and list indices from the root of an experiment file to one of its fields. */
export type FieldPath = readonly (string | number)[];

/** Why an experiment file is refused; scripts match on these. */
export type MistakeReason =
  | "BAD_YAML"
  | "UNKNOWN_FIELD"
  | "MISSING_FIELD"
  | "WRONG_TYPE"
  | "IMPOSSIBLE_VALUE"
  | "UNKNOWN_NAME"
  | "NOT_REACHABLE"
  | "DATA_MISSING"
  | "SHAPE_MISMATCH"
  | "DTYPE_MISMATCH";

/** One thing that is wrong with an experiment file. */
export interface Mistake {
  readonly path: FieldPath;
  readonly reason: MistakeReason;
  readonly expected: string;
  readonly found: string;
  /** A sentence on what to do. */
  readonly hint?: string;
}

/** Gives the place of a field: `file:line:column`, or the `--set` that gave it its value. */
export type Locate = (path: FieldPath, part: "key" | "value") => Place;

export interface Place {
  readonly text: string;
  /** Sorts mistakes as the file has them. */
  readonly offset: number;
}

/** `connect.loss.intra.weight`, `evaluate.0.ks`: as `--set` takes it. */
export function pathText(path: FieldPath): string {
  return path.join(".");
}

/** What stands at a path of a plain value, or undefined. */
export function valueAt(value: unknown, path: FieldPath): unknown {
  let here = value;
  for (const step of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, step)) return undefined;
    here = (here as Readonly<Record<string | number, unknown>>)[step];
  }
  return here;
}

const LONGEST_VALUE = 60;

/** How a value is named in an error, in a few words. */
export function describeValue(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 1 ? "a list of 1 item" : `a list of ${value.length} items`;
  if (typeof value === "object") return "schedule" in value ? "a schedule" : "a map";
  const text = typeof value === "number" ? String(value) : (JSON.stringify(value) as string | undefined) ?? typeof value;
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}

/** `a, b or c` */
export function alternatives(names: readonly string[]): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1) ?? ""}`;
}

function sentence(mistake: Mistake, place: Place): string {
  const field = mistake.path.length === 0 ? "" : ` ${pathText(mistake.path)}`;
  const hint = mistake.hint === undefined ? "" : `. ${mistake.hint}`;
  return `${place.text}${field}: expected ${mistake.expected}, found ${mistake.found}${hint}`;
}

/**
 * One error for all the mistakes, in the order of the file: the message is the
 * first of them, `details` has a line for each.
 */
export function mistakesError(mistakes: readonly Mistake[], locate: Locate, code: ExitCode = EXIT.usage): CmcrError {
  const located = mistakes
    .map((mistake) => ({ mistake, place: locate(mistake.path, mistake.reason === "UNKNOWN_FIELD" ? "key" : "value") }))
    .sort((left, right) => left.place.offset - right.place.offset);
  const lines = [...new Set(located.map(({ mistake, place }) => sentence(mistake, place)))];
  const first = located[0];
  if (first === undefined) throw new RangeError("no mistake to report");
  return new CmcrError(lines[0] ?? "", {
    code,
    reason: first.mistake.reason,
    path: first.mistake.path.length === 0 ? first.place.text : pathText(first.mistake.path),
    details: lines,
  });
}
