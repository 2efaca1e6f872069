import { dirname } from "node:path";

import { type CompiledExperiment, type CompiledWorker, encoderPaths, hasEncoder } from "../config/compiled.js";
import { sourceRoots } from "../config/sourceInputs.js";
import { Worker } from "../bridge/worker.js";
import { CmcrError, EXIT } from "../errors.js";
import { workerEnvironment } from "../setup/index.js";

export interface StartOptions {
  readonly settings: CompiledWorker;
  /** Folders below which the worker may read and write. */
  readonly roots: readonly string[];
  readonly signal: AbortSignal;
  readonly onLine?: (line: string) => void;
}

/** Starts a worker of our own, or connects to the one at the address given. Exit 4 when there is none. */
export async function openWorker({ settings, roots, signal, onLine }: StartOptions): Promise<Worker> {
  if (settings.address !== null) return Worker.connect(settings.address, signal);
  const environment = await workerEnvironment();
  if (environment.state === "missing") {
    throw new CmcrError(`${environment.problems.join(" ")} Run: cmcr worker install`, { code: EXIT.worker, reason: "WORKER_NOT_INSTALLED" });
  }
  return Worker.start({
    python: environment.python,
    packageFolder: environment.root,
    device: settings.device,
    threads: settings.threads,
    decoders: settings.decoders,
    roots: [...new Set(roots)],
    signal,
    ...(onLine === undefined ? {} : { onLine }),
  });
}

/** The folders of all files that an experiment names: what its worker must be able to read. */
export function experimentRoots({ data, spaces }: CompiledExperiment): readonly string[] {
  const roots: string[] = [];
  for (const { embeddings, source } of Object.values(data)) {
    roots.push(...Object.values(embeddings).map((path) => dirname(path)));
    if (source !== null) roots.push(...sourceRoots(source));
  }
  for (const space of Object.values(spaces)) {
    if (hasEncoder(space)) roots.push(...encoderPaths(space).map(({ path }) => dirname(path)));
  }
  return roots;
}
