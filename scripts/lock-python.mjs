// Renews py-worker/requirements/*.lock from the *.in files: `npm run python:lock [-- --upgrade]`.
// To be run on Linux, where the CUDA build's packages are seen too. Needs the default package index.
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { devNull, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "./setup/bootstrap.mjs";
import { runLogged } from "./setup/process.mjs";
import { splitLocks } from "./setup/requirements.mjs";

const folder = join(ROOT, "py-worker", "requirements");
const log = join(ROOT, ".setup", "logs", "lock-python.log");
const work = mkdtempSync(join(tmpdir(), "cmcr-lock-"));
const python = join(work, "venv", "bin", "python");
// Only what everybody's index has: a local wheel's checksum would be nobody else's.
const env = { ...process.env, PIP_CONFIG_FILE: devNull };
delete env.PIP_FIND_LINKS;
delete env.PIP_EXTRA_INDEX_URL;

async function run(command, ...args) {
  console.error(`${[command, ...args].join(" ")}`);
  await runLogged(command, args, { cwd: work, log, env });
}

const header = (what) => `# ${what}\n# Made by \`npm run python:lock\` from the .in files; not to be edited.\n`;
const path = (name) => join(folder, name);
const compile = (input, output, ...more) =>
  run(python, "-m", "piptools", "compile", "--quiet", "--generate-hashes", "--strip-extras", "--allow-unsafe", "--no-header", "--annotation-style", "line", ...more, "-o", output, input);

try {
  await run("python3.11", "-m", "venv", join(work, "venv"));
  await run(python, "-m", "pip", "install", "--quiet", "--upgrade", "pip", "pip-tools");
  for (const name of ["runtime.in", "dev.in"]) copyFileSync(path(name), join(work, name));
  const upgrade = process.argv.includes("--upgrade");
  if (!upgrade && existsSync(path("runtime.lock"))) {
    // pip-compile keeps the versions of an output that is there already.
    const old = ["runtime.lock", "torch.lock", "cuda.lock"].map((name) => readFileSync(path(name), "utf8").replace("===", "=="));
    writeFileSync(join(work, "all.lock"), old.join("\n"));
  }
  await compile("runtime.in", "all.lock");
  const parts = splitLocks(readFileSync(join(work, "all.lock"), "utf8"));
  writeFileSync(path("runtime.lock"), `${header("What the worker needs on every machine, beside PyTorch.")}${parts.runtime}\n`);
  writeFileSync(path("torch.lock"), `${header("PyTorch, as the default package index has it (Linux: the CUDA build).")}${parts.torch}\n`);
  writeFileSync(path("cuda.lock"), `${header("What PyTorch's CUDA build for Linux needs besides.")}${parts.cuda}\n`);

  copyFileSync(path("runtime.lock"), join(work, "runtime.lock"));
  if (!upgrade && existsSync(path("dev.lock"))) copyFileSync(path("dev.lock"), join(work, "dev.lock"));
  await compile("dev.in", "dev.lock");
  writeFileSync(path("dev.lock"), `${header("Tests, lint and types.")}${readFileSync(join(work, "dev.lock"), "utf8").replace(/^#.*\n/gm, "")}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
