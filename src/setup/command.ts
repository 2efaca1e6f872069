/** Running the programs of an installation: output into a log, its end quoted in the error. */
import { appendFileSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { execa } from "execa";
import { CmcrError, EXIT } from "../errors.js";

const QUOTED_LINES = 12;

export interface CommandOptions {
  readonly cwd: string;
  /** The log file that all output is appended to. */
  readonly log: string;
  /** Says what the command was to do, in the error: `Installing the Python packages`. */
  readonly purpose: string;
  readonly reason: string;
  readonly signal?: AbortSignal | undefined;
  readonly onOutput?: (line: string) => void;
}

/**
 * Variables that would lead pip or Python away from the environment it is
 * called for, such as another environment's packages or `pip install --user`.
 */
const MISLEADING = ["PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_HASHES", "PIP_NO_BINARY", "VIRTUAL_ENV"];

function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !MISLEADING.includes(name)));
}

/** The error of an installation that was interrupted from outside: exit 130. */
export function interrupted(): CmcrError {
  return new CmcrError("The installation of the worker's environment was interrupted. Run it again: it starts over what was half done.", {
    code: EXIT.interrupted,
    reason: "INTERRUPTED",
  });
}

/**
 * Runs one program to its end, and gives back its standard output. Thrown when
 * it fails: a CmcrError (exit 4) that quotes the last lines and names the log;
 * when `signal` ends it: one with exit 130.
 */
export async function runCommand(file: string, args: readonly string[], options: CommandOptions): Promise<string> {
  mkdirSync(dirname(options.log), { recursive: true });
  appendFileSync(options.log, `\n$ ${[file, ...args].join(" ")}\n`);
  if (options.signal?.aborted === true) throw interrupted();
  const child = execa(file, args, {
    cwd: options.cwd,
    env: { ...cleanEnvironment(), PIP_DISABLE_PIP_VERSION_CHECK: "1", PIP_NO_INPUT: "1" },
    extendEnv: false,
    stdin: "ignore",
    reject: false,
    all: true,
    forceKillAfterDelay: 3_000,
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
  });
  for await (const line of child.iterable({ from: "all" })) {
    appendFileSync(options.log, `${line}\n`);
    options.onOutput?.(line);
  }
  const result = await child;
  if (!result.failed) return result.stdout;
  if (result.isCanceled || result.signal === "SIGINT") throw interrupted();
  const outcome = result.exitCode === undefined ? result.shortMessage : `exit code ${result.exitCode}`;
  const last = result.all.split("\n").filter((line) => line.trim() !== "").slice(-QUOTED_LINES);
  throw new CmcrError(`${options.purpose} failed (${outcome}). The whole output is in ${options.log}; its last lines follow.`, {
    code: EXIT.worker,
    reason: options.reason,
    path: options.log,
    details: last,
  });
}
