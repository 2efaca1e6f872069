import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { PlannedStep } from "../connect/plan.js";
import { CmcrError, EXIT } from "../errors.js";
import { bytesOf } from "./arrays.js";
import { type CallContext, converse } from "./calls.js";
import type { Head, StepReport, TrainedProjectors, TrainingRequest, TrainingSide } from "./types.js";
import {
  BatchNormMode,
  type ConnectorServiceClient,
  type Head as WireHead,
  Initialization,
  type Layer,
  OptimizerKind,
  type Step,
  type StepReport as WireReport,
  type TrainFinished,
  type TrainRequest,
  type TrainSide,
} from "./gen/cmcr/v1/connector.js";

/** Messages under way that the worker has not reported on yet: enough that it never waits for us. */
const WINDOW = 8;

const INITIALIZATIONS = {
  default: Initialization.INITIALIZATION_DEFAULT,
  eye: Initialization.INITIALIZATION_EYE,
  xavier: Initialization.INITIALIZATION_XAVIER,
} as const;
const BATCH_NORM_MODES = {
  together: BatchNormMode.BATCH_NORM_MODE_TOGETHER,
  apart: BatchNormMode.BATCH_NORM_MODE_APART,
} as const;
const OPTIMIZERS = {
  adamw: OptimizerKind.OPTIMIZER_KIND_ADAMW,
  adam: OptimizerKind.OPTIMIZER_KIND_ADAM,
  sgd: OptimizerKind.OPTIMIZER_KIND_SGD,
} as const;

/** Lets `limit` messages be under way at once. */
class Window {
  #used = 0;
  #waiting: (() => void) | undefined;
  constructor(private readonly limit: number) {}
  async enter(): Promise<void> {
    while (this.#used >= this.limit) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    this.#used += 1;
  }
  leave(): void {
    this.#used -= 1;
    this.#waiting?.();
    this.#waiting = undefined;
  }
}

/** Sends the plan, many steps to a message, and gathers reports and, at the end, the weights. */
export async function train(context: CallContext, client: ConnectorServiceClient, request: TrainingRequest): Promise<TrainedProjectors> {
  const window = new Window(WINDOW);
  async function* messages(): AsyncGenerator<TrainRequest> {
    const { start } = request;
    yield {
      part: {
        $case: "start",
        value: {
          runId: start.runId,
          sides: start.sides.map(wireSide),
          initialization: INITIALIZATIONS[start.initialization],
          seed: start.seed,
          batchNorm: BATCH_NORM_MODES[start.batchNorm],
          optimizer: OPTIMIZERS[start.optimizer.type],
          beta1: start.optimizer.betas[0],
          beta2: start.optimizer.betas[1],
          epsilon: start.optimizer.epsilon,
          momentum: start.optimizer.momentum,
          maxGradientNorm: start.optimizer.maxGradientNorm ?? 0,
        },
      },
    };
    // What is written leaves only when the event loop turns: the worker makes its trainer while
    // the first block is planned, and takes the first steps while the next is.
    await nextTurn();
    for (const steps of blocks(request.steps, request.stepsPerMessage)) {
      await window.enter();
      yield { part: { $case: "block", value: { steps } } };
      await nextTurn();
    }
  }

  const chunks: Buffer[] = [];
  let finished: TrainFinished | undefined;
  await converse(
    context,
    "Train",
    (metadata, options) => client.train(metadata, options),
    messages(),
    ({ part }) => {
      switch (part?.$case) {
        case "reports":
          window.leave();
          request.onReports(part.value.steps.map(stepReport));
          break;
        case "finished":
          finished = part.value;
          break;
        case "chunk":
          chunks.push(part.value);
          break;
        case "started":
        case undefined:
          break;
      }
    },
  );
  const data = Buffer.concat(chunks);
  const sha256 = createHash("sha256").update(data).digest("hex");
  if (finished === undefined || finished.bytes !== data.length || finished.sha256 !== sha256) {
    throw new CmcrError("the projectors that came from the worker are not the ones that it sent", {
      code: EXIT.worker,
      reason: "CHECKSUM_MISMATCH",
    });
  }
  return { data, sha256, steps: finished.steps };
}

/** Blocks of 1, 2, 4 … steps up to `most`: the worker has its first step before many are planned. */
function* blocks(steps: Iterable<PlannedStep>, most: number): Generator<Step[]> {
  let size = 1;
  let block: Step[] = [];
  for (const step of steps) {
    block.push(wireStep(step));
    if (block.length < size) continue;
    yield block;
    block = [];
    size = Math.min(2 * size, most);
  }
  if (block.length > 0) yield block;
}

function wireStep(step: PlannedStep): Step {
  return {
    number: step.number,
    rows: bytesOf(step.rows),
    noiseSeed: step.noiseSeed,
    learningRate: step.learningRate,
    weightDecay: step.weightDecay,
    noiseVariance: step.noiseVariance,
    overlapWeight: step.overlapWeight,
    overlapTemperature: step.overlapTemperature,
    pseudoWeight: step.pseudoWeight,
    pseudoTemperature: step.pseudoTemperature,
    intraWeight: step.intraWeight,
  };
}

function wireSide(side: TrainingSide): TrainSide {
  return {
    space: side.space,
    head: wireHead(side.head),
    overlap: side.overlap.handle,
    pseudo: side.pseudo?.handle ?? "",
  };
}

function wireHead(head: Head): WireHead {
  return {
    preset: head.preset,
    inputDim: head.inputDim,
    outputDim: head.outputDim,
    members: 0,
    layers: head.layers.map((layer): Layer => {
      switch (layer.kind) {
        case "linear":
          return { kind: { $case: "linear", value: layer.outputs } };
        case "batchnorm":
          return { kind: { $case: "batchNorm", value: {} } };
        case "relu":
          return { kind: { $case: "relu", value: {} } };
        case "gelu":
          return { kind: { $case: "gelu", value: {} } };
      }
    }),
  };
}

function stepReport(report: WireReport): StepReport {
  return {
    step: report.number,
    loss: report.loss,
    overlap: report.overlap ?? null,
    pseudo: report.pseudo ?? null,
    intra: report.intra ?? null,
    gradientNorms: report.gradientNorms,
    seconds: report.seconds,
  };
}
