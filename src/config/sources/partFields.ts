import { z } from "zod";

import type { CompiledPart, CompiledTable } from "../compiledSource.js";
import { nonNegativeField, pathField, positiveField } from "../fields.js";

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
