import { rename } from "node:fs/promises";
import { basename, resolve } from "node:path";

import type { ImportedProjectors } from "../bridge/types.js";
import type { Worker } from "../bridge/worker.js";
import { checkFiles } from "../config/files.js";
import { importPresets } from "../config/importPresets.js";
import { nearestHint } from "../config/nearest.js";
import { usageError } from "../errors.js";
import { metricsFile } from "../evaluate/metricsFile.js";
import { fileSha256 } from "../store/checksums.js";
import { writeFileWhole } from "../store/files.js";
import { PendingFolder } from "../store/pendingFolder.js";
import { RUN_FILES, type RunState } from "./folder.js";
import { type EncoderSettings, importedExperiment } from "./importedExperiment.js";
import { type ImportedFile, importedFiles, importProjectors } from "./importedProjectors.js";
import { type ImportRecord, programVersion, type RunManifest } from "./manifest.js";
import { refuseExisting } from "./newFile.js";
import { openWorker } from "./workers.js";

/** The arguments of `cmcr import-projectors`, as typed. */
export interface ImportRequest extends EncoderSettings {
  readonly file: string;
  readonly preset: string;
  readonly out: string;
}

/** A run that was made of projectors from elsewhere. */
export interface ImportedRun {
  readonly folder: string;
  readonly imported: ImportRecord;
}

/**
 * Makes a run of projectors that others trained; its folder appears whole or not at
 * all. Exit 2 for another preset's file, 3 for one that is missing or wrong.
 */
export async function importRun(request: ImportRequest, signal: AbortSignal): Promise<ImportedRun> {
  const began = new Date();
  const { preset } = request;
  if (!importPresets.names.includes(preset)) {
    throw usageError(`--preset: expected one of ${importPresets.names.join(", ")}; found "${preset}". ${nearestHint(preset, importPresets.names).hint ?? ""}`.trimEnd(), {
      reason: "UNKNOWN_NAME",
      path: "--preset",
    });
  }
  const folder = resolve(request.out);
  const name = basename(folder);
  await refuseExisting("out", folder);
  const file = resolve(request.file);
  const files = await importedFiles({ file, preset }, signal);
  const { text, parsed } = await importedExperiment(request, { preset, file, files, folder, name });
  const { experiment, locate } = parsed;
  const { connect } = experiment;
  if (connect.method !== "imported") throw new Error("the file of an import imports nothing");
  await checkFiles(experiment, locate, { open: true });

  const pending = await PendingFolder.beside(folder);
  let worker: Worker | undefined;
  try {
    worker = await openWorker({ settings: experiment.worker, roots: [], signal });
    const projectors = await importProjectors(worker, connect, files);
    const imported = importRecord(preset, files, projectors);
    await writeFileWhole(pending.file(RUN_FILES.experiment), text);
    await writeJson(pending, "resolved", experiment);
    await writeFileWhole(pending.file(RUN_FILES.projectors), projectors.data);
    await writeJson(pending, "metrics", metricsFile(name, [experiment.seed], []));
    const names = ["experiment", "resolved", "metrics", "projectors"] as const;
    const finished = new Date();
    const manifest: RunManifest = {
      schemaVersion: 1,
      run: name,
      status: "complete",
      cmcr: await programVersion(),
      worker: worker.info,
      seed: experiment.seed,
      seeds: experiment.seeds,
      startedAt: began.toISOString(),
      finishedAt: finished.toISOString(),
      stages: [{ stage: "connect", seconds: (finished.getTime() - began.getTime()) / 1000, made: 1, fromStore: 0 }],
      outputs: [],
      imported,
      files: Object.fromEntries(await Promise.all(names.map(async (key) => [RUN_FILES[key], await fileSha256(pending.file(RUN_FILES[key]))] as const))),
    };
    await writeJson(pending, "manifest", manifest);
    const state: RunState = { status: "complete", run: name, pid: process.pid, startedAt: began.toISOString() };
    await writeJson(pending, "state", state);
    signal.throwIfAborted();
    await rename(pending.path, folder);
    return { folder, imported };
  } catch (error) {
    await pending.discard();
    throw error;
  } finally {
    await worker?.close();
  }
}

function importRecord(preset: string, files: readonly ImportedFile[], { sides, tensors }: ImportedProjectors): ImportRecord {
  return {
    preset,
    files: files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
    tensors,
    sides: sides.map(({ space, source, head }) => ({ space, source, inputDim: head.inputDim, outputDim: head.outputDim })),
  };
}

async function writeJson(pending: PendingFolder, name: keyof typeof RUN_FILES, value: unknown): Promise<void> {
  await writeFileWhole(pending.file(RUN_FILES[name]), `${JSON.stringify(value, null, 2)}\n`);
}
