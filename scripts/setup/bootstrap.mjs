// @ts-check
/**
 * All that a checkout needs before a command can run: npm packages, stubs,
 * build, and the worker's Python environment. Does only what is not done yet.
 */
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildReady, compile, generateStubs, stubsReady } from "./build.mjs";
import { withLock } from "./lock.mjs";
import { installPackages, packagesReady } from "./packages.mjs";
import { INTERRUPTED, endChildrenOnInterrupt } from "./process.mjs";
import { createProgress } from "./progress.mjs";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

const compiled = (root, file) => import(pathToFileURL(join(root, "dist", "setup", file)).href);

/**
 * The steps in their order. `ready` must be quick: it is asked at every start.
 * A step is only asked when those before it are ready.
 */
export const STEPS = [
  {
    name: "packages",
    title: "Installing npm packages from package-lock.json",
    ready: ({ root }) => packagesReady(root),
    run: ({ root, log }) => installPackages(root, log),
  },
  {
    name: "stubs",
    title: "Generating the protocol's TypeScript stubs",
    ready: ({ root }) => stubsReady(root),
    run: ({ root, log }) => generateStubs(root, log),
  },
  {
    name: "build",
    title: "Compiling TypeScript",
    ready: ({ root }) => buildReady(root),
    run: ({ root, log }) => compile(root, log),
  },
  {
    name: "worker",
    title: "Installing the worker's Python environment",
    ready: async ({ root, dev }) => {
      const { workerEnvironment } = await compiled(root, "environment.js");
      return (await workerEnvironment({ dev })).state === "ready";
    },
    run: async ({ root, dev, signal }, onLine) => {
      const { describeVersions, installWorker } = await compiled(root, "install.js");
      const versions = await installWorker({ torch: "auto", dev, onLine, signal });
      if (versions !== undefined) onLine(describeVersions(versions));
    },
  },
];

/** The names of the steps that are still to be done. */
export async function pendingSteps(context, steps = STEPS) {
  const pending = [];
  for (const step of steps) {
    // What builds on something unfinished is unfinished too, or may be.
    if (pending.length > 0 || !(await step.ready(context))) pending.push(step.name);
  }
  return pending;
}

/**
 * Does what is not done yet, with progress on stderr.
 *
 * @param {{ dev?: boolean, only?: string[] }} [options] `dev`: with the tools of
 *   the tests; `only`: just these steps, which take what comes before them as given.
 */
export async function bootstrap({ dev = false, only = undefined } = {}) {
  const interrupted = new AbortController();
  const context = { root: ROOT, dev, log: join(ROOT, ".setup", "logs", "setup.log"), signal: interrupted.signal };
  const steps = only === undefined ? STEPS : STEPS.filter((step) => only.includes(step.name));
  if ((await pendingSteps(context, steps)).length === 0) return;

  const progress = createProgress(interrupted.signal);
  const release = endChildrenOnInterrupt("Set-up interrupted. The same command carries on from here.", interrupted);
  const onWait = (pid) => progress.line(`Waiting for another set-up of this folder (process ${pid ?? "unknown"}) …`);
  const carryOut = async () => {
    for (const step of steps) {
      // Asked again: another process may have done it while we waited.
      if (await step.ready(context)) continue;
      await progress.step(step.title, (onLine) => step.run(context, onLine));
    }
  };
  try {
    await withLock(join(ROOT, ".setup", "bootstrap.lock"), carryOut, { onWait, signal: interrupted.signal });
  } catch (error) {
    // Whatever failed, failed because it was ended; the message has been printed.
    if (interrupted.signal.aborted) process.exit(INTERRUPTED);
    throw error;
  } finally {
    release();
  }
}
