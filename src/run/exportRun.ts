import { createHash } from "node:crypto";
import { mkdir, rename } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";

import type { Worker } from "../bridge/worker.js";
import { type CompiledExperiment, hasEncoder } from "../config/compiled.js";
import { importPresets } from "../config/importPresets.js";
import { nearestHint } from "../config/nearest.js";
import { usageError } from "../errors.js";
import { writeFileWhole } from "../store/files.js";
import { PendingFolder } from "../store/pendingFolder.js";
import { badArgument } from "./arguments.js";
import { RUN_FILES } from "./folder.js";
import { refuseExisting } from "./newFile.js";
import { type FinishedRun, readFinishedRun } from "./projectorsFile.js";
import { openWorker } from "./workers.js";

/** The arguments of `cmcr export`, as typed. */
export interface ExportRequest {
  readonly run: string;
  readonly format: string;
  readonly out: string;
  /** The space whose head is CLIP's in the authors' layout; told by the memories unless given. */
  readonly base?: string | undefined;
  /** Whose projectors, of a run with several; the first unless given. */
  readonly seed?: string | undefined;
}

/** What was written. */
export interface Exported {
  readonly folder: string;
  readonly format: string;
  /** File name to SHA-256. */
  readonly files: Readonly<Record<string, string>>;
}

/** The file that says what is in the others. */
const DESCRIPTION = "projectors.json";

const USE =
  "Normalise a row to length 1, apply the head of its space in evaluation mode (batch norm by its running statistics), normalise again. Compare rows of any two spaces by their dot product.";

interface Content {
  readonly files: readonly { readonly name: string; readonly data: Buffer }[];
  /** What a file calls each space's head. */
  readonly prefixes: Readonly<Record<string, string>>;
}

type Exporter = (run: FinishedRun, request: ExportRequest, signal: AbortSignal) => Promise<Content>;

/** What writes each format. */
const FORMATS: Readonly<Record<string, Exporter>> = {
  safetensors: ({ projectors, heads }) =>
    Promise.resolve({
      files: [{ name: RUN_FILES.projectors, data: projectors }],
      prefixes: Object.fromEntries(heads.map(({ space }) => [space, `${space}.`])),
    }),
  torch: exportTorch,
};

/** Formats that have a name and nothing behind it yet. */
const NOT_YET = ["onnx", "huggingface"];

/** Writes a run's projectors for elsewhere: a folder that appears whole or not at all. Exit 2 where the format does not fit the run. */
export async function exportRun(request: ExportRequest, signal: AbortSignal): Promise<Exported> {
  const { format } = request;
  const exporter = FORMATS[format];
  if (exporter === undefined) throw unknownFormat(format);
  const folder = resolve(request.out);
  await refuseExisting("out", folder);
  const run = await readFinishedRun(resolve(request.run), request.seed, signal);
  const { files, prefixes } = await exporter(run, request, signal);
  const description = `${JSON.stringify(describe(run, format, prefixes), null, 2)}\n`;
  const pending = await PendingFolder.beside(folder);
  try {
    const sums: Record<string, string> = {};
    for (const { name, data } of [...files, { name: DESCRIPTION, data: Buffer.from(description) }]) {
      const path = pending.file(name);
      await mkdir(dirname(path), { recursive: true });
      await writeFileWhole(path, data);
      sums[name] = bytesSha256(data);
    }
    signal.throwIfAborted();
    await rename(pending.path, folder);
    return { folder, format, files: sums };
  } catch (error) {
    await pending.discard();
    throw error;
  }
}

/** The authors' own files: names, order and types as theirs. Refused where they have no place for the run's heads. */
async function exportTorch({ experiment, projectors, heads }: FinishedRun, { base: given }: ExportRequest, signal: AbortSignal): Promise<Content> {
  const preset = presetOf(experiment);
  const spaces = heads.map(({ space }) => space);
  const base = given ?? baseOf(experiment);
  if (base === null || !spaces.includes(base)) {
    const why = base === null ? "name the space whose head is CLIP's, as no memory of images tells which it is" : `the run has no space "${base}"`;
    throw badArgument("base", `${why}: ${spaces.join(" or ")}`);
  }
  const joined = spaces.find((space) => space !== base) ?? "";
  const { layout, files } = importPresets.get(preset);
  let worker: Worker | undefined;
  try {
    worker = await openWorker({ settings: experiment.worker, roots: [], signal });
    const exported = await worker.connectors.exportProjectors({ layout, spaces: [base, joined], data: projectors });
    // One member of an ensemble is a file of its own name.
    const names = exported.length === 1 ? files.slice(0, 1).map((name) => basename(name)) : files;
    return {
      files: exported.map(({ data }, index) => ({ name: names[index] ?? `${index}.pt`, data })),
      prefixes: Object.fromEntries((exported[0]?.sides ?? []).map(({ space, source }) => [space, source])),
    };
  } finally {
    await worker?.close();
  }
}

/** The layout that a run's heads belong to. Exit 2 for explicit layers, which no layout has. */
function presetOf({ connect }: CompiledExperiment): string {
  if (connect.method === "imported") return connect.preset;
  const { preset } = connect.projector;
  if (preset !== "layers") return preset;
  throw usageError("--format torch: the run's heads are layers of your own, for which the authors' layout has no place. Use --format safetensors.", {
    reason: "IMPOSSIBLE_VALUE",
    path: "--format",
  });
}

/** The side that is CLIP's: the one whose memory holds images; null where that is not one of them. */
function baseOf({ connect, data }: CompiledExperiment): string | null {
  if (connect.method === "imported") return connect.sides[0].space;
  const [first, ...others] = connect.sides.filter(({ memory }) => data[memory]?.modality === "image");
  return first === undefined || others.length > 0 ? null : first.space;
}

function describe({ experiment, manifest, heads }: FinishedRun, format: string, prefixes: Readonly<Record<string, string>>) {
  return {
    format: "cmcr-export",
    formatVersion: 1,
    exportedAs: format,
    run: manifest.run,
    cmcr: manifest.cmcr.version,
    use: USE,
    jointDimension: heads[0]?.outputDim ?? 0,
    spaces: heads.map((head) => {
      const space = experiment.spaces[head.space];
      const encoder = space !== undefined && hasEncoder(space) ? { provider: space.provider, model: space.model } : { provider: "precomputed" };
      return { ...head, encoder, tensors: prefixes[head.space] ?? "" };
    }),
  };
}

function unknownFormat(format: string): Error {
  const known = Object.keys(FORMATS);
  const why = NOT_YET.includes(format)
    ? `${format} cannot be written yet. Formats that can: ${known.join(", ")}.`
    : `expected one of ${[...known, ...NOT_YET].join(", ")}; found "${format}". ${nearestHint(format, known).hint ?? ""}`.trimEnd();
  return usageError(`--format: ${why}`, { reason: NOT_YET.includes(format) ? "NOT_AVAILABLE" : "UNKNOWN_NAME", path: "--format" });
}

function bytesSha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
