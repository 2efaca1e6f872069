import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import { CmcrError, usageError } from "../errors.js";
import { checkExperiment } from "./checks/experiment.js";
import { compileExperiment } from "./compile.js";
import type { CompiledExperiment } from "./compiled.js";
import { LARGEST_FILE_BYTES, readDocument, type SourceDocument } from "./document.js";
import { experimentSchema } from "./experiment.js";
import { checkFiles, type CheckOptions } from "./files.js";
import type { DataFacts } from "./fit.js";
import { mistakesOf } from "./issues.js";
import { describeValue, mistakesError, type FieldPath, type Locate } from "./mistake.js";
import { namedFiles } from "./namedFiles.js";
import { NamedFolders } from "./namedFolders.js";
import { applyOverrides, locateWithOverrides, type Override, readOverride } from "./overrides.js";
import { looksLikeSweep } from "./sweep.js";

export interface ParseOptions {
  /** `path.to.field=value`, later ones last. */
  readonly set?: readonly string[];
  /** Folder that relative paths start from; the file's own unless given. */
  readonly folder?: string;
}

/** An experiment file that is right in itself. */
export interface ParsedExperiment {
  readonly experiment: CompiledExperiment;
  /** What is odd but no mistake: replaced values, unused names. One line each. */
  readonly warnings: readonly string[];
  /** The same without the replaced values. */
  readonly oddities: readonly string[];
  /** The place of a field: `file:line:column`, or the `--set` that gave it its value. */
  readonly locate: Locate;
  /** Its named folders, with what lies below them. */
  readonly folders: NamedFolders;
}

/**
 * Reads, validates and compiles the text of an experiment file, without a look
 * at the disk.
 * @throws CmcrError (exit 2) that lists every mistake in the file with its place.
 */
export function parseExperiment(text: string, fileName: string, options: ParseOptions = {}): ParsedExperiment {
  const document = readDocument(text, fileName);
  if (looksLikeSweep(document.value)) {
    throw mistakesError([{ path: [], reason: "WRONG_TYPE", expected: "an experiment", found: "a sweep", hint: `Run it with: cmcr sweep ${fileName}` }], document.locate);
  }
  return parseDocument(document, (options.set ?? []).map(readOverride), options.folder ?? dirname(resolve(fileName)));
}

/**
 * The same of a file that is read already, with changes of any origin. Relative paths start from `folder`.
 * @throws CmcrError (exit 2) that lists every mistake with its place.
 */
export function parseDocument(document: SourceDocument, overrides: readonly Override[], folder: string): ParsedExperiment {
  const locate = locateWithOverrides(document.locate, overrides, document.value);
  if (!isMap(document.value)) {
    const found = document.value === null ? "an empty file" : describeValue(document.value);
    throw mistakesError([{ path: [], reason: "WRONG_TYPE", expected: "an experiment, a map with version, name, spaces, data and connect", found }], locate);
  }
  const { value, warnings } = applyOverrides(document.value, overrides, document.locate);
  const parsed = experimentSchema.safeParse(value);
  const findings = checkExperiment(value);
  const mistakes = [...(parsed.success ? [] : mistakesOf(parsed.error.issues, experimentSchema, value)), ...findings.mistakes];
  if (!parsed.success || mistakes.length > 0) throw mistakesError(mistakes, locate);
  const folders = new NamedFolders(parsed.data.folders, folder);
  const experiment = compileExperiment(parsed.data, (path) => folders.resolve(path));
  const unknown = folders.mistakes(value);
  if (unknown.length > 0) throw mistakesError(unknown, locate);
  const oddities = [...findings.warnings, ...folders.oddities()];
  return {
    experiment,
    warnings: [...warnings, ...oddities],
    oddities,
    locate,
    folders,
  };
}

export interface LoadOptions {
  /** `path.to.field=value`, later ones last. */
  readonly set?: readonly string[];
  /** Whether to open every file that the experiment names. Default true. */
  readonly checkFiles?: boolean;
  /** Files that are not needed, and may be gone. */
  readonly except?: NonNullable<CheckOptions["except"]>;
}

/** An experiment file as loaded. */
export interface LoadedExperiment extends ParsedExperiment {
  /** The file's text as it is. */
  readonly source: string;
  /** Absolute paths of all files and folders that it names. */
  readonly files: readonly string[];
  /** Counts and dimensions as far as the files tell them. */
  readonly facts: DataFacts;
}

/**
 * Loads an experiment file, and opens every file that it names.
 * @throws CmcrError: exit 2 when the file is missing or wrong, exit 3 when data
 * that it names are missing or unreadable, or do not fit together.
 */
export async function loadExperiment(path: string, options: LoadOptions = {}): Promise<LoadedExperiment> {
  const source = await readSource(path, "experiment");
  const parsed = parseExperiment(source, path, { set: options.set ?? [] });
  const { experiment, locate, folders } = parsed;
  const facts = await checkFiles(experiment, locate, { open: options.checkFiles ?? true, except: options.except ?? [], folders });
  return { ...parsed, source, files: [...new Set(namedFiles(experiment).map((file) => file.path))], facts };
}

/** The text of a file that people write, an experiment or a sweep. Exit 2 when there is none, or it is no text. */
export async function readSource(path: string, what: "experiment" | "sweep"): Promise<string> {
  const article = what === "experiment" ? "an" : "a";
  try {
    const { size } = await stat(path);
    if (size > LARGEST_FILE_BYTES) {
      throw usageError(`${path}: expected ${article} ${what} file of at most ${LARGEST_FILE_BYTES} bytes, found ${size} bytes`, { reason: "BAD_YAML", path });
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch (error) {
    if (error instanceof CmcrError) throw error;
    throw unreadable(path, error, `${article} ${what} file`);
  }
}

const REFUSALS: Readonly<Record<string, string>> = {
  EISDIR: "this is a folder. Name the .yaml file in it",
  EACCES: "it may not be read. Check its permissions",
  ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8 text",
};

const MISSING: Readonly<Record<string, string>> = {
  "an experiment file": "there is no such file. `cmcr init` writes one to start from",
  "a sweep file": "there is no such file. docs/sweeps.md has one to start from",
};

function unreadable(path: string, cause: unknown, wanted: string): CmcrError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const missing = code === "ENOENT" || code === "ENOTDIR";
  const why = (missing ? MISSING[wanted] : REFUSALS[code]) ?? `it cannot be read (${code === "" ? String(cause) : code})`;
  return usageError(`${path}: expected ${wanted}, but ${why}`, { reason: missing ? "EXPERIMENT_MISSING" : "EXPERIMENT_UNREADABLE", path, cause });
}

function isMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export type { FieldPath, Locate };
