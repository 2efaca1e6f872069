import { access, constants, stat } from "node:fs/promises";
import { extname } from "node:path";

import { readBoxes } from "../data/boxes.js";
import { readClipRetrieval } from "../data/clipRetrieval/read.js";
import { readNpyHeader } from "../data/npy.js";
import { findNonFinite, readNpyBlocks } from "../data/npyContents.js";
import { promptTexts } from "../data/sources/prompts.js";
import { CmcrError, EXIT } from "../errors.js";
import type { CompiledExperiment } from "./compiled.js";
import { checkFit, type ArrayHeader, type DataFacts, type FileFault, type OpenedFile } from "./fit.js";
import { pathText, type Locate } from "./mistake.js";
import { namedFiles, type NamedFile } from "./namedFiles.js";
import type { NamedFolders } from "./namedFolders.js";
import { readSafetensorsHeader } from "./safetensorsHeader.js";

/** What is opened. */
export interface CheckOptions {
  readonly open: boolean;
  /** Files that are not needed, and may be gone. */
  readonly except?: readonly NamedFile["use"]["kind"][];
  /** The folders that the experiment names: where what is missing lies below one, the error says how to move it. */
  readonly folders?: NamedFolders;
  /** What was found in files that were opened before, kept here by those who check many experiments on the same ones. */
  readonly opened?: Map<string, Promise<OpenedFile | FileFault>>;
}

/**
 * Opens every file that the experiment names, reads the headers of arrays, and
 * holds them against each other. With `open` false nothing is opened, and the
 * facts are those that the experiment itself tells.
 * @throws CmcrError (exit 3) that lists every file at fault, with the field and
 * line that name it; exit 2 when the files are right and a setting does not suit them.
 */
export async function checkFiles(experiment: CompiledExperiment, locate: Locate, { open, except = [], folders, opened: known = new Map() }: CheckOptions): Promise<DataFacts> {
  const inspected = await Promise.all((open ? namedFiles(experiment) : []).filter(({ use }) => !except.includes(use.kind)).map((file) => inspectOnce(file, known)));
  const opened: OpenedFile[] = [];
  const faults: FileFault[] = [];
  for (const result of inspected) {
    if ("reason" in result) faults.push(result);
    else opened.push(result);
  }
  const facts = checkFit(experiment, opened, (fault) => faults.push(fault));
  if (faults.length > 0) throw faultsError(faults, locate, await remedies(faults, folders));
  return facts;
}

/** A line for each named folder below which something is missing. */
async function remedies(faults: readonly FileFault[], folders: NamedFolders | undefined): Promise<readonly string[]> {
  const missing = faults.flatMap(({ missing }) => missing ?? []);
  if (folders === undefined || missing.length === 0) return [];
  // Whoever has all files needs none of this.
  const { sets } = await import("../data/sets/registry.js");
  return folders.remedies(missing, sets.names);
}

function faultsError(faults: readonly FileFault[], locate: Locate, remedies: readonly string[]): CmcrError {
  const located = faults
    .map((fault) => ({ fault, place: locate(fault.field, "value") }))
    .sort((left, right) => left.place.offset - right.place.offset);
  const lines = located.map(({ fault, place }) => `${place.text} ${pathText(fault.field)}: ${fault.message}`);
  const first = located[0]?.fault;
  return new CmcrError(lines[0] ?? "", {
    code: faults.every(({ inFile }) => !inFile) ? EXIT.usage : EXIT.data,
    reason: first?.reason ?? "DATA_MISSING",
    path: first === undefined ? "" : pathText(first.field),
    details: [...lines, ...remedies],
  });
}

/** Files up to this size have their values looked at too; larger ones when they are imported. */
const SCANNED_BYTES = 32 * 1024 * 1024;

