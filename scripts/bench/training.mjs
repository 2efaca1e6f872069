// @ts-check
/** One training through the whole bridge, and how much of its time was not the trainer's steps. */
import { trainingPlan } from "../../dist/connect/plan.js";
import { STEPS_PER_MESSAGE } from "../../dist/run/stages/connect.js";

/** The start of a training, as the connect stage makes it for a preset head and a given joint dimension. */
function trainingStart({ connect, name, seed }, plan, overlap, pseudo) {
  const side = (index) => ({
    space: connect.sides[index].space,
    head: { preset: connect.projector.preset, inputDim: overlap[index].dim, outputDim: connect.projector.dim, layers: [] },
    overlap: overlap[index],
    pseudo: pseudo[index],
  });
  return {
    runId: `${name}-${seed}`,
    sides: [side(0), side(1)],
    initialization: connect.projector.initialization,
    seed: plan.weightsSeed,
    batchNorm: connect.projector.batchNorm,
    optimizer: connect.optimizer,
  };
}

/**
 * Trains on matrices that the worker has opened. The clock starts before the first block of steps
 * is planned and stops with the last report: planning, coding of messages, the socket, the queues
 * and the making of the trainer are all in it.
 *
 * @returns wall time and the sum of the steps' times in seconds, the number of steps, and the
 *   overhead (wall - steps) / wall
 */
export async function trainThroughBridge(worker, experiment, overlap, pseudo) {
  const plan = trainingPlan(experiment.connect, { queries: overlap[0].rows, seed: experiment.seed });
  let began = Number.NaN;
  let ended = Number.NaN;
  let stepSeconds = 0;
  let steps = 0;
  function* planned() {
    began = performance.now();
    yield* plan.steps();
  }
  await worker.connectors.train({
    start: trainingStart(experiment, plan, overlap, pseudo),
    steps: planned(),
    stepsPerMessage: STEPS_PER_MESSAGE,
    onReports(reports) {
      ended = performance.now();
      for (const { seconds } of reports) stepSeconds += seconds;
      steps += reports.length;
    },
  });
  if (steps !== plan.totalSteps) throw new Error(`${steps} steps were reported of ${plan.totalSteps}`);
  const wallSeconds = (ended - began) / 1000;
  return { wallSeconds, stepSeconds, steps, overhead: (wallSeconds - stepSeconds) / wallSeconds };
}
