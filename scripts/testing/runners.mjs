// @ts-check
/** The two test runners: each shows its failures as they come and leaves a report that is counted. */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { ROOT } from "../setup/bootstrap.mjs";
import { runInForeground } from "../setup/process.mjs";
import { deselected, judge, pytestCounts, vitestCounts } from "./counts.mjs";

const REPORTS = join(ROOT, ".setup", "reports");

function read(file, parse) {
  try {
    return parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** A fresh place for a report: an old one must never be counted. */
function reportFile(name) {
  mkdirSync(REPORTS, { recursive: true });
  const file = join(REPORTS, name);
  rmSync(file, { force: true });
  return file;
}

/** All TypeScript tests; `filters` are parts of file names. */
async function runVitest(filters) {
  const file = reportFile("vitest.json");
  const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const exitCode = await runInForeground(process.execPath, [vitest, "run", ...reporters, ...filters], { cwd: ROOT });
  return judge("vitest", exitCode, read(file, (text) => vitestCounts(JSON.parse(text))));
}

/** Whether PyTorch has a CUDA device here. */
async function hasCuda(python) {
  const probe = "import sys, torch; sys.exit(0 if torch.cuda.is_available() else 1)";
  return (await runInForeground(python, ["-c", probe], { cwd: ROOT })) === 0;
}

/** Runs a program with its output both shown and kept. */
async function runShown(command, args, options) {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (chunk) => {
    output += chunk;
    process.stdout.write(chunk);
  });
  const exitCode = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
  return { exitCode, output };
}

/** All Python tests; those marked `cuda` only where there is a device. */
async function runPytest(filters) {
  const { setupPaths } = await import("../../dist/setup/paths.js");
  const { python, workerRoot } = setupPaths();
  const file = reportFile("pytest.xml");
  const cuda = await hasCuda(python);
  const selection = cuda ? [] : ["-m", "not cuda"];
  const env = { ...process.env, PYTHONPATH: [workerRoot, process.env.PYTHONPATH].filter(Boolean).join(delimiter) };
  const colour = process.stdout.isTTY === true && process.env.CI === undefined ? ["--color=yes"] : [];
  const { exitCode, output } = await runShown(python, ["-m", "pytest", ...colour, `--junitxml=${file}`, ...selection, ...filters], { cwd: workerRoot, env });
  if (!cuda) console.log(`There is no CUDA device here: ${deselected(output)} tests that need one were left out.`);
  return judge("pytest", exitCode, read(file, pytestCounts));
}

/** The runners by the name that `--only` takes, in the order in which they run. */
export const RUNNERS = { ts: { title: "TypeScript tests", run: runVitest }, py: { title: "Python tests", run: runPytest } };