/** The first value of an (n, d) file that is not finite, or the first row of zeros. */
async function valueFault(file: NamedFile, header: ArrayHeader | null): Promise<FileFault | null> {
  // What is no matrix of floats is told by its header.
  if (header === null || header.shape.length !== 2 || (header.dtype !== "float16" && header.dtype !== "float32")) return null;
  const [, columns = 0] = header.shape;
  let firstRow = 0;
  for await (const { shape, data } of readNpyBlocks(file.path, 2)) {
    const rows = shape[0] ?? 0;
    for (let row = 0; row < rows; row += 1) {
      let sum = 0;
      for (let i = row * columns; i < (row + 1) * columns; i += 1) sum += Math.abs(Number(data[i]));
      // A sum is finite and positive if and only if each value is finite and one is not zero.
      if (sum > 0 && sum < Infinity) continue;
      const place = findNonFinite(Array.from(data.slice(row * columns, (row + 1) * columns), Number), columns);
      const name = Number.isNaN(Number(data[row * columns + (place?.column ?? 0)])) ? "NaN" : "infinite";
      const what = place === null ? `row ${firstRow + row} is all zeros: it has no direction` : `row ${firstRow + row}, column ${place.column} is ${name}`;
      return {
        field: file.field,
        reason: "DATA_CORRUPT",
        message: `${file.path}: ${what}. Remove that item or embed it again (rows and columns are counted from 0)`,
        inFile: true,
      };
    }
    firstRow += rows;
  }
  return null;
}

/** How the header of an array is read, by the file's ending. */
const HEADER_READERS: Readonly<Record<string, (path: string) => Promise<ArrayHeader>>> = {
  ".npy": readNpyHeader,
  ".safetensors": readSafetensorsHeader,
};

/** What must lie at a path, where it is not a file alone. */
const EXPECTED: Readonly<Partial<Record<NamedFile["use"]["kind"], string>>> = { checkpoint: "file or folder", projectors: "file or folder" };

/** How many lists of boxes a file holds, as an array's shape. */
async function boxesHeader(path: string): Promise<ArrayHeader> {
  return { dtype: "boxes", shape: [(await readBoxes(path)).length] };
}

async function inspectOnce(file: NamedFile, known: NonNullable<CheckOptions["opened"]>): Promise<OpenedFile | FileFault> {
  const key = JSON.stringify([file.path, file.use]);
  const inspected = known.get(key) ?? inspect(file);
  known.set(key, inspected);
  // The same file for the same use, perhaps named by another field.
  return { ...(await inspected), field: file.field };
}

async function inspect(file: NamedFile): Promise<OpenedFile | FileFault> {
  const wanted = file.use.kind === "source" ? file.use.expected : (EXPECTED[file.use.kind] ?? "file");
  const fault = (reason: string, message: string): FileFault => ({ field: file.field, reason, message, inFile: true });
  try {
    const entry = await stat(file.path);
    if (file.use.kind === "embeddings" && entry.isDirectory() && HEADER_READERS[extname(file.path)] === undefined) {
      return { ...file, header: await readClipRetrieval(file.path, file.use.modality) };
    }
    if (!(wanted.includes("folder") && entry.isDirectory()) && !(wanted.includes("file") && entry.isFile())) {
      return fault("DATA_UNREADABLE", `expected a ${wanted}, found something else at ${file.path}`);
    }
    await access(file.path, constants.R_OK);
    const isArray = file.use.kind === "embeddings" || file.use.kind === "labels";
    const readHeader = isArray ? HEADER_READERS[extname(file.path)] : undefined;
    const header = readHeader === undefined ? null : await readHeader(file.path);
    if (file.use.kind === "embeddings" && extname(file.path) === ".npy" && entry.size <= SCANNED_BYTES) {
      const fault = await valueFault(file, header);
      if (fault !== null) return fault;
    }
    if (file.use.kind === "boxes" || file.use.kind === "regions") return { ...file, header: await boxesHeader(file.path) };
    if (file.use.kind === "source" && file.use.texts !== undefined) await promptTexts({ kind: "file", path: file.path, key: file.use.texts.key }, file.use.texts.are);
    return { ...file, header };
  } catch (error) {
    if (error instanceof CmcrError) return fault(error.reason, error.message);
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    if (code === "ENOENT" || code === "ENOTDIR") return { ...fault("DATA_MISSING", `expected a readable ${wanted}, found none at ${file.path}`), missing: file.path };
    return fault("DATA_UNREADABLE", `expected a readable ${wanted}, found one that cannot be read (${code}) at ${file.path}`);
  }
}
