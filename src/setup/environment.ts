/**
 * Whether the worker's Python environment is there and current. Reads a stamp
 * and a few small files, starts nothing: commands ask this at every start.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fingerprint, filesBelow, readStamp } from "../../scripts/setup/fingerprint.mjs";
import { type SetupPaths, setupPaths } from "./paths.js";

/** Which build of PyTorch is installed: with NVIDIA's libraries or without. */
export type TorchBuild = "cpu" | "cuda";

/** What an installation records of itself when it has been verified. */
export interface InstallationStamp {
  readonly format: 1;
  /** Such as `3.11.7`. */
  readonly python: string;
  /** Such as `2.13.0+cpu`. */
  readonly torch: string;
  readonly build: TorchBuild;
  /** Fingerprints of the lock files that were installed; `dev` is null without the tools of the tests. */
  readonly runtime: string;
  readonly dev: string | null;
}

export interface WorkerEnvironment {
  /** `missing`: not installed, or not completely. `outdated`: of other versions than the lock files now ask for. */
  readonly state: "ready" | "missing" | "outdated";
  /** The environment's Python, whether it exists or not. */
  readonly python: string;
  /** The folder to start the worker in. */
  readonly root: string;
  /** A sentence for each thing that keeps it from being ready. */
  readonly problems: readonly string[];
}

/** Fingerprints of the lock files. The CPU's and CUDA's files count alike: either may be installed. */
export function requirementFingerprints(paths: SetupPaths): { readonly runtime: string; readonly dev: string } {
  const of = (...names: string[]): string => fingerprint(paths.root, names.map((name) => join(paths.requirements, name)));
  return { runtime: of("runtime.lock", "torch.lock", "cuda.lock"), dev: of("dev.lock") };
}

/** What the last finished installation recorded, or undefined when there is none. */
export function installationStamp(paths: SetupPaths): InstallationStamp | undefined {
  const text = readStamp(paths.stamp);
  if (text === undefined) return undefined;
  try {
    const stamp = JSON.parse(text) as InstallationStamp;
    // An older or newer cmcr's stamp is as good as none.
    return (stamp.format as number) === 1 ? stamp : undefined;
  } catch {
    return undefined;
  }
}

/** The protocol files that Python stubs are made from, in a fixed order. */
export function protocolFiles(paths: SetupPaths): string[] {
  return filesBelow(join(paths.proto, "cmcr"), (file) => file.endsWith(".proto"));
}

/** Where the stubs record what they were made from. */
export function pythonStubsStamp(paths: SetupPaths): string {
  return join(paths.pythonStubs, ".fingerprint");
}

/** Whether the Python stubs were made from the protocol as it is now. */
export function pythonStubsReady(paths: SetupPaths): boolean {
  return readStamp(pythonStubsStamp(paths)) === fingerprint(paths.root, protocolFiles(paths));
}

/** What keeps the installed packages from being what the lock files pin; empty when nothing does. */
export function packageProblems(paths: SetupPaths, dev: boolean): { readonly state: WorkerEnvironment["state"]; readonly problems: readonly string[] } {
  const missing = (problem: string) => ({ state: "missing" as const, problems: [problem] });
  if (!existsSync(paths.python)) return missing(`The worker's Python environment is not installed (${paths.environment}).`);
  if (existsSync(paths.unfinished)) return missing("An installation of the worker's Python environment was broken off.");
  const stamp = installationStamp(paths);
  if (stamp === undefined) return missing(`The Python environment in ${paths.environment} was not installed by cmcr.`);

  const wanted = requirementFingerprints(paths);
  const problems: string[] = [];
  if (stamp.runtime !== wanted.runtime) problems.push("The worker's Python packages are of other versions than its lock files ask for.");
  if (dev && stamp.dev === null) problems.push("The Python tools of the tests are not installed.");
  else if (stamp.dev !== null && stamp.dev !== wanted.dev) problems.push("The Python tools of the tests are of other versions than dev.lock asks for.");
  return { state: problems.length === 0 ? "ready" : "outdated", problems };
}

/**
 * Whether the worker can be started. `dev` also asks for the tools of the tests.
 * Takes a few milliseconds.
 */
export function workerEnvironment(options: { readonly dev?: boolean; readonly paths?: SetupPaths } = {}): Promise<WorkerEnvironment> {
  const paths = options.paths ?? setupPaths();
  const { state, problems } = packageProblems(paths, options.dev === true);
  // Without the environment there is nothing to generate them with: one thing after the other.
  const stubs = state === "missing" || pythonStubsReady(paths) ? [] : ["The worker's protocol stubs are missing or older than proto/."];
  return Promise.resolve({
    state: state === "ready" && stubs.length > 0 ? "outdated" : state,
    python: paths.python,
    root: paths.workerRoot,
    problems: [...problems, ...stubs],
  });
}
