import { createHash } from "node:crypto";

import type { ServerDuplexStream } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";

import { ConnectorClient } from "../../../src/bridge/connectorClient.js";
import type { StepReport as WireReport, TrainFinished, TrainRequest, TrainResponse } from "../../../src/bridge/gen/cmcr/v1/connector.js";
import type { StepReport, TrainingRequest, TrainingStart } from "../../../src/bridge/types.js";
import type { PlannedStep } from "../../../src/connect/plan.js";
import { failureOf, until } from "../../helpers/failures.js";
import { failure, fakeWorker } from "./fakeWorker.js";

const HEAD = { preset: "audio-visual", inputDim: 4, outputDim: 3, layers: [] } as const;
const START: TrainingStart = {
  runId: "a-run",
  sides: [
    { space: "sight", head: HEAD, overlap: { handle: "t1", rows: 9, dim: 4 }, pseudo: { handle: "v", rows: 9, dim: 4 } },
    { space: "hearing", head: HEAD, overlap: { handle: "t2", rows: 9, dim: 4 }, pseudo: null },
  ],
  initialization: "xavier",
  seed: 2 ** 53 - 1,
  batchNorm: "apart",
  optimizer: { type: "sgd", betas: [0.8, 0.99], epsilon: 1e-9, momentum: 0.5, maxGradientNorm: null },
};

function step(number: number): PlannedStep {
  return {
    number,
    epoch: 0,
    // A view into the middle of a larger buffer, as a batch of a permutation is.
    rows: Uint32Array.from([99, number, number + 1, 99]).subarray(1, 3),
    noiseSeed: 2 ** 53 - 1 - number,
    learningRate: 0.1,
    weightDecay: 0.2,
    noiseVariance: 0.3,
    overlapWeight: 1,
    overlapTemperature: 0.4,
    pseudoWeight: 0,
    pseudoTemperature: 0.5,
    intraWeight: 0.6,
  };
}

function* steps(count: number, pulled: number[] = []): Generator<PlannedStep> {
  for (let number = 0; number < count; number += 1) {
    pulled.push(number);
    yield step(number);
  }
}

const report = (number: number, changes: Partial<WireReport> = {}): WireReport => ({ number, loss: 1 + number, overlap: 2, pseudo: undefined, intra: undefined, gradientNorms: [0.5, 0.25], seconds: 0.01, ...changes });
const reports = (...of: readonly WireReport[]): TrainResponse => ({ part: { $case: "reports", value: { steps: [...of] } } });

const WEIGHTS = Buffer.from(Array.from({ length: 3000 }, (_, index) => index % 251));
const FINISHED: TrainFinished = { steps: 4, bytes: WEIGHTS.length, sha256: createHash("sha256").update(WEIGHTS).digest("hex") };

type Call = ServerDuplexStream<TrainRequest, TrainResponse>;

function end(call: Call, finished: TrainFinished | null, ...chunks: readonly Buffer[]): void {
  if (finished !== null) call.write({ part: { $case: "finished", value: finished } });
  for (const chunk of chunks) call.write({ part: { $case: "chunk", value: chunk } });
  call.end();
}

/** A worker that reports each block at once, and ends with `finished` and `chunks`. */
function obedient(finished: TrainFinished | null, ...chunks: readonly Buffer[]) {
  return (call: Call): void => {
    call.on("data", ({ part }: TrainRequest) => {
      if (part?.$case === "start") call.write({ part: { $case: "started", value: { parameters: 10 } } });
      if (part?.$case === "block") call.write(reports(...part.value.steps.map(({ number }) => report(number))));
    });
    call.on("end", () => {
      end(call, finished, ...chunks);
    });
  };
}

async function train(handler: (call: Call) => void, changes: Partial<TrainingRequest> = {}, signal?: AbortSignal) {
  const fake = await fakeWorker({ connectors: { train: handler } });
  const client = new ConnectorClient(fake.channel(signal === undefined ? {} : { signal }));
  return client.train({ start: START, steps: steps(4), stepsPerMessage: 2, onReports: () => undefined, ...changes });
}

