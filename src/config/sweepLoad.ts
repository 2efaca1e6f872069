import { dirname, resolve } from "node:path";

import { CmcrError } from "../errors.js";
import { readDocument } from "./document.js";
import { checkFiles, type CheckOptions } from "./files.js";
import type { DataFacts } from "./fit.js";
import { mistakesOf } from "./issues.js";
import { readSource } from "./load.js";
import { describeValue, type Locate, mistakesError } from "./mistake.js";
import { looksLikeSweep, sweepSchema } from "./sweep.js";
import { compileSweep, type ParsedSweep, refuseAny, type SweepFile } from "./sweepCompile.js";

/** A sweep as loaded. */
export interface LoadedSweep extends ParsedSweep {
  /** The file's text as it is. */
  readonly source: string;
  /** Counts and dimensions of the base, as far as its files tell them. */
  readonly facts: DataFacts;
}

/**
 * Loads a sweep file and its experiment, compiles every variant and opens every file that one
 * of them names. `set` changes the experiment that is varied.
 * @throws CmcrError: exit 2 when a file is missing or wrong, exit 3 when data are; a mistake of
 * a variant has its name.
 */
export async function loadSweep(path: string, set: readonly string[]): Promise<LoadedSweep> {
  const source = await readSource(path, "sweep");
  const file = readSweepFile(source, path);
  const experiment = resolve(dirname(path), file.fields.experiment);
  const text = await readSource(experiment, "experiment").catch((error: unknown) => {
    throw namedBySweep(error, file.locate);
  });
  const parsed = compileSweep(file, { text, path: experiment }, set);
  const opened: NonNullable<CheckOptions["opened"]> = new Map();
  const facts = await checkFiles(parsed.base.experiment, parsed.base.locate, { open: true, opened, folders: parsed.base.folders });
  const faults: CmcrError[] = [];
  for (const [variant, { locate, folders }] of parsed.places) {
    await checkFiles(variant.experiment, locate, { open: true, opened, folders }).catch((error: unknown) => {
      if (!(error instanceof CmcrError)) throw error;
      faults.push(error);
    });
  }
  refuseAny(faults);
  return { ...parsed, source, facts };
}

/** Whether a file is a sweep; one that cannot be read is not. */
export async function isSweepFile(path: string): Promise<boolean> {
  try {
    return looksLikeSweep(readDocument(await readSource(path, "experiment"), path).value);
  } catch {
    // Whoever loads it says what is wrong with it.
    return false;
  }
}

/**
 * Reads and checks the text of a sweep file.
 * @throws CmcrError (exit 2) that lists every mistake with its place.
 */
export function readSweepFile(text: string, fileName: string): SweepFile {
  const { value, locate } = readDocument(text, fileName);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const found = value === null ? "an empty file" : describeValue(value);
    throw mistakesError([{ path: [], reason: "WRONG_TYPE", expected: "a sweep, a map with version, name, experiment and variants or a grid", found }], locate);
  }
  if (Object.hasOwn(value, "spaces") && !Object.hasOwn(value, "experiment")) {
    const hint = `Run it with: cmcr run ${fileName}`;
    throw mistakesError([{ path: [], reason: "MISSING_FIELD", expected: "a sweep, which names an experiment to vary", found: "an experiment", hint }], locate);
  }
  const parsed = sweepSchema.safeParse(value);
  if (!parsed.success) throw mistakesError(mistakesOf(parsed.error.issues, sweepSchema, value), locate);
  return { fields: parsed.data, locate };
}

/** An experiment that cannot be read, with the line that names it. */
function namedBySweep(error: unknown, locate: Locate): unknown {
  if (!(error instanceof CmcrError)) return error;
  const { code, reason, message } = error;
  return new CmcrError(`${locate(["experiment"], "value").text} experiment: ${message}`, { code, reason, path: "experiment", cause: error });
}
