import { type ServerDuplexStream, type ServerReadableStream, type ServerUnaryCall, type ServerWritableStream, status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";

import { converse, readAll, unary, writeAll } from "../../../src/bridge/calls.js";
import { ConnectorClient } from "../../../src/bridge/connectorClient.js";
import { EncoderClient } from "../../../src/bridge/encoderClient.js";
import { InterruptedError, WorkerLostError } from "../../../src/bridge/errors.js";
import { type AttendRequest, type AttendResponse, ConnectorServiceClient, type TrainRequest, type TrainResponse } from "../../../src/bridge/gen/cmcr/v1/connector.js";
import { type DownloadRequest, type DownloadResponse, TensorServiceClient, type UploadRequest, type UploadResponse } from "../../../src/bridge/gen/cmcr/v1/tensor.js";
import { WorkerServiceClient } from "../../../src/bridge/gen/cmcr/v1/worker.js";
import { TensorClient } from "../../../src/bridge/tensorClient.js";
import { failureOf, until } from "../../helpers/failures.js";
import { failure, type FakeAnswers, fakeWorker, INFO } from "./fakeWorker.js";

const MATRIX = { handle: "m", rows: 2, dim: 2 };

/** Calls of the fake worker that are open, and how each of them ended. */
class OpenCalls {
  readonly begun: string[] = [];
  readonly cancelled: string[] = [];
  /** A handler that never answers. */
  hang(name: string) {
    return (call: { on(event: "cancelled", listener: () => void): unknown }): void => {
      this.begun.push(name);
      call.on("cancelled", () => this.cancelled.push(name));
    };
  }
}

/** Each shape of call, made on a worker that never answers. */
const SHAPES: readonly { readonly name: string; readonly answers: (open: OpenCalls) => FakeAnswers; readonly call: (channel: ReturnType<Awaited<ReturnType<typeof fakeWorker>>["channel"]>) => Promise<unknown> }[] = [
  {
    name: "one request, one answer",
    answers: (open) => ({ tensors: { release: open.hang("call") as never } }),
    call: (channel) => new TensorClient(channel).release(MATRIX),
  },
  {
    name: "a stream of answers",
    answers: (open) => ({ connectors: { attend: open.hang("call") as never } }),
    call: (channel) => new ConnectorClient(channel).attend(MATRIX, MATRIX, 0.1, "memory", () => undefined),
  },
  {
    name: "a stream of requests",
    answers: (open) => ({ connectors: { loadProjectors: open.hang("call") as never } }),
    call: (channel) => new ConnectorClient(channel).loadProjectors(Buffer.alloc(10)),
  },
  {
    name: "streams both ways",
    answers: (open) => ({ encoders: { encode: open.hang("call") as never } }),
    call: (channel) => new EncoderClient(channel).encode({ provider: "p", model: "m", checkpoint: null, options: {} }, "text", 1, [], "memory", () => undefined),
  },
];

describe.each(SHAPES)("$name", ({ answers, call }) => {
  it("is cancelled at the worker when the signal is aborted, and rejects with its reason", async () => {
    const open = new OpenCalls();
    const fake = await fakeWorker(answers(open));
    const controller = new AbortController();
    const pending = failureOf(call(fake.channel({ signal: controller.signal })));
    await until("the call", () => open.begun.length === 1);
    const reason = new InterruptedError("runs/a");
    controller.abort(reason);
    expect(await pending).toBe(reason);
    await until("the end of the call at the worker", () => open.cancelled.length === 1);
  });

  it("is not made at all once the signal is aborted", async () => {
    const open = new OpenCalls();
    const fake = await fakeWorker(answers(open));
    const error = await failureOf(call(fake.channel({ signal: AbortSignal.abort(new InterruptedError()) })));
    expect(error.code).toBe(130);
    expect(open.begun).toEqual([]);
  });

  it("that loses its worker rejects with exit 4", async () => {
    const open = new OpenCalls();
    const sent = failure(status.UNAVAILABLE, "gone");
    const fake = await fakeWorker(answers({ begun: open.begun, hang: () => (request: { emit(event: "error", error: unknown): void }, answer?: (error: unknown) => void) => {
      open.begun.push("call");
      if (answer === undefined) request.emit("error", sent);
      else answer(sent);
    } } as unknown as OpenCalls));
    expect(await failureOf(call(fake.channel()))).toBeInstanceOf(WorkerLostError);
  });
});

describe("a deadline", () => {
  it("rejects with exit 4 and names the call", async () => {
    const open = new OpenCalls();
    const fake = await fakeWorker({ worker: { getInfo: open.hang("GetInfo") as never } });
    const channel = fake.channel();
    const client = channel.client(WorkerServiceClient);
    const error = await failureOf(unary(channel.context, "GetInfo", 100, client.getInfo.bind(client), {}));
    expect(error).toMatchObject({ code: 4, reason: "DEADLINE", message: "the worker did not answer GetInfo in time" });
    await until("the end of the call at the worker", () => open.cancelled.length === 1);
  });

  it("travels with the call", async () => {
    const deadlines: number[] = [];
    const fake = await fakeWorker({
      tensors: {
        release: (call: ServerUnaryCall<unknown, unknown>, answer) => {
          deadlines.push(Number(call.getDeadline()) - Date.now());
          answer(null, {});
        },
      },
    });
    await new TensorClient(fake.channel()).release(MATRIX);
    expect(deadlines[0]).toBeGreaterThan(1_000);
    expect(deadlines[0]).toBeLessThanOrEqual(30_000);
  });
});

describe("a call that breaks before its answer", () => {
  const unavailable = failure(status.UNAVAILABLE, "not now");
  const path = (service: string, method: string): string => `/cmcr.v1.${service}/${method}`;

  it("is made again where that does no harm, until it succeeds", async () => {
    let left = 3;
    const fake = await fakeWorker({
      worker: {
        getInfo: (_, answer) => {
          if (left === 0) answer(null, INFO);
          else {
            left -= 1;
            answer(unavailable);
          }
        },
      },
    });
    const channel = fake.channel();
    const client = channel.client(WorkerServiceClient);
    await expect(unary(channel.context, "GetInfo", 20_000, client.getInfo.bind(client), {})).resolves.toMatchObject({ protocolVersion: 1 });
    expect(fake.calls.get(path("WorkerService", "GetInfo"))).toBe(4);
  });

  it("is made again a few times only", async () => {
    const fake = await fakeWorker({ tensors: { release: (_, answer) => { answer(unavailable); } } });
    expect(await failureOf(new TensorClient(fake.channel()).release(MATRIX))).toBeInstanceOf(WorkerLostError);
    expect(fake.calls.get(path("TensorService", "Release"))).toBe(4);
  });

  it("is not made again where it may have been heard", async () => {
    const fake = await fakeWorker({
      tensors: { average: (_, answer) => { answer(unavailable); }, open: (_, answer) => { answer(unavailable); } },
      connectors: {
        attend: (call) => { call.emit("error", unavailable); },
        fit: (_, answer) => { answer(unavailable); },
      },
    });
    const tensors = new TensorClient(fake.channel({ sharesFiles: true }));
    const connectors = new ConnectorClient(fake.channel());
    const fit = { method: "ridge", sourceSpace: "a", targetSpace: "b", sourceOverlap: MATRIX, targetOverlap: MATRIX, sourcePseudo: null, targetPseudo: null, sourceMemory: null, targetMemory: null, temperature: null, regularization: null, dimensions: null };
    const calls = [
      () => tensors.average(MATRIX, Uint32Array.of(0, 0), 1, "memory"),
      () => tensors.put("/a.npy"),
      () => connectors.attend(MATRIX, MATRIX, 0.1, "memory", () => undefined),
      () => connectors.fit(fit),
    ];
    for (const call of calls) expect(await failureOf(call())).toBeInstanceOf(WorkerLostError);
    expect([...fake.calls.values()]).toEqual([1, 1, 1, 1]);
  });

  it("is not made again for another failure", async () => {
    const fake = await fakeWorker({ tensors: { release: (_, answer) => { answer(failure(status.INTERNAL, "a bug")); } } });
    expect((await failureOf(new TensorClient(fake.channel()).release(MATRIX))).reason).toBe("INTERNAL");
    expect(fake.calls.get(path("TensorService", "Release"))).toBe(1);
  });
});

describe("a reader that gives up", () => {
  it("of a stream of answers ends the call at the worker, and nothing is left uncaught", async () => {
    let cancelled = false;
    const fake = await fakeWorker({
      tensors: {
        download: (call: ServerWritableStream<DownloadRequest, DownloadResponse>) => {
          call.on("cancelled", () => (cancelled = true));
          call.write({ part: { $case: "chunk", value: Buffer.alloc(4) } });
        },
      },
    });
    const channel = fake.channel();
    const full = new Error("the disk is full");
    await expect(new TensorClient(channel).download(MATRIX, () => Promise.reject(full))).rejects.toBe(full);
    await until("the end of the call at the worker", () => cancelled);
    channel.close();
  });

  it("of a conversation ends the call at the worker, and nothing is left uncaught", async () => {
    let cancelled = false;
    const fake = await fakeWorker({
      connectors: {
        train: (call: ServerDuplexStream<TrainRequest, TrainResponse>) => {
          call.on("cancelled", () => (cancelled = true));
          call.write({ part: { $case: "started", value: { parameters: 1 } } });
        },
      },
    });
    const channel = fake.channel();
    const client = channel.client(ConnectorServiceClient);
    const wrong = new Error("an answer out of order");
    const open = (...args: Parameters<ConnectorServiceClient["train"]>) => client.train(...args);
    async function* nothing(): AsyncGenerator<TrainRequest> {
      await new Promise(() => undefined);
      yield { part: undefined };
    }
    await expect(converse(channel.context, "Train", open as never, nothing(), () => { throw wrong; })).rejects.toBe(wrong);
    await until("the end of the call at the worker", () => cancelled);
    channel.close();
  });
});

describe("a writer", () => {
  it("whose source fails ends the call at the worker", async () => {
    let cancelled = false;
    const fake = await fakeWorker({
      tensors: {
        upload: (call: ServerReadableStream<UploadRequest, UploadResponse>) => {
          call.on("cancelled", () => (cancelled = true));
          call.resume();
        },
      },
    });
    const channel = fake.channel();
    const client = channel.client(TensorServiceClient);
    const unreadable = new Error("the file went away");
    async function* messages(): AsyncGenerator<UploadRequest> {
      yield { part: { $case: "chunk", value: Buffer.alloc(8) } };
      await until("the call", () => (fake.calls.get("/cmcr.v1.TensorService/Upload") ?? 0) === 1);
      throw unreadable;
    }
    await expect(writeAll<UploadRequest, UploadResponse>(channel.context, "Upload", (m, o, c) => client.upload(m, o, c), messages())).rejects.toBe(unreadable);
    await until("the end of the call at the worker", () => cancelled);
  });

  it("waits while the worker does not read: what it has made stays bounded", async () => {
    let release: () => void = () => undefined;
    let received = 0;
    const fake = await fakeWorker({
      tensors: {
        upload: (call: ServerReadableStream<UploadRequest, UploadResponse>, answer) => {
          release = () => {
            call.on("data", () => (received += 1));
            call.on("end", () => { answer(null, { tensor: { handle: "m", dtype: 2, shape: [2, 2] } }); });
          };
        },
      },
    });
    const channel = fake.channel();
    const client = channel.client(TensorServiceClient);
    const total = 100;
    let made = 0;
    function* messages(): Generator<UploadRequest> {
      // 100 MiB in all; window and buffers hold some 16 MiB on either side.
      for (; made < total; made += 1) yield { part: { $case: "chunk", value: Buffer.alloc(1024 * 1024) } };
    }
    const writing = writeAll<UploadRequest, UploadResponse>(channel.context, "Upload", (m, o, c) => client.upload(m, o, c), messages());
    await until("the call", () => fake.calls.size === 1);
    let before = -1;
    await until("a pause", async () => {
      const paused = made === before;
      before = made;
      await new Promise((resolve) => setTimeout(resolve, 150));
      return paused && made === before;
    });
    expect(made).toBeLessThan(60);
    release();
    await writing;
    expect(received).toBe(total);
  });
});

describe("answers", () => {
  it("are given one at a time: the next waits until the last is dealt with", async () => {
    const fake = await fakeWorker({
      connectors: {
        attend: (call: ServerWritableStream<AttendRequest, AttendResponse>) => {
          for (let rowsDone = 1; rowsDone <= 5; rowsDone += 1) call.write({ rowsDone, rowsTotal: 5 });
          call.end();
        },
      },
    });
    const channel = fake.channel();
    const client = channel.client(ConnectorServiceClient);
    let busy = 0;
    const seen: number[] = [];
    await readAll<AttendResponse>(channel.context, "Attend", (metadata, options) => client.attend({ queries: "", memory: "", temperature: 1, destination: undefined }, metadata, options), async ({ rowsDone }) => {
      busy += 1;
      expect(busy).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 2));
      seen.push(rowsDone);
      busy -= 1;
    });
    expect(seen).toEqual([1, 2, 3, 4, 5]);
  });
});
