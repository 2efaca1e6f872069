import { z } from "zod";

import type { CheckContext } from "../checks/context.js";
import type { CompiledPairs, CompiledPart, CompiledTable } from "../compiledSource.js";
import { nonNegativeField, pathField, positiveField } from "../fields.js";
import type { FieldPath } from "../mistake.js";

/** Fields that sources with files share. */

const frameError = "expected middle, first or a number of seconds";

const frameField = z
  .union([z.enum(["middle", "first"], { error: frameError }), z.number({ error: frameError }).min(0, { error: frameError })])
  .describe("As images: which frame of a video. middle, first, or a moment in seconds. A folder's videos count as images where it is given.");

const segmentField = z
  .strictObject({
    start: nonNegativeField("Where it begins, in seconds.").default(0),
    seconds: positiveField("How long it is; to the end unless given.").optional(),
  })
  .describe("As sounds: which part of a recording. A folder's videos count as sounds where it is given.");

/** `frame` and `segment`, which say what of a recording each item is. */
export const partFields = { frame: frameField.optional(), segment: segmentField.optional() };

type UserPart = z.output<z.ZodObject<typeof partFields>>;

/** The part that the fields ask for; null where neither was given. */
export function compilePart({ frame, segment }: UserPart): CompiledPart | null {
  if (frame === undefined && segment === undefined) return null;
  return {
    frame: frame === undefined ? null : typeof frame === "number" ? { kind: "seconds", at: frame } : { kind: "fraction", at: frame === "middle" ? 0.5 : 0 },
    segment: segment === undefined ? null : { start: segment.start, seconds: segment.seconds ?? null },
  };
}

const pairsError = "expected one, or how many of each recording";

/** `pairs`: how many pairs of a sound and a frame a recording gives. */
export const pairsField = z
  .union([z.literal("one", { error: pairsError }), z.int({ error: pairsError }).min(1, { error: pairsError }).max(1000, { error: pairsError })])
  .default("one")
  .describe(
    "How many pairs each recording gives: one, or N parts of equal length, as sounds each part and as images a frame of it (its middle unless frame says otherwise). What is divided is segment, else the clip's own seconds. In the names of files {segment} is the part's number from 1.",
  );

interface UserPairs extends UserPart {
  readonly pairs: "one" | number;
  readonly cut?: boolean;
}

/** The pairs that the fields ask for; null for one of each recording. `clipSeconds` is how long the data set's clips are, or null. */
export function compilePairs({ pairs, cut = false, segment }: UserPairs, clipSeconds: number | null): CompiledPairs | null {
  if (pairs === "one" || pairs === 1) return null;
  if (cut) return { count: pairs, of: null };
  const start = segment?.start ?? 0;
  const seconds = segment?.seconds ?? (clipSeconds ?? 0) - start;
  return { count: pairs, of: { start, seconds } };
}

/** Reports pairs of recordings of which nobody says how long they are. */
export function checkPairs({ pairs, cut = false, segment }: UserPairs, clipSeconds: number | null, path: FieldPath, context: CheckContext): void {
  if (pairs === "one" || pairs === 1) return;
  if (cut && segment !== undefined) {
    context.report({ path: [...path, "segment"], reason: "IMPOSSIBLE_VALUE", expected: "no segment beside cut and pairs, as the seconds in the list are divided", found: "one" });
  } else if (!cut && segment?.seconds === undefined && clipSeconds === null) {
    context.report({ path: [...path, "segment"], reason: "MISSING_FIELD", expected: "segment: { seconds: N }, the part of each recording that is divided into pairs", found: "nothing" });
  } else if (!cut && segment?.seconds === undefined && (segment?.start ?? 0) >= (clipSeconds ?? 0)) {
    context.report({ path: [...path, "segment", "start"], reason: "IMPOSSIBLE_VALUE", expected: `a start below ${clipSeconds ?? 0}, the seconds of a clip`, found: String(segment?.start) });
  }
}

/** `root`: where the files lie that a list names. */
export const rootField = pathField("Folder of the files, relative to this file; the list's own folder unless given.").optional();

/** `missing`: what becomes of an item whose file is not there. */
export const missingField = z
  .enum(["unreadable", "leave-out"] satisfies readonly CompiledTable["missing"][])
  .default("unreadable")
  .describe("What becomes of an item whose file is not there: it counts among those that cannot be read, or is left out, as with videos that are no longer online.");

/** `file` of a dataset: how its files are named. */
export function fileField(description: string) {
  return z.string({ error: "expected a pattern of a file's name" }).min(1).describe(`${description} {COLUMN} stands for a field, {COLUMN:06} for a number of six digits, .* for whichever ending is there.`);
}
