/** Calls of pip in the worker's environment, with progress made from its output. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./command.js";
import type { SetupPaths } from "./paths.js";

/** What every part of an installation is handed. */
export interface InstallationContext {
  readonly paths: SetupPaths;
  readonly log: string;
  readonly onLine: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The packages that a lock file pins: normalised name to version. */
export function pinnedVersions(lock: string): Map<string, string> {
  const pins = new Map<string, string>();
  for (const match of lock.matchAll(/^([A-Za-z0-9][A-Za-z0-9._-]*)={2,3}([^\s;\\]+)/gm)) {
    const [, name, version] = match;
    if (name !== undefined && version !== undefined) pins.set(normalised(name), version);
  }
  return pins;
}

/** A distribution's name as package indexes compare it. */
export function normalised(name: string): string {
  return name.replace(/[-_.]+/g, "-").toLowerCase();
}

/** The pins of one of our lock files, such as `runtime.lock`. */
export function readPins(paths: SetupPaths, name: string): Map<string, string> {
  return pinnedVersions(readFileSync(join(paths.requirements, name), "utf8"));
}

/**
 * Turns pip's output into lines of progress. `total` is how many packages are
 * asked for; with `--no-deps` pip names each of them once.
 */
export function pipProgress(total: number, onLine: (line: string) => void): (output: string) => void {
  let seen = 0;
  return (output) => {
    const text = output.trim();
    // `Processing` names a wheel on this machine.
    const named = /^(?:Collecting|Requirement already satisfied:|Processing) (?:\S*\/)?([A-Za-z0-9._]+(?:-[A-Za-z]\w*)*)/.exec(text);
    if (named !== null) {
      seen += 1;
      onLine(`${named[1] ?? ""} (${Math.min(seen, total)} of ${total})`);
    }
    const download = /^Downloading (\S+) \(([\d.]+ [MG]B)\)/.exec(text);
    // Small ones pass in a moment; a line for a large one says why it takes long.
    if (download !== null) onLine(`downloading ${(download[1] ?? "").split("/").at(-1) ?? ""} (${download[2] ?? ""})`);
    const installing = /^Installing collected packages: (.*)$/.exec(text);
    if (installing !== null) onLine(`unpacking ${(installing[1] ?? "").split(", ").length} of ${total}`);
  };
}

/** `pip install --no-deps` with these arguments; dependencies are in the lock files, each by its version. */
export async function pipInstall(context: InstallationContext, total: number, args: readonly string[]): Promise<void> {
  await runCommand(context.paths.python, ["-I", "-m", "pip", "install", "--no-deps", "--progress-bar", "off", ...args], {
    cwd: context.paths.root,
    log: context.log,
    purpose: "Installing the worker's Python packages",
    reason: "INSTALL_FAILED",
    signal: context.signal,
    onOutput: pipProgress(total, context.onLine),
  });
}

/** Installs exactly what lock files pin, and nothing whose checksum differs from theirs. */
export async function installLocked(context: InstallationContext, names: readonly string[]): Promise<void> {
  const total = names.reduce((sum, name) => sum + readPins(context.paths, name).size, 0);
  const files = names.flatMap((name) => ["-r", join(context.paths.requirements, name)]);
  await pipInstall(context, total, ["--require-hashes", ...files]);
}
