import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { CompiledExperiment } from "../config/compiled.js";
import { dataError } from "../errors.js";
import { fileSha256 } from "../store/checksums.js";
import { readCompleteRun, readRunFile, RUN_FILES } from "./folder.js";
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

/** Reads a complete run. Exit 2 when it is none, 3 when its projectors are not those that it was finished with. */
export async function readFinishedRun(folder: string, signal: AbortSignal): Promise<FinishedRun> {
  const { experiment } = await readCompleteRun(folder);
  const manifest = await readRunFile<RunManifest>(folder, "manifest");
  const path = join(folder, RUN_FILES.projectors);
  if ((await fileSha256(path, signal)) !== manifest.files[RUN_FILES.projectors]) {
    throw dataError(`${path} does not match the manifest; it was changed or damaged. Run the experiment again.`, { reason: "CORRUPT", path });
  }
  const projectors = await readFile(path);
  return { experiment, manifest, projectors, heads: headsOf(projectors) };
}

/** The architectures in the bytes of a projectors.safetensors that a worker wrote. */
export function headsOf(projectors: Buffer): readonly HeadDescription[] {
  const length = Number(projectors.readBigUInt64LE());
  const { __metadata__: metadata } = JSON.parse(projectors.toString("utf8", 8, 8 + length)) as { readonly __metadata__: { readonly cmcr: string } };
  return (JSON.parse(metadata.cmcr) as { readonly sides: readonly HeadDescription[] }).sides;
}
