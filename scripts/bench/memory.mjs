// @ts-check
/** The orchestrator's peak resident memory in whole runs. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, cmcr, lackOfSpace, runNode } from "./commands.mjs";
import { writeExperiment } from "./experiment.mjs";

const BAR = { atMost: 300 };
const COLLECTIONS = ["captions", "images", "sounds", "test_images", "test_sounds"];
/** Fewer items and epochs of the quickstart, for a look at whether the measurement works. */
const FEWER = [...COLLECTIONS.map((name) => `data.${name}.source.count=64`), "connect.batchSize=32", "connect.epochs=1"];

const FULL = { memory: 1_000_000, dim: 512, queries: 512 };
const QUICK = { memory: 20_000, dim: 64, queries: 64 };
const MARGIN_BYTES = 512 * 2 ** 20;

/** Runs `cmcr run …` and gives its peak in MiB and its seconds. */
async function peakOfRun(name, args, context) {
  const file = join(context.scratch, `${name}.peak`);
  const preload = new URL("./peakAtExit.mjs", import.meta.url).href;
  const run = cmcr("run", ...args, "--json", "--out", join(context.scratch, `${name}-runs`));
  const seconds = await runNode(["--import", preload, ...run], { ...context, env: { CMCR_BENCH_PEAK: file } });
  return { peak: Number(await readFile(file, "utf8")) / 1024, seconds };
}

/** Peaks of the quickstart and of a run with a large memory. */
export async function* measureMemory(context) {
  context.say("memory: the quickstart");
  const fewer = context.quick ? FEWER.flatMap((change) => ["--set", change]) : [];
  const quickstart = await peakOfRun("quickstart", [join(ROOT, "experiments", "quickstart.yaml"), ...fewer], context);
  yield {
    name: "quickstart",
    what: "orchestrator's peak in the quickstart",
    unit: "MiB",
    measured: quickstart.peak,
    bar: BAR,
    details: { seconds: quickstart.seconds },
  };

  const { memory, dim, queries } = context.quick ? QUICK : FULL;
  const large = { name: "large-memory", what: `orchestrator's peak in a run with a memory of ${memory} x ${dim}`, unit: "MiB", bar: BAR };
  // The file, and the store's normalised copy of it.
  const note = await lackOfSpace(context.scratch, 2 * memory * dim * 4 + MARGIN_BYTES);
  if (note !== null) {
    yield { ...large, note };
    return;
  }
  context.say(`memory: a run with a memory of ${memory} x ${dim}`);
  const size = { dims: [dim, dim], outputDim: dim, queries, memory, items: 64, batchSize: 64, epochs: 1, threads: context.threads };
  const experiment = await writeExperiment(join(context.scratch, "large"), size);
  const { peak, seconds } = await peakOfRun("large", [experiment], context);
  yield { ...large, measured: peak, details: { memory, dim, queries, seconds } };
}
