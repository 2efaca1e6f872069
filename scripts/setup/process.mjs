// @ts-check
/** Child processes of the set-up: output into a log file, its end quoted when they fail. */
import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";

const QUOTED_LINES = 15;
/** The exit code of what Ctrl-C has ended. */
export const INTERRUPTED = 130;
const children = new Set();

/** A step that failed for a reason that its message explains: printed without a stack trace. */
export class SetupError extends Error {
  name = "SetupError";
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Runs a command quietly. Thrown when it cannot start or does not exit with 0:
 * a SetupError with the last lines of its output and the log's path.
 */
export async function runLogged(command, args, { cwd, log, env = process.env, onLine = () => {} }) {
  mkdirSync(dirname(log), { recursive: true });
  const file = createWriteStream(log, { flags: "a" });
  file.write(`\n$ ${[command, ...args].join(" ")}\n`);
  const last = [];
  // On Windows the launchers of npm packages are .cmd files, which only a shell can start.
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], shell: process.platform === "win32" });
  children.add(child);
  const collect = (stream) => {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (chunk) => {
      file.write(chunk);
      const lines = (rest + chunk).split(/\r?\n/);
      rest = lines.pop() ?? "";
      for (const line of lines.filter((text) => text.trim() !== "")) {
        last.push(line);
        if (last.length > QUOTED_LINES) last.shift();
        onLine(line);
      }
    });
    stream.on("end", () => rest.trim() !== "" && last.push(rest));
  };
  collect(child.stdout);
  collect(child.stderr);
  const outcome = await new Promise((resolve) => {
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
    child.once("close", (code, signal) => resolve(code === 0 ? undefined : signal ? `was ended by ${signal}` : `failed with exit code ${code}`));
  });
  children.delete(child);
  await new Promise((resolve) => file.end(resolve));
  if (outcome === undefined) return;
  throw new SetupError([`\`${[command, ...args].join(" ")}\` ${outcome}. Its last lines:`, ...last.map((line) => `  ${line}`), `The whole output: ${log}`].join("\n"));
}

/** Runs a command with this terminal's input and output; resolves to its exit code. */
export async function runInForeground(command, args, { cwd, env = process.env }) {
  const child = spawn(command, args, { cwd, env, stdio: "inherit" });
  children.add(child);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve(code ?? (signal === "SIGINT" ? INTERRUPTED : 1)));
    });
  } finally {
    children.delete(child);
  }
}

/**
 * On Ctrl-C and TERM: says `message`, aborts `controller`, ends the children. The
 * step at work then fails, and its caller ends the process; one that hangs is
 * left after four seconds. Gives back a function that undoes this.
 */
export function endChildrenOnInterrupt(message, controller) {
  const interrupt = () => {
    if (controller.signal.aborted) return;
    process.stderr.write(`\n${message}\n`);
    controller.abort();
    for (const child of children) child.kill("SIGTERM");
    setTimeout(() => {
      for (const child of children) child.kill("SIGKILL");
      process.exit(INTERRUPTED);
    }, 4_000).unref();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return () => {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  };
}
