import { createServer } from "node:net";
import { join } from "node:path";

import { type Client, credentials, loadPackageDefinition, type ServiceError, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { describe, expect, it, onTestFinished } from "vitest";

import { InterruptedError } from "../../../src/bridge/errors.js";
import type { GetInfoResponse } from "../../../src/bridge/gen/cmcr/v1/worker.js";
import { PROTOCOL_VERSION, Worker } from "../../../src/bridge/worker.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";
import { failure, type FakeAnswers, fakeWorker, INFO } from "./fakeWorker.js";

const answering = (changes: Partial<GetInfoResponse>): FakeAnswers => ({ worker: { getInfo: (_, answer) => { answer(null, { ...INFO, ...changes }); } } });

async function connected(answers: FakeAnswers): Promise<Worker> {
  const { address } = await fakeWorker(answers);
  const worker = await Worker.connect(address, undefined, 2_000);
  onTestFinished(() => worker.close());
  return worker;
}

describe("connecting to a worker", () => {
  it("asks who answers", async () => {
    const worker = await connected(answering({ device: "cuda:1", encoders: ["builtin"] }));
    expect(worker.info).toEqual({ ...INFO, device: "cuda:1", encoders: ["builtin"] });
    expect(worker.process).toBeNull();
  });

  it("hands files over only to one on this machine that has folders to read", async () => {
    expect((await connected(answering({ roots: [] }))).sharesFiles).toBe(false);
    expect((await connected(answering({ roots: ["/data"] }))).sharesFiles).toBe(true);
  });

  it.each([
    [PROTOCOL_VERSION - 1, "Upgrade the worker."],
    [PROTOCOL_VERSION + 1, "Upgrade cmcr."],
  ])("refuses protocol %i, and says which side to upgrade", async (protocolVersion, remedy) => {
    const error = await failureOf(connected(answering({ protocolVersion })));
    expect(error).toMatchObject({ code: 4, reason: "PROTOCOL_MISMATCH" });
    expect(error.message).toContain(remedy);
  });

  it("refuses a number beyond 2^53, which would lose its last digits", async () => {
    const error = await failureOf(connected(answering({ pid: 2 ** 53 + 2 })));
    expect(error).toMatchObject({ code: 4, reason: "INTERNAL" });
    expect(error.message).toContain("MAX_SAFE_INTEGER");
  });

  it("passes on a worker's own failure", async () => {
    const error = await failureOf(connected({ worker: { getInfo: (_, answer) => { answer(failure(status.FAILED_PRECONDITION, "no such device", { reason: 13 })); } } }));
    expect(error).toMatchObject({ code: 4, reason: "DEVICE_UNAVAILABLE" });
  });

  it("says that nobody is there, at a socket that is not there, and at one that nobody answers on", async () => {
    const folder = temporaryFolder();
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(join(folder, "silent.sock"), resolve));
    onTestFinished(() => void silent.close());
    for (const name of ["none.sock", "silent.sock"]) {
      const error = await failureOf(Worker.connect(`unix:${join(folder, name)}`, undefined, 300));
      expect(error).toMatchObject({ code: 4, reason: "WORKER_LOST" });
      expect(error.message).toContain(name);
    }
  });

  it("gives up on one that is connected and does not answer", async () => {
    const { address } = await fakeWorker({ worker: { getInfo: () => undefined } });
    const error = await failureOf(Worker.connect(address, undefined, 100));
    expect(error).toMatchObject({ code: 4, reason: "WORKER_LOST" });
  });

  it("is interrupted by its signal", async () => {
    const controller = new AbortController();
    const connecting = failureOf(Worker.connect(`unix:${join(temporaryFolder(), "none.sock")}`, controller.signal));
    controller.abort(new InterruptedError());
    expect((await connecting).code).toBe(130);
  });
});

describe("another program", () => {
  it("calls the worker by the .proto files alone", async () => {
    const { address } = await fakeWorker(answering({ deviceName: "a card", roots: ["/data"] }));
    const proto = join(import.meta.dirname, "..", "..", "..", "proto");
    const loaded = loadPackageDefinition(loadSync("cmcr/v1/worker.proto", { includeDirs: [proto], keepCase: true, longs: String })) as unknown as {
      cmcr: { v1: { WorkerService: new (...args: unknown[]) => Client & { GetInfo(request: object, answer: (error: ServiceError | null, info: Record<string, unknown>) => void): void } } };
    };
    const client = new loaded.cmcr.v1.WorkerService(address, credentials.createInsecure());
    onTestFinished(() => {
      client.close();
    });
    const info = await new Promise<Record<string, unknown>>((resolve, reject) => {
      client.GetInfo({}, (error, answer) => {
        if (error === null) resolve(answer);
        else reject(error);
      });
    });
    expect(info).toMatchObject({ protocol_version: 1, device_name: "a card", threads: 1, pid: "1", roots: ["/data"] });
  });
});
