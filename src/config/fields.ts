import { z } from "zod";

/**
 * Scalars that several sections of an experiment file share. A message that
 * begins with "expected " is what the error says after that word.
 */

/** Becomes part of a path or of a parameter's name: no separators, no dots. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const RUN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** The largest seed that travels as an exact number. */
export const LARGEST_SEED = Number.MAX_SAFE_INTEGER;

/** A name that the file gives to something, or by which it refers to it. */
export function nameField(description: string) {
  const phrase = "expected a name of up to 64 letters, digits, - and _ that begins with a letter or digit";
  return z.string().regex(NAME, { error: phrase }).describe(description);
}

/** The run's name, which becomes its folder's. */
export function runNameField(description: string) {
  const phrase = "expected a name of up to 100 letters, digits, dots, - and _ that begins with a letter or digit";
  return z.string().regex(RUN_NAME, { error: phrase }).describe(description);
}

/** A file or folder, relative to the experiment file. */
export function pathField(description: string, endings: readonly string[] = []) {
  const kinds = endings.join(" or ");
  const phrase = endings.length === 0 ? "expected a path" : `expected the path of a ${kinds} file`;
  return z
    .string()
    .refine((path) => path.trim() !== "" && !path.includes("\0") && (endings.length === 0 || endings.some((ending) => path.endsWith(ending))), {
      error: phrase,
    })
    .describe(description);
}

/** A whole number of at least `minimum`. */
export function countField(description: string, minimum: number) {
  return z.int().min(minimum).describe(description);
}

/** A number above 0. */
export function positiveField(description: string) {
  return z.number().gt(0).describe(description);
}

/** 0 to 2^53 - 1. */
export function seedField(description: string) {
  return z.int().min(0).max(LARGEST_SEED).describe(description);
}
