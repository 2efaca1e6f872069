import { describe, expect, it } from "vitest";

import type { CompiledConnect } from "../../../src/config/compiled.js";
import { trainingPlan } from "../../../src/connect/plan.js";
import { CmcrError } from "../../../src/errors.js";

const connect: CompiledConnect = {
  method: "cmcr",
  overlap: "captions",
  sides: [
    { space: "sight", memory: "images" },
    { space: "hearing", memory: "sounds" },
  ],
  consistency: { mode: "softmax", temperature: 0.01 },
  completion: { variance: { kind: "constant", from: 0.004 } },
  projector: { preset: "audio-visual", dim: null, layers: [[], []], initialization: "default", batchNorm: "together" },
  loss: {
    overlap: { weight: { kind: "linear", from: 1, to: 0 }, temperature: { kind: "constant", from: 0.2 } },
    pseudo: { weight: { kind: "constant", from: 1 }, temperature: { kind: "step", from: 0.4, factor: 0.5, milestones: [0.5] } },
    intra: { weight: { kind: "constant", from: 0.1 } },
  },
  optimizer: {
    type: "adamw",
    lr: { kind: "cosine", from: 1e-3, to: 0 },
    weightDecay: { kind: "constant", from: 0.01 },
    betas: [0.9, 0.999],
    epsilon: 1e-8,
    momentum: 0,
    maxGradientNorm: null,
  },
  batchSize: 4,
  epochs: 3,
  lastBatch: "drop",
};

describe("trainingPlan", () => {
  it("numbers the steps without a gap and schedules every value over all of them", () => {
    const plan = trainingPlan(connect, { queries: 10, seed: 1 });
    expect(plan).toMatchObject({ totalSteps: 6, stepsPerEpoch: 2, epochs: 3, queries: 10, batchSize: 4, usesPseudo: true });
    const steps = [...plan.steps()];
    expect(steps.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(steps.map(({ epoch }) => epoch)).toEqual([0, 0, 1, 1, 2, 2]);
    expect(steps.map(({ overlapWeight }) => overlapWeight)).toEqual([1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6].map((weight) => expect.closeTo(weight, 12) as number));
    expect(steps.map(({ pseudoTemperature }) => pseudoTemperature)).toEqual([0.4, 0.4, 0.4, 0.2, 0.2, 0.2]);
    expect(steps[0]).toMatchObject({ learningRate: 1e-3, weightDecay: 0.01, noiseVariance: 0.004, overlapTemperature: 0.2, pseudoWeight: 1, intraWeight: 0.1 });
    expect(steps[3]?.learningRate).toBeCloseTo(5e-4, 12);
    expect(new Set(steps.map(({ noiseSeed }) => noiseSeed)).size).toBe(6);
  });

  it("gives the same steps again, and the same ones when it starts in the middle", () => {
    const plan = trainingPlan(connect, { queries: 10, seed: 1 });
    const all = [...plan.steps()];
    expect([...plan.steps()]).toEqual(all);
    expect([...plan.steps(3)]).toEqual(all.slice(3));
    expect([...plan.steps(6)]).toEqual([]);
  });

  it("leaves switched-off terms and noise out by a weight or variance of 0", () => {
    const off = { ...connect, completion: null, loss: { ...connect.loss, pseudo: null, intra: null } };
    const plan = trainingPlan(off, { queries: 10, seed: 1 });
    expect(plan.usesPseudo).toBe(false);
    const [step] = plan.steps();
    expect(step).toMatchObject({ noiseVariance: 0, pseudoWeight: 0, intraWeight: 0, overlapWeight: 1 });
    expect(step?.pseudoTemperature).toBeGreaterThan(0);
  });

  it("uses pseudo items when only the intra loss does", () => {
    const intraOnly = { ...connect, loss: { ...connect.loss, pseudo: null } };
    expect(trainingPlan(intraOnly, { queries: 10, seed: 1 }).usesPseudo).toBe(true);
  });

  it("changes batches, noise and weights with the seed", () => {
    const [one, two] = [1, 2].map((seed) => trainingPlan(connect, { queries: 100, seed }));
    const [first] = one?.steps() ?? [];
    const [second] = two?.steps() ?? [];
    expect(first?.rows).not.toEqual(second?.rows);
    expect(first?.noiseSeed).not.toBe(second?.noiseSeed);
    expect(one?.weightsSeed).not.toBe(two?.weightsSeed);
  });

  it("makes steps as they are asked for", () => {
    const huge = trainingPlan({ ...connect, epochs: 1_000_000_000 }, { queries: 10, seed: 1 });
    expect(huge.totalSteps).toBe(2_000_000_000);
    expect(huge.steps().next().value).toMatchObject({ number: 0 });
  });

  it("takes the whole overlap as its one batch where it is smaller than a batch, and the last one is kept", () => {
    const plan = trainingPlan({ ...connect, batchSize: 1000, lastBatch: "keep" }, { queries: 10, seed: 1 });
    expect(plan.totalSteps).toBe(connect.epochs);
    expect([...plan.steps()].map(({ rows }) => [...rows].sort((a, b) => a - b))).toEqual(Array.from({ length: connect.epochs }, () => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    expect(() => trainingPlan({ ...connect, lastBatch: "keep" }, { queries: 1, seed: 1 })).toThrow(CmcrError);
  });

  it("refuses a batch that is larger than the overlap", () => {
    const attempt = (): unknown => trainingPlan(connect, { queries: 3, seed: 1 });
    expect(attempt).toThrow(CmcrError);
    expect(attempt).toThrow(
      "connect.batchSize: expected at most the number of items of captions, which is 3, found 4. Run it again with --set connect.batchSize=3 or less, with --set connect.lastBatch=keep, or with more overlap items.",
    );
    expect(attempt).toThrow(expect.objectContaining({ code: 2, reason: "IMPOSSIBLE_VALUE", path: "connect.batchSize" }) as Error);
  });
});
