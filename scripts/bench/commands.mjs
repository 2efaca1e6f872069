// @ts-check
/** The processes that are measured. */
import { statfs } from "node:fs/promises";
import { delimiter, join } from "node:path";
import process from "node:process";
import { execa } from "execa";
import { setupPaths } from "../../dist/setup/paths.js";

const paths = setupPaths();
export const ROOT = paths.root;
const MAIN = join(ROOT, "dist", "cli", "main.js");

/** Arguments of node for `cmcr ARGS`. */
export const cmcr = (...args) => [MAIN, ...args];

/** Runs node to its end, which must be a good one; resolves to its seconds. */
export async function runNode(args, { signal, env = {} }) {
  const began = performance.now();
  await execa(process.execPath, args, { cwd: ROOT, stdin: "ignore", stdout: "ignore", env: { NO_COLOR: "1", ...env }, cancelSignal: signal });
  return (performance.now() - began) / 1000;
}

/** Runs a program of py-worker/bench, which prints one JSON object. */
export async function runPython(program, args, { signal }) {
  const { stdout } = await execa(paths.python, [join(paths.workerRoot, "bench", program), ...args.map(String)], {
    cwd: ROOT,
    stdin: "ignore",
    env: { PYTHONPATH: [paths.workerRoot, process.env.PYTHONPATH].filter(Boolean).join(delimiter) },
    cancelSignal: signal,
  });
  return JSON.parse(stdout);
}

/** Why `bytes` do not fit into `folder`, or null where they do. */
export async function lackOfSpace(folder, bytes) {
  const { bavail, bsize } = await statfs(folder);
  const gigabytes = (count) => (count / 1e9).toFixed(1);
  if (bavail * bsize >= bytes) return null;
  return `left out: it needs ${gigabytes(bytes)} GB in ${folder}, where ${gigabytes(bavail * bsize)} GB are free. Name another folder with --scratch.`;
}
