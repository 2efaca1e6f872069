/** Finding a Python that the worker's environment can be made from. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { CmcrError, EXIT } from "../errors.js";
import type { SetupPaths } from "./paths.js";

/** The versions that PyTorch has builds for: at least the first, below the second. */
const OLDEST = [3, 11] as const;
const FIRST_UNSUPPORTED = [3, 15] as const;
/** A launcher that hangs is not waited for longer. */
const PROBE_TIMEOUT_MS = 15_000;

/** An interpreter as it describes itself. */
export interface Interpreter {
  readonly version: readonly [number, number, number];
  readonly implementation: string;
  readonly executable: string;
  readonly bits: number;
  /** Whether it can make virtual environments with pip in them. */
  readonly venv: boolean;
}

/** A command that starts some Python, such as `["py", "-3"]`. */
export type PythonCommand = readonly [string, ...string[]];

const SEARCHED: readonly PythonCommand[] = [["python3.13"], ["python3.12"], ["python3.11"], ["python3"], ["python"], ["py", "-3"]];

/** The commands to try in order; a Python that the user names is the only one. */
export function pythonCandidates(named: string | undefined, environment: NodeJS.ProcessEnv = process.env): readonly PythonCommand[] {
  const chosen = named ?? environment["CMCR_PYTHON"];
  return chosen === undefined || chosen === "" ? SEARCHED : [[chosen]];
}

/**
 * Asks a command what Python it is. A name on the PATH proves nothing: a version
 * manager's launchers are there for versions that are not installed, too.
 *
 * @returns the interpreter, or a few words on why there is none
 */
export async function probePython(command: PythonCommand, paths: SetupPaths): Promise<Interpreter | string> {
  const [file, ...first] = command;
  const result = await execa(file, [...first, "-I", join(paths.pythonScripts, "describe_interpreter.py")], {
    reject: false,
    timeout: PROBE_TIMEOUT_MS,
    stdin: "ignore",
  });
  if (result.failed) {
    if (result.timedOut) return "does not answer";
    if (result.code === "ENOENT") return "not found";
    return `fails: ${result.stderr.split("\n").find((line) => line.trim() !== "") ?? result.shortMessage}`;
  }
  try {
    return JSON.parse(result.stdout) as Interpreter;
  } catch {
    return "is not a Python 3";
  }
}

/** A few words on why an interpreter will not do, or undefined when it does. */
export function unsuitable(found: Interpreter): string | undefined {
  const [major, minor] = found.version;
  const version = found.version.join(".");
  if (found.implementation !== "CPython") return `is ${found.implementation} ${version}; PyTorch needs CPython`;
  if (major !== OLDEST[0] || minor < OLDEST[1]) return `is Python ${version}, too old`;
  if (minor >= FIRST_UNSUPPORTED[1]) return `is Python ${version}, newer than PyTorch has builds for`;
  if (found.bits !== 64) return `is a ${found.bits}-bit Python ${version}; PyTorch needs 64 bits`;
  if (!found.venv) return `is Python ${version} without the venv and ensurepip modules`;
  return undefined;
}

/** The identifiers that /etc/os-release gives of a Linux distribution, its relatives included. */
function distributions(): string[] {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    return [...text.matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gm)].flatMap((match) => (match[1] ?? "").split(" "));
  } catch {
    return [];
  }
}

const LINUX_INSTALLERS: readonly (readonly [string, string])[] = [
  ["debian", "sudo apt install python3 python3-venv"],
  ["fedora", "sudo dnf install python3"],
  ["rhel", "sudo dnf install python3.12"],
  ["suse", "sudo zypper install python312"],
  ["arch", "sudo pacman -S python"],
  ["alpine", "sudo apk add python3"],
];

/** The command that installs a suitable Python on this kind of machine, as part of a sentence. */
export function howToInstallPython(platform: NodeJS.Platform = process.platform, distribution: readonly string[] = distributions()): string {
  if (platform === "darwin") return "`brew install python@3.13`, or the installer from python.org";
  if (platform === "win32") return "`winget install Python.Python.3.13`";
  return LINUX_INSTALLERS.filter(([name]) => distribution.includes(name)).map(([, command]) => `\`${command}\``)[0] ?? "your system's package manager (the packages python3 and python3-venv)";
}

/** The error for a machine without a suitable Python; `tried` names each command and what became of it. */
export function noPython(tried: readonly { readonly command: PythonCommand; readonly why: string }[], named: string | undefined): CmcrError {
  const range = `Python ${OLDEST.join(".")} to ${FIRST_UNSUPPORTED[0]}.${FIRST_UNSUPPORTED[1] - 1}`;
  const details = tried.map(({ command, why }) => `${command.join(" ")} ${why}`);
  const only = tried[0];
  const message =
    named !== undefined && only !== undefined
      ? `The Python that was named will not do: ${only.command.join(" ")} ${only.why}. The worker needs ${range} with venv and pip; name another with --python or CMCR_PYTHON, or name none.`
      : `No suitable Python was found: the worker needs ${range} with venv and pip. Install one with ${howToInstallPython()}, then run this again; or name one with --python or CMCR_PYTHON.`;
  return new CmcrError(message, { code: EXIT.worker, reason: "PYTHON_MISSING", details: named === undefined ? details : [] });
}

/**
 * The first suitable Python: `named`, else CMCR_PYTHON, else the usual commands.
 * Thrown when there is none: a CmcrError that says what to install.
 */
export async function findPython(named: string | undefined, paths: SetupPaths): Promise<Interpreter> {
  const tried: { command: PythonCommand; why: string }[] = [];
  for (const command of pythonCandidates(named)) {
    const found = await probePython(command, paths);
    const why = typeof found === "string" ? found : unsuitable(found);
    if (typeof found !== "string" && why === undefined) return found;
    tried.push({ command, why: why ?? "" });
  }
  const chosen = named ?? (process.env["CMCR_PYTHON"] === "" ? undefined : process.env["CMCR_PYTHON"]);
  throw noPython(tried, chosen);
}
