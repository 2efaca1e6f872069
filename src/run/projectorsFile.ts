import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { CompiledExperiment } from "../config/compiled.js";
import { dataError } from "../errors.js";
import { fileSha256 } from "../store/checksums.js";
import { badArgument } from "./arguments.js";
import { readCompleteRun, readRunFile, seedFile } from "./folder.js";
import type { RunManifest } from "./manifest.js";

/** A head's architecture, as the metadata of projectors.safetensors have it. */
export interface HeadDescription {
  readonly space: string;
  /** `audio-visual`, `three-d`, `layers`, or of imported ones `identity`, `ex-mcr`, `freebind`. */
  readonly preset: string;
  readonly inputDim: number;
  readonly outputDim: number;
  readonly layers: readonly { readonly kind: string; readonly outputs?: number }[];
  /** Of `freebind`: projectors whose mean the head is. */
  readonly members?: number;
}

/** A complete run with its projectors, whose bytes are those that the manifest has. */
export interface FinishedRun {
  readonly experiment: CompiledExperiment;
  readonly manifest: RunManifest;
  /** The bytes of projectors.safetensors. */
  readonly projectors: Buffer;
  readonly heads: readonly HeadDescription[];
}

/** Where a seed's projectors are. */
export interface ProjectorsPath {
  readonly seed: number;
  readonly path: string;
  readonly sha256: string;
}

/**
 * The projectors of a complete run, of its first seed unless another is named. Exit 2 for
 * a seed that it was not trained with, 3 when they are not those that it was finished with.
 */
export async function projectorsOf(
  folder: string,
  experiment: CompiledExperiment,
  manifest: Pick<RunManifest, "files">,
  given: string | undefined,
  signal: AbortSignal,
): Promise<ProjectorsPath> {
  const { seeds } = experiment;
  const seed = given === undefined ? experiment.seed : seeds.find((known) => String(known) === given.trim());
  if (seed === undefined) throw badArgument("seed", `the run was trained with ${seeds.length === 1 ? "the seed" : "the seeds"} ${seeds.join(", ")}; found "${given ?? ""}"`);
  const name = seedFile("projectors", experiment, seed);
  const path = join(folder, name);
  const sha256 = await fileSha256(path, signal);
  if (sha256 !== manifest.files[name]) {
    throw dataError(`${path} does not match the manifest; it was changed or damaged. Run the experiment again.`, { reason: "CORRUPT", path });
  }
  return { seed, path, sha256 };
}

/** Reads a complete run with the projectors of its first seed, unless another is named. Exit codes as for `projectorsOf`, and 2 when it is no complete run. */
export async function readFinishedRun(folder: string, seed: string | undefined, signal: AbortSignal): Promise<FinishedRun> {
  const { experiment } = await readCompleteRun(folder);
  const manifest = await readRunFile<RunManifest>(folder, "manifest");
  const { path } = await projectorsOf(folder, experiment, manifest, seed, signal);
  const projectors = await readFile(path);
  return { experiment, manifest, projectors, heads: headsOf(projectors) };
}

/** The architectures in the bytes of a projectors.safetensors that a worker wrote. */
export function headsOf(projectors: Buffer): readonly HeadDescription[] {
  const length = Number(projectors.readBigUInt64LE());
  const { __metadata__: metadata } = JSON.parse(projectors.toString("utf8", 8, 8 + length)) as { readonly __metadata__: { readonly cmcr: string } };
  return (JSON.parse(metadata.cmcr) as { readonly sides: readonly HeadDescription[] }).sides;
}
