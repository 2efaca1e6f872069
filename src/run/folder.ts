import { copyFile, mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

import type { CompiledExperiment } from "../config/compiled.js";
import { CmcrError, dataError, EXIT, systemCode, usageError } from "../errors.js";
import { syncFile, writeFileWhole } from "../store/files.js";
import { isAlive } from "../store/processes.js";

/** Where a run stands; `state.json` of its folder. Only a complete run has a manifest and metrics. */
export interface RunState {
  readonly status: "running" | "complete" | "failed" | "interrupted";
  readonly run: string;
  readonly pid: number;
  readonly startedAt: string;
  /** Why it failed, as the user saw it. */
  readonly error?: string;
}

const STATUSES: readonly RunState["status"][] = ["running", "complete", "failed", "interrupted"];

/** What only a sweep's folder has. */
export const SWEEP_FILE = "sweep.resolved.json";

/** Files of a run's folder. */
export const RUN_FILES = {
  experiment: "experiment.yaml",
  resolved: "experiment.resolved.json",
  state: "state.json",
  manifest: "manifest.json",
  metrics: "metrics.json",
  train: "train.jsonl",
  projectors: "projectors.safetensors",
  skipped: "skipped.jsonl",
  bootstrap: "bootstrap.json",
  confusion: "confusion.json",
} as const;

/** A file of a seed's training, relative to the run's folder: the first seed's lie beside the others, the further ones' each in a folder of the seed. */
export function seedFile(name: "projectors" | "train", { seed: first }: Pick<CompiledExperiment, "seed">, seed: number): string {
  return seed === first ? RUN_FILES[name] : `seeds/${seed}/${RUN_FILES[name]}`;
}

/** A run's folder, and the one run that writes into it. */
export class RunFolder {
  readonly #startedAt = new Date().toISOString();

  private constructor(
    readonly path: string,
    /** The run's name: that of its folder. */
    readonly name: string,
  ) {}

  /** Makes `out/NAME`, or `out/NAME-2` and so on where there is one already. */
  static async create(out: string, name: string, source: string, experiment: CompiledExperiment): Promise<RunFolder> {
    await makeFolder(resolve(out)).catch((cause: unknown) => {
      throw dataError(`the folder ${out} cannot be made (${systemCode(cause)}). Choose another with --out.`, { reason: "UNWRITABLE", path: out, cause });
    });
    for (let number = 1; ; number += 1) {
      const path = resolve(out, number === 1 ? name : `${name}-${number}`);
      try {
        await mkdir(path);
      } catch (cause) {
        if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") continue;
        throw dataError(`the folder ${path} cannot be made (${systemCode(cause)}). Choose another with --out.`, { reason: "UNWRITABLE", path, cause });
      }
      const folder = new RunFolder(path, basename(path));
      await folder.setState("running");
      await writeFileWhole(folder.file("experiment"), source);
      await writeFileWhole(folder.file("resolved"), `${JSON.stringify(experiment, null, 2)}\n`);
      return folder;
    }
  }

  /** Opens an unfinished run to go on with it. Exit 2 when it is finished, running, or no run. */
  static async resume(path: string): Promise<{ folder: RunFolder; experiment: CompiledExperiment }> {
    const { state, experiment } = await readRun(path);
    if (state.status === "complete") {
      throw usageError(`the run ${path} is complete: there is nothing to resume.`, { reason: "RUN_COMPLETE", path });
    }
    if (state.status === "running" && state.pid !== process.pid && isAlive(state.pid)) {
      throw usageError(`the run ${path} is being written by process ${state.pid}. Wait for it, or end it first.`, { reason: "RUN_IN_USE", path });
    }
    const folder = new RunFolder(resolve(path), basename(resolve(path)));
    await folder.setState("running");
    return { folder, experiment };
  }

  /** Absolute path of one of the run's files. */
  file(name: keyof typeof RUN_FILES): string {
    return join(this.path, RUN_FILES[name]);
  }

  /** Records where the run stands. */
  async setState(status: RunState["status"], error?: string): Promise<void> {
    const state: RunState = {
      status,
      run: this.name,
      pid: process.pid,
      startedAt: this.#startedAt,
      ...(error === undefined ? {} : { error }),
    };
    await writeFileWhole(join(this.path, RUN_FILES.state), `${JSON.stringify(state, null, 2)}\n`);
  }

  /** Copies a finished output in from the store, to a place relative to the folder. */
  async take(name: string, from: string): Promise<void> {
    const path = join(this.path, name);
    await mkdir(dirname(path), { recursive: true });
    const aside = `${path}.part`;
    await copyFile(from, aside);
    await syncFile(aside);
    await rename(aside, path);
  }

  /** Adds a line to the worker's log. */
  async log(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await writeFile(join(this.path, "worker.log"), `${lines.join("\n")}\n`, { flag: "a" });
  }
}

/** Makes a folder and those above it. Node's own way of doing so never ends where the system has no room for one, as in /proc. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
    if (code !== "ENOENT" || (await exists(dirname(path)))) throw error;
    await makeFolder(dirname(path));
    await mkdir(path);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** A folder of a sweep's runs that can be given as an example. */
async function firstRun(runs: string): Promise<string> {
  const names = await readdir(runs).catch(() => []);
  return names.filter((name) => !name.startsWith(".")).sort()[0] ?? "NAME";
}

/** State and compiled experiment of a run's folder. Exit 2 when the folder is no run, 3 when it is damaged. */
export async function readRun(path: string): Promise<{ state: RunState; experiment: CompiledExperiment }> {
  const read = async (name: keyof typeof RUN_FILES): Promise<unknown> => {
    const file = join(path, RUN_FILES[name]);
    let text: string;
    try {
      text = await readFile(file, "utf8");
    } catch (cause) {
      throw usageError(`${path} is not a run: it has no ${RUN_FILES[name]}. Give the folder that "cmcr run" printed last.`, {
        reason: "NOT_A_RUN",
        path,
        cause,
      });
    }
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw dataError(`${file} is damaged: it is not JSON.`, { reason: "CORRUPT", path: file, cause });
    }
  };
  if (await exists(join(path, SWEEP_FILE))) {
    const runs = join(path, "runs");
    throw usageError(`${path} is a sweep, not a run. Give one of its runs, such as ${join(runs, await firstRun(runs))}; the sweep goes on with: cmcr sweep --resume ${path}`, { reason: "NOT_A_RUN", path });
  }
  const state = await read("state");
  if (!isState(state)) throw dataError(`${join(path, RUN_FILES.state)} is damaged: it does not say how the run stands.`, { reason: "CORRUPT", path });
  const experiment = await read("resolved");
  if (typeof experiment !== "object" || experiment === null || !("evaluate" in experiment)) {
    throw dataError(`${join(path, RUN_FILES.resolved)} is damaged: it holds no experiment.`, { reason: "CORRUPT", path });
  }
  return { state, experiment: complete(experiment as CompiledExperiment) };
}

