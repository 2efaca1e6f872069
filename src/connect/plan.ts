import type { CompiledConnect, CompiledContrastiveTerm, Schedule } from "../config/compiled.js";
import { usageError } from "../errors.js";
import { batchesPerEpoch, epochBatches } from "./batches.js";
import { deriveSeed } from "./random.js";
import { evaluateSchedule } from "./schedules.js";

/** All that one training step depends on. A weight of 0 leaves its term out. */
export interface PlannedStep {
  /** Counted from 0 through all epochs. */
  readonly number: number;
  readonly epoch: number;
  /** Rows of the overlap in this batch. */
  readonly rows: Uint32Array;
  /** Draws the completion noise; below 2^53. */
  readonly noiseSeed: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Variance per element of the completion noise; 0: none. */
  readonly noiseVariance: number;
  readonly overlapWeight: number;
  readonly overlapTemperature: number;
  readonly pseudoWeight: number;
  readonly pseudoTemperature: number;
  readonly intraWeight: number;
}

/** A training from the first step to the last. */
export interface TrainingPlan {
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
  readonly epochs: number;
  readonly queries: number;
  readonly batchSize: number;
  /** Draws the initial weights; below 2^53. */
  readonly weightsSeed: number;
  /** Whether any term of the loss uses the pseudo items at any step. */
  readonly usesPseudo: boolean;
  /** The steps in order, made as they are asked for; each call starts anew, at `first` if given. */
  readonly steps: (first?: number) => Generator<PlannedStep, void>;
}

export interface PlanSize {
  /** Items of the overlap. */
  readonly queries: number;
  /** The experiment's seed. */
  readonly seed: number;
}

/** Of a term that is off: its weight is 0, and its temperature only has to be one. */
const OFF: CompiledContrastiveTerm = { weight: { kind: "constant", from: 0 }, temperature: { kind: "constant", from: 1 } };
const ZERO: Schedule = { kind: "constant", from: 0 };

/**
 * Plans every step of a training: batches, seeds, and each scheduled value.
 * @throws CmcrError (exit 2) when a batch is larger than the overlap.
 */
export function trainingPlan(connect: CompiledConnect, { queries, seed }: PlanSize): TrainingPlan {
  const { batchSize, epochs, lastBatch } = connect;
  if (!hasBatch(connect, queries)) throw batchTooLarge(connect, queries);
  const settings = { queries, batchSize, lastBatch };
  const stepsPerEpoch = batchesPerEpoch(settings);
  const totalSteps = stepsPerEpoch * epochs;
  const overlap = connect.loss.overlap ?? OFF;
  const pseudo = connect.loss.pseudo ?? OFF;
  const intraWeight = connect.loss.intra?.weight ?? ZERO;
  const variance = connect.completion?.variance ?? ZERO;

  function* steps(first = 0): Generator<PlannedStep, void> {
    for (let epoch = Math.floor(first / stepsPerEpoch); epoch < epochs; epoch++) {
      let number = epoch * stepsPerEpoch;
      for (const rows of epochBatches(settings, seed, epoch)) {
        if (number >= first) yield step(number, epoch, rows);
        number += 1;
      }
    }
  }

  function step(number: number, epoch: number, rows: Uint32Array): PlannedStep {
    const at = (schedule: Schedule): number => evaluateSchedule(schedule, number, totalSteps);
    return {
      number,
      epoch,
      rows,
      noiseSeed: deriveSeed(seed, "noise", number),
      learningRate: at(connect.optimizer.lr),
      weightDecay: at(connect.optimizer.weightDecay),
      noiseVariance: at(variance),
      overlapWeight: at(overlap.weight),
      overlapTemperature: at(overlap.temperature),
      pseudoWeight: at(pseudo.weight),
      pseudoTemperature: at(pseudo.temperature),
      intraWeight: at(intraWeight),
    };
  }

  return {
    totalSteps,
    stepsPerEpoch,
    epochs,
    queries,
    batchSize,
    weightsSeed: deriveSeed(seed, "weights"),
    usesPseudo: !isZero(pseudo.weight) || !isZero(intraWeight),
    steps,
  };
}

function isZero(schedule: Schedule): boolean {
  return schedule.from === 0 && (!("to" in schedule) || schedule.to === 0);
}

/** Whether an epoch over so many queries has a batch at all: where the last one counts although it is not full, it may be the only one. */
export function hasBatch({ batchSize, lastBatch }: Pick<CompiledConnect, "batchSize" | "lastBatch">, queries: number): boolean {
  return batchesPerEpoch({ queries, batchSize, lastBatch }) > 0;
}

/** Says that a batch would be larger than the overlap. Exit 2. */
export function batchTooLarge(connect: CompiledConnect, queries: number): Error {
  return usageError(
    `connect.batchSize: expected at most the number of items of ${connect.overlap}, which is ${queries}, found ${connect.batchSize}. ` +
      `Run it again with --set connect.batchSize=${queries} or less, with --set connect.lastBatch=keep, or with more overlap items.`,
    { reason: "IMPOSSIBLE_VALUE", path: "connect.batchSize" },
  );
}
