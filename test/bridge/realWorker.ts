import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { onTestFinished } from "vitest";

import type { WorkerProcessOptions } from "../../src/bridge/process.js";
import { Worker } from "../../src/bridge/worker.js";
import { workerEnvironment } from "../../src/setup/index.js";
import { temporaryFolder } from "../helpers/temporaryFolder.js";

/** How the worker of this checkout is started. Throws where its Python environment is missing: these tests mean nothing without. */
export async function workerOptions(changes: Partial<WorkerProcessOptions> = {}): Promise<WorkerProcessOptions> {
  const { state, python, root, problems } = await workerEnvironment();
  if (state === "missing") throw new Error(`the tests of the bridge need the worker's environment. ${problems.join(" ")} Run: npx cmcr worker install`);
  return { python, packageFolder: root, device: "cpu", threads: 1, roots: [], ...changes };
}

/** A worker of this checkout, closed when the test has finished. */
export async function startedWorker(changes: Partial<WorkerProcessOptions> & { readonly signal?: AbortSignal } = {}): Promise<Worker> {
  const worker = await Worker.start(await workerOptions(changes));
  onTestFinished(() => worker.close());
  return worker;
}

/** The worker's process number. */
export function pidOf(worker: Worker): number {
  const pid = worker.process?.pid;
  if (pid === undefined) throw new Error("the worker has no process");
  return pid;
}

/** A temporary folder of the test's own in the place of the system's; what is in it afterwards was left behind. */
export function ownTemporaryFolder(): { readonly path: string; leftBehind(): readonly string[] } {
  const before = process.env.TMPDIR;
  const path = join(temporaryFolder(), "t");
  mkdirSync(path);
  process.env.TMPDIR = path;
  onTestFinished(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  return { path, leftBehind: () => readdirSync(path) };
}