/** An experiment as it was compiled then, with what was added to the format since: one seed, and draws of the bootstrap by it. */
function complete(experiment: Partial<Pick<CompiledExperiment, "seeds">> & CompiledExperiment): CompiledExperiment {
  const { seed } = experiment;
  const evaluate = experiment.evaluate.map((task) => ({ ...task, bootstrap: { ...{ seed }, ...task.bootstrap } }));
  return { ...{ seeds: [seed] }, ...experiment, evaluate };
}

/** A JSON file of a complete run's folder. Exit 3 when it is missing or damaged. */
export async function readRunFile<T>(folder: string, name: "manifest" | "metrics"): Promise<T> {
  const content = await readOptionalRunFile<T>(folder, name);
  if (content === null) throw damagedFile(folder, name);
  return content;
}

/** A JSON file that a complete run's folder may have; null where it has none. Exit 3 when it is damaged. */
export async function readOptionalRunFile<T>(folder: string, name: "manifest" | "metrics" | "bootstrap" | "confusion"): Promise<T | null> {
  try {
    return JSON.parse(await readFile(join(folder, RUN_FILES[name]), "utf8")) as T;
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return null;
    throw damagedFile(folder, name, cause);
  }
}

function damagedFile(folder: string, name: keyof typeof RUN_FILES, cause?: unknown): CmcrError {
  const path = join(folder, RUN_FILES[name]);
  return dataError(`${path} is missing or damaged. Run the experiment again.`, { reason: "CORRUPT", path, cause });
}

/** State and compiled experiment of a run that must be complete. Exit 2 when it is not. */
export async function readCompleteRun(path: string): Promise<{ state: RunState; experiment: CompiledExperiment }> {
  const run = await readRun(path);
  if (run.state.status !== "complete") {
    throw new CmcrError(`the run ${path} is not complete (${run.state.status}). Finish it: cmcr run --resume ${path}`, {
      code: EXIT.usage,
      reason: "RUN_INCOMPLETE",
      path,
    });
  }
  return run;
}

function isState(value: unknown): value is RunState {
  return typeof value === "object" && value !== null && "status" in value && "pid" in value && STATUSES.some((status) => status === value.status);
}
