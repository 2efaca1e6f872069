import { existsSync } from "node:fs";

import { type Client, type ClientDuplexStream, credentials, loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { createRequire } from "node:module";
import { describe, expect, it, onTestFinished } from "vitest";

import { InterruptedError, WorkerLostError } from "../../src/bridge/errors.js";
import { isRunning } from "../e2e/support/processes.js";
import { failureOf, until } from "../helpers/failures.js";
import { temporaryFolder } from "../helpers/temporaryFolder.js";
import { ownTemporaryFolder, pidOf, startedWorker } from "./realWorker.js";
import { matrixFile, smallRequest, smallTraining } from "./smallMatrices.js";

/** An endless training, for the worker to be in the middle of. */
const ENDLESS = Number.MAX_SAFE_INTEGER;

/** How soon the loss of a worker must be noticed. */
const NOTICED_MS = 2_000;

interface ReflectionAnswer {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] };
}

/** Asks the server's reflection service, as a program that knows nothing of it would. */
async function reflect(address: string, requests: readonly object[]): Promise<ReflectionAnswer[]> {
  const file = createRequire(import.meta.url).resolve("@grpc/reflection/build/proto/grpc/reflection/v1alpha/reflection.proto");
  const loaded = loadPackageDefinition(loadSync(file)) as unknown as {
    grpc: { reflection: { v1alpha: { ServerReflection: new (...args: unknown[]) => Client & { serverReflectionInfo(): ClientDuplexStream<object, ReflectionAnswer> } } } };
  };
  const client = new loaded.grpc.reflection.v1alpha.ServerReflection(address, credentials.createInsecure());
  try {
    const call = client.serverReflectionInfo();
    for (const request of requests) call.write(request);
    call.end();
    const answers: ReflectionAnswer[] = [];
    for await (const answer of call) answers.push(answer as ReflectionAnswer);
    return answers;
  } finally {
    client.close();
  }
}

describe("two workers at once", () => {
  it("are apart, answer health and reflection, and leave neither process nor socket", async () => {
    const temporary = ownTemporaryFolder();
    const workers = await Promise.all([startedWorker(), startedWorker()]);
    const pids = workers.map(pidOf);
    expect(new Set(pids).size).toBe(2);
    expect(temporary.leftBehind()).toHaveLength(2);
    expect(workers.map(({ info }) => info.pid)).toEqual(pids);
    expect(workers[0].info).toMatchObject({ protocolVersion: 1, device: "cpu", threads: 1 });
    for (const worker of workers) expect(await worker.health()).toBe("SERVING");

    const [listing, description] = await reflect(workers[0].process?.address ?? "", [{ listServices: "" }, { fileContainingSymbol: "cmcr.v1.WorkerService" }]);
    expect(listing?.listServicesResponse?.service.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["cmcr.v1.WorkerService", "cmcr.v1.EncoderService", "cmcr.v1.TensorService", "cmcr.v1.ConnectorService", "cmcr.v1.RetrievalService", "grpc.health.v1.Health"]),
    );
    expect(Buffer.concat([...(description?.fileDescriptorResponse?.fileDescriptorProto ?? [])]).toString("latin1")).toContain("GetInfo");

    await workers[0].close();
    expect(await workers[1].health()).toBe("SERVING");
    await workers[1].close();
    expect(pids.map(isRunning)).toEqual([false, false]);
    expect(temporary.leftBehind()).toEqual([]);
  });
});

describe("a worker in the middle of a training", () => {
  it("that is killed is missed at once, and for every call after that", async () => {
    const temporary = ownTemporaryFolder();
    const folder = temporaryFolder();
    const worker = await startedWorker({ roots: [folder] });
    const start = await smallTraining(worker, folder);
    let steps = 0;
    let killedAt = 0;
    const training = failureOf(
      worker.connectors.train(
        smallRequest(start, ENDLESS, (reports) => {
          steps += reports.length;
          if (steps < 20 || killedAt > 0) return;
          killedAt = performance.now();
          process.kill(pidOf(worker), "SIGKILL");
        }),
      ),
    );
    const error = await training;
    expect(performance.now() - killedAt).toBeLessThan(NOTICED_MS);
    expect(error).toBeInstanceOf(WorkerLostError);
    expect(error).toMatchObject({ code: 4, reason: "WORKER_LOST" });
    expect(error.message).toMatch(/was killed by SIGKILL[^]*Train/);

    const after = performance.now();
    expect(await failureOf(worker.connectors.train(smallRequest(start, 1)))).toBeInstanceOf(WorkerLostError);
    expect(performance.now() - after).toBeLessThan(NOTICED_MS);
    await worker.close();
    expect(temporary.leftBehind()).toEqual([]);
  });
});

describe("a worker in the middle of a long attention", () => {
  it("that is killed is missed at once, and leaves no half result", async () => {
    const folder = temporaryFolder();
    const worker = await startedWorker({ roots: [folder] });
    const memory = await worker.tensors.put(await matrixFile(folder, "memory.npy", 60_000, 16, 1));
    const queries = await worker.tensors.put(await matrixFile(folder, "queries.npy", 40_000, 16, 2));
    const target = { path: `${folder}/pseudo.npy` };
    let killedAt = 0;
    const error = await failureOf(
      worker.connectors.attend(queries, memory, 0.05, target, (done) => {
        if (done === 0 || killedAt > 0) return;
        killedAt = performance.now();
        process.kill(pidOf(worker), "SIGKILL");
      }),
    );
    expect(performance.now() - killedAt).toBeLessThan(NOTICED_MS);
    expect(error).toBeInstanceOf(WorkerLostError);
    expect(error.message).toMatch(/was killed by SIGKILL[^]*Attend/);
    expect(existsSync(target.path)).toBe(false);
  });
});

describe("an interruption", () => {
  it("stops training and attention at the worker, which then ends in order", async () => {
    const temporary = ownTemporaryFolder();
    const folder = temporaryFolder();
    const controller = new AbortController();
    const worker = await startedWorker({ roots: [folder], signal: controller.signal });
    onTestFinished(() => {
      controller.abort(new InterruptedError());
    });
    const start = await smallTraining(worker, folder);
    const memory = await worker.tensors.put(await matrixFile(folder, "memory.npy", 60_000, 16, 1));
    const queries = await worker.tensors.put(await matrixFile(folder, "queries.npy", 40_000, 16, 2));
    const reason = new InterruptedError("runs/a");
    let steps = 0;
    let rows = 0;
    const training = failureOf(worker.connectors.train(smallRequest(start, ENDLESS, (reports) => (steps += reports.length))));
    const attention = failureOf(worker.connectors.attend(queries, memory, 0.05, { path: `${folder}/pseudo.npy` }, (done) => (rows = done)));
    await until("both at work", () => steps > 0 && rows > 0);
    controller.abort(reason);
    expect(await training).toBe(reason);
    expect(await attention).toBe(reason);
    const closing = performance.now();
    await worker.close();
    expect(performance.now() - closing).toBeLessThan(4_000);
    expect(worker.process?.describeEnd()).toContain("ended with exit code 0");
    expect(existsSync(`${folder}/pseudo.npy`)).toBe(false);
    expect(temporary.leftBehind()).toEqual([]);
  });
});
