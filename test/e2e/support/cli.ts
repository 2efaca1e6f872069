import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { execa } from "execa";
import { expect } from "vitest";

import { buildReady } from "../../../scripts/setup/build.mjs";

/** The checkout's folder. */
export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** The command as it is installed. */
export const MAIN = join(ROOT, "dist", "cli", "main.js");

/** No command of these tests takes nearly as long; one that does hangs. */
const LIMIT_MS = 60_000;

// What is tested is what is built: with sources that changed since, it is built again.
if (!buildReady(ROOT)) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "scripts", "build.mjs")], { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Error(`the build failed:\n${stdout}${stderr}`);
}

/** What a command did. */
export interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly limitMs?: number;
}

/** Starts `cmcr` as a process of its own; it is killed with the test at the latest. */
export function start(args: readonly string[], { cwd, env, limitMs }: CommandOptions = {}) {
  return execa(process.execPath, [MAIN, ...args], {
    reject: false,
    timeout: limitMs ?? LIMIT_MS,
    killSignal: "SIGKILL",
    stdin: "ignore",
    cwd: cwd ?? ROOT,
    env: { NO_COLOR: "1", CMCR_DEBUG: "", ...env },
  });
}

/** Runs `cmcr` to its end. Throws when it hangs. */
export async function cmcr(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const began = performance.now();
  const { exitCode, stdout, stderr, timedOut } = await start(args, options);
  if (timedOut) throw new Error(`cmcr ${args.join(" ")} did not end within ${LIMIT_MS / 1000} s:\n${stdout}\n${stderr}`);
  return { exitCode, stdout, stderr, seconds: (performance.now() - began) / 1000 };
}

/** Runs `cmcr`, which must succeed. */
export async function succeed(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const outcome = await cmcr(args, options);
  if (outcome.exitCode !== 0) throw new Error(`cmcr ${args.join(" ")} ended with ${outcome.exitCode}:\n${outcome.stdout}\n${outcome.stderr}`);
  return outcome;
}

/** Runs an experiment, which must succeed; the run's folder, which is the last line. */
export async function run(args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { stdout } = await succeed(["run", ...args], options);
  return stdout.trimEnd().split("\n").at(-1) ?? "";
}

/** The JSON lines of a command's standard output; each line must be one. */
export function jsonLines(stdout: string): readonly Record<string, unknown>[] {
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const TRACES = ["    at ", "Traceback", "node:internal", "a bug in cmcr", "a bug in the worker", "UnhandledPromise"];

/** The command must have been refused in one message: that exit code, these parts, and nothing that only its authors can read. */
export function expectRefusal({ exitCode, stdout, stderr }: Outcome, code: number, ...parts: readonly (string | RegExp)[]): void {
  const said = `${stdout}\n${stderr}`;
  for (const part of parts) {
    if (typeof part === "string") expect(stderr, said).toContain(part);
    else expect(stderr, said).toMatch(part);
  }
  for (const trace of TRACES) expect(said).not.toContain(trace);
  expect(stderr.match(/^(error|interrupted)\b/gm), said).toHaveLength(1);
  expect(exitCode, said).toBe(code);
}

/** A folder for one file of tests, short enough for a socket's path. */
export class Workplace {
  readonly path = mkdtempSync(join(tmpdir(), "e2e-"));
  /** Temporary files of the commands. */
  readonly temporary = this.folder("tmp");

  folder(name: string): string {
    const path = join(this.path, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  file(...names: readonly string[]): string {
    return join(this.path, ...names);
  }

  /** The environment that makes commands put their temporary files here. */
  get env(): Readonly<Record<string, string>> {
    return { TMPDIR: this.temporary };
  }

  /** Folders of sockets that commands left behind; torch's own caches are not theirs. */
  left(): readonly string[] {
    return readdirSync(this.temporary).filter((name) => name.startsWith("cmcr-"));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Names of the folders in a folder of runs, the store aside; none when there is no such folder. */
export function runNames(out: string): readonly string[] {
  try {
    return readdirSync(out)
      .filter((name) => name !== ".store")
      .sort();
  } catch {
    return [];
  }
}
