// @ts-check
/** The bridge: the part of a training's time that is not the trainer's steps. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "../../dist/bridge/worker.js";
import { parseExperiment } from "../../dist/config/load.js";
import { setupPaths } from "../../dist/setup/paths.js";
import { writeExperiment } from "./experiment.mjs";
import { median, rounded } from "./results.mjs";
import { trainThroughBridge } from "./training.mjs";

const QUERIES = 4096;
const STAND_IN = "bench.bridge_stand_in";
/** Seconds of the stand-in's step, as it is meant. */
const STAND_IN_SECONDS = 0.01;

/** The dimensions of the built-in spaces, where a step is shortest and the bridge counts most, and the paper's. */
const SMALL = { dims: [64, 48], outputDim: 48 };
const LARGE = { dims: [512, 512], outputDim: 512 };

/** Each with its batch sizes; a training has `epochs` passes over 4096 items. */
const FULL = [
  { shape: SMALL, batchSizes: [256, 512, 1024], epochs: 40, repeats: 5 },
  { shape: LARGE, batchSizes: [256], epochs: 4, repeats: 3 },
  { shape: SMALL, batchSizes: [512], epochs: 40, repeats: 5, module: STAND_IN },
];
const QUICK = [
  { shape: SMALL, batchSizes: [256], epochs: 4, repeats: 1 },
  { shape: SMALL, batchSizes: [512], epochs: 4, repeats: 1, module: STAND_IN },
];

/** Trains `repeats` times with each batch size, in turns, in one worker; gives the trainings of each size. */
async function trainings({ shape, batchSizes, epochs, repeats, module }, folder, { threads, signal }) {
  const size = { ...shape, queries: QUERIES, memory: 64, items: 64, batchSize: batchSizes[0], epochs, threads };
  const file = await writeExperiment(folder, size);
  const text = await readFile(file, "utf8");
  const { python, workerRoot } = setupPaths();
  const worker = await Worker.start({
    python,
    packageFolder: workerRoot,
    device: "cpu",
    threads,
    roots: [folder],
    signal,
    ...(module === undefined ? {} : { module }),
  });
  try {
    const overlap = [await worker.tensors.put(join(folder, "overlap-a.npy")), await worker.tensors.put(join(folder, "overlap-b.npy"))];
    const taken = new Map(batchSizes.map((batchSize) => [batchSize, []]));
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      for (const [batchSize, list] of taken) {
        const { experiment } = parseExperiment(text, file, { set: [`connect.batchSize=${batchSize}`] });
        // The overlap stands in for the pseudo items: a step costs the same whatever the rows hold.
        list.push(await trainThroughBridge(worker, experiment, overlap, overlap));
      }
    }
    return taken;
  } finally {
    await worker.close();
  }
}

function describe(taken, batchSize, { shape: { dims, outputDim }, module }) {
  const overheads = taken.map(({ overhead }) => overhead);
  const details = {
    batchSize,
    dims,
    outputDim,
    steps: taken[0].steps,
    stepMs: rounded(median(taken.map(({ stepSeconds, steps }) => (1000 * stepSeconds) / steps))),
    overheads: overheads.map(rounded),
  };
  if (module === undefined) {
    const name = `overhead-${dims[0]}-batch-${batchSize}`;
    return { name, what: `bridge's part of a training, ${dims.join(" and ")} to ${outputDim}, batch ${batchSize}`, unit: "fraction", measured: median(overheads), bar: { atMost: 0.02 }, details };
  }
  // A sleep lasts longer than asked for; against the 10 ms that were meant, that counts as overhead too.
  const nominal = taken.map(({ wallSeconds, steps }) => (wallSeconds - steps * STAND_IN_SECONDS) / wallSeconds);
  return {
    name: "overhead-stand-in",
    what: "bridge's part of a training with a 10 ms stand-in step",
    unit: "fraction",
    measured: median(overheads),
    bar: { atMost: 0.03 },
    details: { ...details, againstNominal: rounded(median(nominal)) },
  };
}

/** Overheads of real trainings and of the stand-in's. */
export async function* measureBridge(context) {
  for (const [index, plan] of (context.quick ? QUICK : FULL).entries()) {
    context.say(`bridge: ${plan.module === undefined ? `trainings of ${plan.shape.dims.join(" and ")} dimensions` : "trainings with the stand-in step"}`);
    const taken = await trainings(plan, join(context.scratch, `bridge-${index}`), context);
    for (const [batchSize, list] of taken) yield describe(list, batchSize, plan);
  }
}
