// Runs the worker's own Python with the worker's packages on its path: `node scripts/python.mjs -m MODULE …`
import { delimiter, join } from "node:path";
import process from "node:process";
import { ROOT } from "./setup/bootstrap.mjs";
import { runInForeground } from "./setup/process.mjs";

const { setupPaths } = await import("../dist/setup/paths.js");
const path = [join(ROOT, "py-worker"), process.env.PYTHONPATH].filter(Boolean).join(delimiter);
process.exitCode = await runInForeground(setupPaths().python, process.argv.slice(2), { cwd: ROOT, env: { ...process.env, PYTHONPATH: path } });
