import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the parts of a checkout (or of an installed package) lie; all absolute. */
export interface SetupPaths {
  readonly root: string;
  readonly workerRoot: string;
  /** The worker's virtual environment, and the Python in it. */
  readonly environment: string;
  readonly python: string;
  /** Written last of all by an installation: what is installed. */
  readonly stamp: string;
  /** There while an installation is at work; left behind by one that was broken off. */
  readonly unfinished: string;
  readonly requirements: string;
  readonly proto: string;
  readonly pythonStubs: string;
  readonly typescriptStubs: string;
  /** Small Python programs that the set-up runs. */
  readonly pythonScripts: string;
  /** The trained weights of the built-in encoders. */
  readonly builtinWeights: string;
  readonly logs: string;
  readonly lock: string;
}

/** The package's folder: two above this file, in src/ as in dist/. */
export function packageRoot(): string {
  return dirname(dirname(dirname(fileURLToPath(import.meta.url))));
}

/** The paths below `root`, which is the package's own folder outside of tests. */
export function setupPaths(root: string = packageRoot()): SetupPaths {
  const workerRoot = join(root, "py-worker");
  const environment = join(workerRoot, ".venv");
  return {
    root,
    workerRoot,
    environment,
    python: process.platform === "win32" ? join(environment, "Scripts", "python.exe") : join(environment, "bin", "python"),
    stamp: join(environment, "cmcr-installed.json"),
    unfinished: join(environment, "cmcr-unfinished"),
    requirements: join(workerRoot, "requirements"),
    proto: join(root, "proto"),
    pythonStubs: join(workerRoot, "cmcr"),
    typescriptStubs: join(root, "src", "bridge", "gen"),
    pythonScripts: join(root, "scripts", "python"),
    builtinWeights: join(workerRoot, "cmcr_worker", "weights"),
    logs: join(root, ".setup", "logs"),
    lock: join(root, ".setup", "worker.lock"),
  };
}
