import { stat } from "node:fs/promises";
import { basename, join } from "node:path";

import type { ImportedProjectors } from "../bridge/types.js";
import type { Worker } from "../bridge/worker.js";
import type { CompiledImport } from "../config/compiled.js";
import { importPresets } from "../config/importPresets.js";
import { dataError, systemCode } from "../errors.js";
import { fileSha256 } from "../store/checksums.js";

/** One of the files that a checkpoint consists of. */
export interface ImportedFile {
  /** What messages call it. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Larger files are no projectors: the largest published ones have 20 MB. */
const LARGEST_BYTES = 1024 ** 3;

/** The files of a checkpoint with their checksums. Exit 3 when one is missing, no file, or too large. */
export async function importedFiles({ file, preset }: Pick<CompiledImport, "file" | "preset">, signal: AbortSignal): Promise<readonly ImportedFile[]> {
  const { files } = importPresets.get(preset);
  const status = await statusOf(file);
  if (!status.isDirectory()) return [await inspect(file, basename(file), signal)];
  if (files.length === 1) throw dataError(`${file} is a folder; expected the checkpoint itself, such as ${files[0] ?? ""} in it.`, { reason: "DATA_UNREADABLE", path: file });
  return Promise.all(files.map((name) => inspect(join(file, name), name, signal)));
}

async function inspect(path: string, name: string, signal: AbortSignal): Promise<ImportedFile> {
  const status = await statusOf(path);
  if (!status.isFile()) throw dataError(`${path} is no file; expected a checkpoint of projectors.`, { reason: "DATA_UNREADABLE", path });
  if (status.size > LARGEST_BYTES) {
    throw dataError(`${path} has ${status.size} bytes; projectors have a few million. Is it the checkpoint of an encoder?`, { reason: "DATA_UNREADABLE", path });
  }
  return { name, path, bytes: status.size, sha256: await fileSha256(path, signal) };
}

async function statusOf(path: string) {
  return stat(path).catch((cause: unknown) => {
    const code = systemCode(cause);
    const missing = code === "ENOENT" || code === "ENOTDIR";
    throw dataError(missing ? `${path} is not there.` : `${path} cannot be read (${code}).`, { reason: missing ? "DATA_MISSING" : "DATA_UNREADABLE", path, cause });
  });
}

/** Reads the files into a run's projectors; the worker checks every name and shape. Exit 2 for another preset's file, 3 for a wrong one. */
export function importProjectors(worker: Worker, connect: Pick<CompiledImport, "preset" | "sides">, files: readonly ImportedFile[]): Promise<ImportedProjectors> {
  const [base, joined] = connect.sides;
  return worker.connectors.importProjectors({ layout: importPresets.get(connect.preset).layout, spaces: [base.space, joined.space], files });
}
