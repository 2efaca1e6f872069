// `npm run bench [-- OPTIONS]`: the benchmarks, as ratios measured in one run. See docs/benchmarks.md.
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { describeMachine, load } from "./bench/machine.mjs";
import { judged } from "./bench/results.mjs";
import { SECTIONS } from "./bench/sections.mjs";
import { renderTable } from "./bench/table.mjs";
import { INTERRUPTED } from "./setup/process.mjs";

const USAGE = `Usage: npm run bench -- [--only SECTION]… [--json] [--out FILE] [--quick] [--strict] [--threads N] [--scratch DIR]

  --only SECTION  ${Object.keys(SECTIONS).join(", ")}; may be repeated
  --json          print the document in place of the table
  --out FILE      write the document into a file as well
  --quick         small sizes, to see that everything runs; no bar is judged
  --strict        exit with 1 unless every bar is met
  --threads N     threads of the worker's PyTorch (default 1)
  --scratch DIR   where files of up to 5 GB go while it runs (default: the temporary folder)`;

function options() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: "string", multiple: true, default: Object.keys(SECTIONS) },
        json: { type: "boolean", default: false },
        out: { type: "string" },
        quick: { type: "boolean", default: false },
        strict: { type: "boolean", default: false },
        threads: { type: "string", default: "1" },
        scratch: { type: "string", default: tmpdir() },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const unknown = values.only.find((name) => !(name in SECTIONS));
    if (unknown !== undefined) throw new Error(`--only takes ${Object.keys(SECTIONS).join(", ")}, not ${unknown}`);
    if (!/^[1-9]\d*$/.test(values.threads)) throw new Error(`--threads takes a whole number from 1, not ${values.threads}`);
    if (!existsSync(values.scratch)) throw new Error(`--scratch takes a folder that exists, not ${values.scratch}`);
    if (values.strict && values.quick) throw new Error("--strict judges the full sizes, and --quick measures small ones");
    return { ...values, threads: Number(values.threads) };
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
}

async function measure({ only, quick, threads }, scratch, signal) {
  const began = performance.now();
  const before = load();
  const context = { quick, threads, scratch, signal, say: (text) => process.stderr.write(`${text} …\n`) };
  const results = [];
  for (const [section, run] of Object.entries(SECTIONS)) {
    if (!only.includes(section)) continue;
    // Each section's files go before the next one needs the room.
    context.scratch = await mkdtemp(join(scratch, `${section}-`));
    for await (const result of run(context)) results.push(judged(section, result, quick));
    await rm(context.scratch, { recursive: true, force: true });
  }
  return {
    version: 1,
    date: new Date().toISOString(),
    quick,
    machine: await describeMachine(threads),
    load: { before, after: load() },
    seconds: (performance.now() - began) / 1000,
    results,
  };
}

const chosen = options();
if (chosen.help) {
  console.log(USAGE);
  process.exit(0);
}
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => interrupted.abort());
const scratch = await mkdtemp(join(chosen.scratch, "cmcr-bench-"));
try {
  const document = await measure(chosen, scratch, interrupted.signal);
  const text = `${JSON.stringify(document, null, 2)}\n`;
  if (chosen.out !== undefined) await writeFile(chosen.out, text);
  process.stdout.write(chosen.json ? text : `${renderTable(document)}\n`);
  const missed = document.results.some(({ bar, met }) => bar !== null && met !== true);
  process.exitCode = chosen.strict && missed ? 1 : 0;
} catch (error) {
  if (!interrupted.signal.aborted) throw error;
  process.stderr.write("Interrupted.\n");
  process.exitCode = INTERRUPTED;
} finally {
  await rm(scratch, { recursive: true, force: true });
}
