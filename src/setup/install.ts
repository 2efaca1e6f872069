/** Installing the worker's Python environment, from nothing or on top of what is there. */
import { mkdirSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { CmcrError, EXIT } from "../errors.js";
import { withLock } from "../../scripts/setup/lock.mjs";
import { interrupted, runCommand } from "./command.js";
import { type InstallationStamp, type TorchBuild, installationStamp, packageProblems, requirementFingerprints } from "./environment.js";
import { type SetupPaths, setupPaths } from "./paths.js";
import { type InstallationContext, installLocked, readPins } from "./pip.js";
import { type Interpreter, findPython, probePython, unsuitable } from "./python.js";
import { generatePythonStubs } from "./stubs.js";
import { type TorchChoice, chooseBuild, installTorch, nvidiaDriver, torchVersion } from "./torch.js";

export interface InstallOptions {
  /** `auto` keeps the build that is installed, else takes CUDA's where an NVIDIA driver is found. */
  readonly torch: TorchChoice;
  /** The Python to make the environment from; else CMCR_PYTHON, else the first suitable one. */
  readonly python?: string | undefined;
  /** Also the tools of the tests. Once installed they are kept up to date. */
  readonly dev?: boolean | undefined;
  /** Called with each line of progress. */
  readonly onLine: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  readonly paths?: SetupPaths | undefined;
}

/** What the finished environment said of itself. */
export interface WorkerVersions {
  readonly python: string;
  readonly torch: string;
  /** The CUDA version of this build of PyTorch, or null. */
  readonly cuda: string | null;
  /** The device that a run would take with `device: auto`. */
  readonly device: "cpu" | "cuda";
  readonly deviceName: string;
  /** Whether Apple's GPU can be used. */
  readonly mps: boolean;
  readonly numpy: string;
  readonly grpcio: string;
}

/** Imports everything in the environment, computes once, and gives the versions. Thrown when that fails: exit 4. */
export async function verifyWorker(context: InstallationContext): Promise<WorkerVersions> {
  const output = await runCommand(context.paths.python, ["-I", join(context.paths.pythonScripts, "verify_worker.py")], {
    cwd: context.paths.workerRoot,
    log: context.log,
    purpose: "Trying the installed Python packages",
    reason: "VERIFY_FAILED",
    signal: context.signal,
  });
  return JSON.parse(output.split("\n").at(-1) ?? "") as WorkerVersions;
}

/** One line on an environment, for people. */
export function describeVersions(versions: WorkerVersions): string {
  const device = versions.device === "cuda" ? `CUDA ${versions.cuda ?? ""} on ${versions.deviceName}` : versions.mps ? "CPU (Apple's GPU is there too)" : "CPU";
  return `Python ${versions.python}, PyTorch ${versions.torch}, NumPy ${versions.numpy}, gRPC ${versions.grpcio}; computes on ${device}`;
}

/** The distributions in the environment whose files are all there: normalised name to version. */
async function completeDistributions(context: InstallationContext): Promise<Record<string, string>> {
  const output = await runCommand(context.paths.python, ["-I", join(context.paths.pythonScripts, "list_distributions.py")], {
    cwd: context.paths.workerRoot,
    log: context.log,
    purpose: "Listing the installed Python packages",
    reason: "INSTALL_FAILED",
    signal: context.signal,
  });
  return JSON.parse(output) as Record<string, string>;
}

/** Whether an environment holds what these lock files pin; `+cpu` and the like are builds of the same version. */
export function satisfies(installed: Readonly<Record<string, string>>, pins: ReadonlyMap<string, string>): boolean {
  return [...pins].every(([name, version]) => installed[name] === version || installed[name]?.split("+")[0] === version);
}

/** Makes an empty environment in the place of whatever is there. */
async function createEnvironment(context: InstallationContext, python: Interpreter): Promise<void> {
  const { paths } = context;
  context.onLine(`making a virtual environment with Python ${python.version.join(".")}`);
  // Tens of thousands of files: done at once, Ctrl-C would go unheard meanwhile.
  await rm(paths.environment, { recursive: true, force: true });
  mkdirSync(paths.environment, { recursive: true });
  writeFileSync(paths.unfinished, "");
  await runCommand(python.executable, ["-I", "-m", "venv", paths.environment], {
    cwd: paths.root,
    log: context.log,
    purpose: "Making the virtual environment",
    reason: "VENV_FAILED",
    signal: context.signal,
  });
}

/** Whether the environment that is there can be built upon: complete, of a suitable Python, and of the one that was asked for. */
async function reusable(context: InstallationContext, wanted: TorchChoice, named: string | undefined): Promise<boolean> {
  const { paths } = context;
  if (!existsSync(paths.python) || existsSync(paths.unfinished)) return false;
  const present = await probePython([paths.python], paths);
  if (typeof present === "string" || unsuitable(present) !== undefined) return false;
  const stamp = installationStamp(paths);
  if (stamp !== undefined && wanted !== "auto" && wanted !== stamp.build) return false;
  if (named === undefined) return true;
  const asked = await findPython(named, paths);
  return asked.version.join(".") === present.version.join(".");
}

async function installPackages(context: InstallationContext, options: InstallOptions, previous: TorchBuild | undefined): Promise<TorchBuild> {
  const build = options.torch === "auto" && previous !== undefined ? previous : chooseBuild(options.torch, await nvidiaDriver());
  const locks = options.dev === true ? ["runtime.lock", "dev.lock"] : ["runtime.lock"];
  const installed = await completeDistributions(context);
  const torchThere = satisfies(installed, new Map([["torch", torchVersion(context)]]));
  // An environment that others made is taken as it is when it holds what is pinned.
  if (torchThere && locks.every((name) => satisfies(installed, readPins(context.paths, name)))) return build;
  writeFileSync(context.paths.unfinished, "");
  const installedBuild = torchThere ? build : await installTorch(context, build, options.torch === "cuda");
  for (const name of locks) await installLocked(context, [name]);
  return installedBuild;
}

async function install(context: InstallationContext, options: InstallOptions): Promise<WorkerVersions> {
  const { paths } = context;
  const previous = installationStamp(paths);
  const dev = options.dev === true || (previous !== undefined && previous.dev !== null);
  if (!(await reusable(context, options.torch, options.python))) {
    await createEnvironment(context, await findPython(options.python, paths));
  }
  const fingerprints = requirementFingerprints(paths);
  const asked = await installPackages(context, { ...options, dev }, previous?.build);
  context.onLine("trying it");
  const versions = await verifyWorker(context);
  if (options.torch === "cuda" && versions.cuda === null) {
    throw new CmcrError(`The CUDA build of PyTorch was asked for, but ${versions.torch} was installed. See \`cmcr doctor\`.`, {
      code: EXIT.worker,
      reason: "TORCH_BUILD",
    });
  }
  const stamp: InstallationStamp = {
    format: 1,
    python: versions.python,
    torch: versions.torch,
    build: versions.cuda === null ? "cpu" : asked,
    runtime: fingerprints.runtime,
    dev: dev ? fingerprints.dev : null,
  };
  const aside = `${paths.stamp}.new`;
  writeFileSync(aside, `${JSON.stringify(stamp, null, 2)}\n`);
  renameSync(aside, paths.stamp);
  rmSync(paths.unfinished, { force: true });
  return versions;
}

/**
 * Brings the worker's environment to what the lock files pin: makes it, adds
 * what is missing, or does nothing. One installation at a time works on a
 * checkout; one that was broken off is started over. Thrown when it cannot be
 * done: a CmcrError, exit 4, or exit 130 when `signal` ended it.
 *
 * @returns the versions, or undefined when the packages were there already
 */
export async function installWorker(options: InstallOptions): Promise<WorkerVersions | undefined> {
  const paths = options.paths ?? setupPaths();
  const context: InstallationContext = { paths, log: join(paths.logs, "worker-install.log"), onLine: options.onLine, signal: options.signal };
  const work = async (): Promise<WorkerVersions | undefined> => {
    const stamp = installationStamp(paths);
    const sameBuild = options.torch === "auto" || options.torch === stamp?.build;
    const current = packageProblems(paths, options.dev === true).state === "ready" && sameBuild && options.python === undefined;
    const versions = current ? undefined : await install(context, options);
    await generatePythonStubs(context);
    return versions;
  };
  try {
    return await withLock(paths.lock, work, {
      signal: options.signal,
      onWait: (pid) => { options.onLine(`waiting for another installation (process ${pid ?? "unknown"})`); },
    });
  } catch (error) {
    if (options.signal?.aborted === true && !(error instanceof CmcrError)) throw interrupted();
    throw error;
  }
}
