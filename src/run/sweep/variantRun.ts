import { existsSync } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";

import type { Worker } from "../../bridge/worker.js";
import type { SweepVariant } from "../../config/sweepCompile.js";
import { CmcrError, dataError } from "../../errors.js";
import type { BootstrapFile } from "../../evaluate/bootstrapFile.js";
import type { MetricsFile } from "../../evaluate/metricsFile.js";
import { writeFileWhole } from "../../store/files.js";
import { resumeRun, startRun } from "../engine.js";
import type { Reporter } from "../events.js";
import { readOptionalRunFile, readRun, readRunFile, RUN_FILES, type RunState } from "../folder.js";
import type { VariantResult } from "./table.js";

/** Where and how a variant runs. */
export interface VariantRun {
  /** The folder of all runs. */
  readonly runs: string;
  readonly variant: SweepVariant;
  readonly worker: Worker;
  readonly signal: AbortSignal;
  readonly report: Reporter;
  /** The process that ran the sweep before, which is gone; null where there was none. */
  readonly pidBefore: number | null;
}

/** Where a variant's run stands; null where there is none that can be gone on with. */
export async function runState(path: string): Promise<RunState["status"] | null> {
  try {
    return (await readRun(path)).state.status;
  } catch (error) {
    if (error instanceof CmcrError && error.reason === "NOT_A_RUN") return null;
    throw error;
  }
}

/** Runs a variant to its end, going on with what there is of it. */
export async function runVariant({ runs, variant, worker, signal, report, pidBefore }: VariantRun): Promise<void> {
  const path = join(runs, variant.folder);
  const options = { signal, report, worker, fresh: false };
  const status = await runState(path);
  if (status === "complete") return;
  if (status === null) {
    if (existsSync(join(path, RUN_FILES.manifest))) {
      throw dataError(`${path} is damaged: it has a manifest, but not all that a run has. Remove it to run the variant again.`, { reason: "CORRUPT", path });
    }
    // Killed before it had begun: what there is of it says nothing.
    await rm(path, { recursive: true, force: true });
    await startRun(variant.experiment, { ...options, out: runs, name: variant.folder, source: variant.source });
    return;
  }
  await disown(path, pidBefore);
  await resumeRun(path, options);
}

/** A run of a process that is gone is nobody's, also where another process has its number now. */
async function disown(path: string, pidBefore: number | null): Promise<void> {
  const { state } = await readRun(path);
  if (state.status !== "running" || state.pid !== pidBefore) return;
  await writeFileWhole(join(path, RUN_FILES.state), `${JSON.stringify({ ...state, status: "interrupted" }, null, 2)}\n`);
}

/** What a variant's run measured; null where it is not complete. Exit 3 when its files are damaged. */
export async function variantResult(path: string): Promise<VariantResult | null> {
  if ((await stat(path).catch(() => null)) === null || (await runState(path)) !== "complete") return null;
  return { metrics: await readRunFile<MetricsFile>(path, "metrics"), bootstrap: await readOptionalRunFile<BootstrapFile>(path, "bootstrap") };
}
