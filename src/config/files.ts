import { access, constants, stat } from "node:fs/promises";
import { extname } from "node:path";

import { readNpyHeader } from "../data/npy.js";
import { CmcrError, EXIT } from "../errors.js";
import type { CompiledExperiment } from "./compiled.js";
import { checkFit, type ArrayHeader, type DataFacts, type FileFault, type OpenedFile } from "./fit.js";
import { pathText, type Locate } from "./mistake.js";
import { namedFiles, type NamedFile } from "./namedFiles.js";
import { readSafetensorsHeader } from "./safetensorsHeader.js";

/**
 * Opens every file that the experiment names, reads the headers of arrays, and
 * holds them against each other. With `open` false nothing is opened, and the
 * facts are those that the experiment itself tells.
 * @throws CmcrError (exit 3) that lists every file at fault, with the field and
 * line that name it; exit 2 when the files are right and a setting does not suit them.
 */
export async function checkFiles(experiment: CompiledExperiment, locate: Locate, { open }: { readonly open: boolean }): Promise<DataFacts> {
  const inspected = await Promise.all((open ? namedFiles(experiment) : []).map(inspect));
  const opened: OpenedFile[] = [];
  const faults: FileFault[] = [];
  for (const result of inspected) {
    if ("reason" in result) faults.push(result);
    else opened.push(result);
  }
  const facts = checkFit(experiment, opened, (fault) => faults.push(fault));
  if (faults.length > 0) throw faultsError(faults, locate);
  return facts;
}

function faultsError(faults: readonly FileFault[], locate: Locate): CmcrError {
  const located = faults
    .map((fault) => ({ fault, place: locate(fault.field, "value") }))
    .sort((left, right) => left.place.offset - right.place.offset);
  const lines = located.map(({ fault, place }) => `${place.text} ${pathText(fault.field)}: ${fault.message}`);
  const first = located[0]?.fault;
  return new CmcrError(lines[0] ?? "", {
    code: faults.every(({ inFile }) => !inFile) ? EXIT.usage : EXIT.data,
    reason: first?.reason ?? "DATA_MISSING",
    path: first === undefined ? "" : pathText(first.field),
    details: lines,
  });
}

/** How the header of an array is read, by the file's ending. */
const HEADER_READERS: Readonly<Record<string, (path: string) => Promise<ArrayHeader>>> = {
  ".npy": readNpyHeader,
  ".safetensors": readSafetensorsHeader,
};

async function inspect(file: NamedFile): Promise<OpenedFile | FileFault> {
  const wanted = file.use.kind === "folder" ? "folder" : "file";
  const fault = (reason: string, message: string): FileFault => ({ field: file.field, reason, message, inFile: true });
  try {
    const entry = await stat(file.path);
    if (wanted === "folder" ? !entry.isDirectory() : !entry.isFile()) {
      return fault("DATA_UNREADABLE", `expected a ${wanted}, found something else at ${file.path}`);
    }
    await access(file.path, constants.R_OK);
    const isArray = file.use.kind === "embeddings" || file.use.kind === "labels";
    const readHeader = isArray ? HEADER_READERS[extname(file.path)] : undefined;
    return { ...file, header: readHeader === undefined ? null : await readHeader(file.path) };
  } catch (error) {
    if (error instanceof CmcrError) return fault(error.reason, error.message);
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    if (code === "ENOENT" || code === "ENOTDIR") return fault("DATA_MISSING", `expected a readable ${wanted}, found none at ${file.path}`);
    return fault("DATA_UNREADABLE", `expected a readable ${wanted}, found one that cannot be read (${code}) at ${file.path}`);
  }
}
