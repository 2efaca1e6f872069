import { join } from "node:path";

import type { TrainingRequest, TrainingStart } from "../../src/bridge/types.js";
import type { Worker } from "../../src/bridge/worker.js";
import type { PlannedStep } from "../../src/connect/plan.js";
import { writeNpy } from "../../src/data/npy.js";

/** A .npy of rows of length one that depend on the seed alone, (rows, dim) float32. */
export async function matrixFile(folder: string, name: string, rows: number, dim: number, seed: number): Promise<string> {
  const values = new Float32Array(rows * dim);
  let state = seed;
  for (let row = 0; row < rows; row += 1) {
    let norm = 0;
    for (let column = 0; column < dim; column += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const value = state / 2 ** 31 - 1;
      values[row * dim + column] = value;
      norm += value * value;
    }
    for (let column = 0; column < dim; column += 1) values[row * dim + column] = (values[row * dim + column] ?? 0) / Math.sqrt(norm);
  }
  const path = join(folder, name);
  await writeNpy(path, values, [rows, dim]);
  return path;
}

/** A training on the worker that has as many steps as are asked for; 8 and 6 dimensions, 64 rows. */
export async function smallTraining(worker: Worker, folder: string): Promise<TrainingStart> {
  const side = async (space: string, inputDim: number, seed: number) =>
    ({
      space,
      head: { preset: "audio-visual", inputDim, outputDim: 4, layers: [] },
      overlap: await worker.tensors.put(await matrixFile(folder, `${space}-overlap.npy`, 64, inputDim, seed)),
      pseudo: await worker.tensors.put(await matrixFile(folder, `${space}-pseudo.npy`, 64, inputDim, seed + 1)),
    }) as const;
  return {
    runId: "small",
    sides: [await side("sight", 8, 1), await side("hearing", 6, 3)],
    initialization: "default",
    seed: 5,
    batchNorm: "together",
    optimizer: { type: "adamw", betas: [0.9, 0.999], epsilon: 1e-8, momentum: 0, maxGradientNorm: null },
  };
}

/** Steps 0, 1, 2 … of `smallTraining`, `count` of them. */
export function* smallSteps(count: number): Generator<PlannedStep> {
  for (let number = 0; number < count; number += 1) {
    yield {
      number,
      epoch: 0,
      rows: Uint32Array.from({ length: 32 }, (_, index) => (index * 7 + number) % 64),
      noiseSeed: number,
      learningRate: 1e-3,
      weightDecay: 0.01,
      noiseVariance: 0.004,
      overlapWeight: 1,
      overlapTemperature: 0.1,
      pseudoWeight: 1,
      pseudoTemperature: 0.1,
      intraWeight: 0.1,
    };
  }
}

/** A request for such a training. */
export function smallRequest(start: TrainingStart, steps: number, onReports: TrainingRequest["onReports"] = () => undefined): TrainingRequest {
  return { start, steps: smallSteps(steps), stepsPerMessage: 4, onReports };
}