describe("what is sent", () => {
  it("is the start and every step of the plan, in order and many to a message", async () => {
    const received: TrainRequest[] = [];
    await train(
      (call) => {
        call.on("data", (message: TrainRequest) => received.push(message));
        obedient({ ...FINISHED, steps: 5 }, WEIGHTS)(call);
      },
      { steps: steps(5) },
    );
    const [start, ...blocks] = received.map(({ part }) => part);
    expect(start).toEqual({
      $case: "start",
      value: {
        runId: "a-run",
        sides: [
          { space: "sight", head: { ...HEAD, members: 0 }, overlap: "t1", pseudo: "v" },
          { space: "hearing", head: { ...HEAD, members: 0 }, overlap: "t2", pseudo: "" },
        ],
        initialization: 3,
        seed: 2 ** 53 - 1,
        batchNorm: 2,
        optimizer: 3,
        beta1: 0.8,
        beta2: 0.99,
        epsilon: 1e-9,
        momentum: 0.5,
        maxGradientNorm: 0,
      },
    });
    const sent = blocks.map((part) => (part?.$case === "block" ? part.value.steps : []));
    expect(sent.map((block) => block.length)).toEqual([1, 2, 2]);
    for (const [number, wire] of sent.flat().entries()) {
      const { rows, epoch, ...rest } = step(number);
      expect(epoch).toBe(0);
      expect(wire).toEqual({ ...rest, rows: Buffer.from(Uint32Array.from(rows).buffer) });
    }
  });

  it("has every kind of layer", async () => {
    let layers: unknown;
    const head = { ...HEAD, preset: "layers", layers: [{ kind: "linear", outputs: 8 }, { kind: "batchnorm" }, { kind: "relu" }, { kind: "gelu" }] } as const;
    const start: TrainingStart = { ...START, sides: [{ ...START.sides[0], head }, START.sides[1]] };
    await train(
      (call) => {
        call.on("data", ({ part }: TrainRequest) => {
          if (part?.$case === "start") layers = part.value.sides[0]?.head?.layers.map(({ kind }) => kind);
        });
        obedient(FINISHED, WEIGHTS)(call);
      },
      { start },
    );
    expect(layers).toEqual([{ $case: "linear", value: 8 }, { $case: "batchNorm", value: {} }, { $case: "relu", value: {} }, { $case: "gelu", value: {} }]);
  });
});

describe("what comes back", () => {
  it("are the reports, absent terms as null, and the weights", async () => {
    const seen: StepReport[] = [];
    const trained = await train(obedient(FINISHED, WEIGHTS.subarray(0, 1), WEIGHTS.subarray(1, 2000), WEIGHTS.subarray(2000)), {
      onReports: (batch) => seen.push(...batch),
    });
    expect(trained).toEqual({ data: WEIGHTS, sha256: FINISHED.sha256, steps: 4 });
    expect(seen).toEqual(
      [0, 1, 2, 3].map((number) => ({ step: number, loss: 1 + number, overlap: 2, pseudo: null, intra: null, gradientNorms: [0.5, 0.25], seconds: 0.01 })),
    );
  });

  const flipped = Buffer.from(WEIGHTS);
  flipped.writeUInt8(flipped.readUInt8(1500) ^ 1, 1500);
  it.each([
    ["with a byte changed", FINISHED, [flipped]],
    ["with a byte too few", FINISHED, [WEIGHTS.subarray(1)]],
    ["twice", FINISHED, [WEIGHTS, WEIGHTS]],
    ["not at all", FINISHED, []],
    ["of another length than announced", { ...FINISHED, bytes: WEIGHTS.length + 1 }, [WEIGHTS]],
    ["of another checksum than announced", { ...FINISHED, sha256: "0".repeat(64) }, [WEIGHTS]],
    ["without an announcement", null, [WEIGHTS]],
  ] as const)("are refused when the weights come %s", async (_, finished, chunks) => {
    const error = await failureOf(train(obedient(finished, ...chunks)));
    expect(error).toMatchObject({ code: 4, reason: "CHECKSUM_MISMATCH" });
  });

  it("is an error with exit 5 when a loss is not finite, with its step", async () => {
    const error = await failureOf(
      train((call) => {
        call.emit("error", failure(status.FAILED_PRECONDITION, "the loss is not finite (nan) at step 3", { reason: 12, remedy: "Lower the learning rate.", step: 3 }));
      }),
    );
    expect(error).toMatchObject({ code: 5, reason: "NON_FINITE", step: 3, message: "the loss is not finite (nan) at step 3. Lower the learning rate." });
  });
});

