// `npm run check [-- --only proto|lint|types]`: exactly what CI runs. Every check runs, also after
// one that failed; then the tests. The last line counts the tests over both languages.
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { ROOT } from "./setup/bootstrap.mjs";
import { runBootstrap } from "./setup/entry.mjs";
import { runInForeground } from "./setup/process.mjs";
import { inspectSources } from "./structure.mjs";
import { runTests } from "./testing/run.mjs";

const bin = (name) => join(ROOT, "node_modules", ".bin", name);

async function runPython(...args) {
  const { setupPaths } = await import("../dist/setup/paths.js");
  const { python, workerRoot } = setupPaths();
  return runInForeground(python, args, { cwd: workerRoot });
}

const buf = (...args) => runInForeground(bin("buf"), args, { cwd: ROOT });
const node = (file, ...args) => runInForeground(process.execPath, [join(ROOT, "node_modules", file), ...args], { cwd: ROOT });
const ruff = (...args) => runPython("-m", "ruff", ...args, "--config", "pyproject.toml", ".", "../scripts/python");

function structure() {
  const { files, violations } = inspectSources(ROOT);
  for (const violation of violations) console.log(violation);
  console.log(`${files} source files, ${violations.length} violations`);
  return violations.length === 0 ? 0 : 1;
}

/** Each check: the group that `--only` names, what it is, and how it runs; it gives an exit code. */
const CHECKS = [
  { group: "proto", name: "buf lint", run: () => buf("lint", "proto") },
  { group: "proto", name: "buf format", run: () => buf("format", "proto", "--diff", "--exit-code") },
  { group: "proto", name: "buf breaking", run: () => buf("breaking", "proto", "--against", "proto/baseline/cmcr-v1.json") },
  { group: "lint", name: "structure", run: structure },
  { group: "lint", name: "eslint", run: () => node("eslint/bin/eslint.js", "--max-warnings", "0", ".") },
  { group: "lint", name: "ruff check", run: () => ruff("check") },
  { group: "lint", name: "ruff format", run: () => ruff("format", "--check") },
  { group: "types", name: "tsc", run: () => node("typescript/bin/tsc", "--noEmit") },
  { group: "types", name: "mypy", run: () => runPython("-m", "mypy", "cmcr_worker", "../scripts/python") },
];

const GROUPS = [...new Set(CHECKS.map((check) => check.group))];
const { values } = parseArgs({ options: { only: { type: "string" } } });
if (values.only !== undefined && !GROUPS.includes(values.only)) {
  console.error(`--only takes ${GROUPS.join(", ")}; not ${values.only}.`);
  process.exit(2);
}

await runBootstrap({ dev: true });
const failed = [];
for (const { name, run } of CHECKS.filter(({ group }) => values.only === undefined || group === values.only)) {
  console.log(`\n${name}`);
  const started = Date.now();
  const exitCode = await run();
  console.log(`${name}: ${exitCode === 0 ? "ok" : `FAILED (exit code ${exitCode})`}, ${((Date.now() - started) / 1000).toFixed(1)} s`);
  if (exitCode !== 0) failed.push(name);
}
const tests = values.only === undefined ? await runTests() : { line: undefined, passed: true };
if (failed.length > 0) console.log(`Failed checks: ${failed.join(", ")}`);
if (tests.line !== undefined) console.log(tests.line);
process.exitCode = failed.length === 0 && tests.passed ? 0 : 1;
