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
  return z.string({ error: "expected a name" }).regex(NAME, { error: phrase }).describe(description);
}

/** The run's name, which becomes its folder's. */
export function runNameField(description: string) {
  const phrase = "expected a name of up to 100 letters, digits, dots, - and _ that begins with a letter or digit";
  return z.string({ error: "expected a name" }).regex(RUN_NAME, { error: phrase }).describe(description);
}

/** A file or folder, relative to the experiment file. */
export function pathField(description: string, endings: readonly string[] = []) {
  const phrase = endings.length === 0 ? "expected a path" : `expected the path of a ${endings.join(" or ")} file`;
  const ending = endings.map((text) => text.replace(".", "\\.")).join("|");
  return z
    .string({ error: phrase })
    .regex(new RegExp(`^[^\\0]*[^\\0\\s](${ending})$`), { error: phrase })
    .describe(description);
}

/** A whole number of at least `minimum`. */
export function countField(description: string, minimum: number) {
  const error = `expected a whole number of at least ${minimum}`;
  return z.int({ error }).min(minimum, { error }).describe(description);
}

/** A number above 0. */
export function positiveField(description: string) {
  const error = "expected a number above 0";
  return z.number({ error }).gt(0, { error }).describe(description);
}

/** A number of at least 0. */
export function nonNegativeField(description: string) {
  const error = "expected a number of at least 0";
  return z.number({ error }).min(0, { error }).describe(description);
}

/** A number from 0 to below 1, or above 0 to below 1. */
export function fractionField(description: string, { zero }: { readonly zero: boolean }) {
  const error = zero ? "expected a number from 0 to below 1" : "expected a number above 0 and below 1";
  const number = z.number({ error }).lt(1, { error });
  return (zero ? number.min(0, { error }) : number.gt(0, { error })).describe(description);
}

/** 0 to 2^53 - 1. */
export function seedField(description: string) {
  const error = "expected a whole number from 0 to 2^53 - 1";
  return z.int({ error }).min(0, { error }).max(LARGEST_SEED, { error }).describe(description);
}