describe("the window", () => {
  const WINDOW = 8;

  /** Lets everything that is on its way arrive. */
  const settle = () => new Promise((resolve) => setTimeout(resolve, 150));

  it("keeps at most eight messages under way that the worker has not reported on", async () => {
    const pulled: number[] = [];
    let blocks = 0;
    let call: Call | undefined;
    const training = train(
      (opened) => {
        call = opened;
        opened.on("data", ({ part }: TrainRequest) => {
          if (part?.$case === "block") blocks += 1;
        });
        opened.on("end", () => {
          end(opened, { ...FINISHED, steps: 57 }, WEIGHTS);
        });
      },
      { steps: steps(57, pulled), stepsPerMessage: 3 },
    );
    await until("the first window", () => blocks === WINDOW);
    await settle();
    expect(blocks).toBe(WINDOW);
    // Of the plan no more was made than the next message needs.
    expect(pulled.length).toBeLessThanOrEqual((WINDOW + 1) * 3);
    for (let reported = 1; reported <= 12; reported += 1) {
      call?.write(reports(report(reported - 1)));
      await until("the next message", () => blocks === WINDOW + reported);
    }
    await settle();
    expect(blocks).toBe(20);
    await training;
  });

  it("does not hold back a plan that is shorter", async () => {
    const trained = await train(obedient({ ...FINISHED, steps: 0 }, WEIGHTS), { steps: [] });
    expect(trained.steps).toBe(0);
  });

  it("does not keep a training that the worker ends early", async () => {
    const error = await failureOf(
      train(
        (call) => {
          let blocks = 0;
          call.on("data", ({ part }: TrainRequest) => {
            if (part?.$case === "block" && (blocks += 1) === WINDOW) call.end();
          });
        },
        { steps: steps(1000) },
      ),
    );
    expect(error).toMatchObject({ code: 4, reason: "CHECKSUM_MISMATCH" });
  });
});

describe("a failure on our side", () => {
  it("in the plan ends the call at the worker", async () => {
    let cancelled = false;
    const broken = new Error("the plan broke");
    // Beyond the window, so that the worker is known to have the call.
    function* plan(): Generator<PlannedStep> {
      yield* steps(20);
      throw broken;
    }
    const handler = (call: Call): void => {
      call.on("cancelled", () => (cancelled = true));
      obedient(FINISHED, WEIGHTS)(call);
    };
    await expect(train(handler, { steps: plan(), stepsPerMessage: 1 })).rejects.toBe(broken);
    await until("the end of the call at the worker", () => cancelled);
  });

  it("in whoever hears the reports ends the call at the worker", async () => {
    let cancelled = false;
    const full = new Error("the disk is full");
    const handler = (call: Call): void => {
      call.on("cancelled", () => (cancelled = true));
      obedient(FINISHED, WEIGHTS)(call);
    };
    // More steps than a window, so that the worker waits for more.
    await expect(train(handler, { steps: steps(10_000), onReports: () => { throw full; } })).rejects.toBe(full);
    await until("the end of the call at the worker", () => cancelled);
  });

  it("by a number that no message can hold is an error with exit 4", async () => {
    const error = await failureOf(train(obedient(FINISHED, WEIGHTS), { steps: [{ ...step(0), noiseSeed: -1 }] }));
    expect(error).toMatchObject({ code: 4, reason: "INTERNAL" });
    expect(error.message).toContain("Train");
  });
});
