import { join } from "node:path";

import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { status} from "@grpc/grpc-js";
import { Metadata, Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";

import { Channel } from "../../../src/bridge/connection.js";
import { ConnectorServiceService, type ConnectorServiceServer } from "../../../src/bridge/gen/cmcr/v1/connector.js";
import { EncoderServiceService, type EncoderServiceServer } from "../../../src/bridge/gen/cmcr/v1/encoder.js";
import { ErrorDetail } from "../../../src/bridge/gen/cmcr/v1/error.js";
import { RetrievalServiceService, type RetrievalServiceServer } from "../../../src/bridge/gen/cmcr/v1/retrieval.js";
import { TensorServiceService, type TensorServiceServer } from "../../../src/bridge/gen/cmcr/v1/tensor.js";
import { type GetInfoResponse, WorkerServiceService, type WorkerServiceServer } from "../../../src/bridge/gen/cmcr/v1/worker.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

/** Answers of a fake worker; a method that is left out is UNIMPLEMENTED. */
export interface FakeAnswers {
  readonly worker?: Partial<WorkerServiceServer>;
  readonly tensors?: Partial<TensorServiceServer>;
  readonly encoders?: Partial<EncoderServiceServer>;
  readonly connectors?: Partial<ConnectorServiceServer>;
  readonly retrieval?: Partial<RetrievalServiceServer>;
}

export interface FakeWorker {
  readonly address: string;
  /** How often each method was called, by its path. */
  readonly calls: ReadonlyMap<string, number>;
  /** A channel to it; closed when the test has finished. */
  channel(options?: { readonly signal?: AbortSignal; readonly sharesFiles?: boolean }): Channel;
}

const SERVICES: { readonly [K in keyof FakeAnswers]-?: ServiceDefinition } = {
  worker: WorkerServiceService,
  tensors: TensorServiceService,
  encoders: EncoderServiceService,
  connectors: ConnectorServiceService,
  retrieval: RetrievalServiceService,
};

/** What a worker of our own version says of itself. */
export const INFO: GetInfoResponse = {
  protocolVersion: 1,
  workerVersion: "0.1.0",
  gitRevision: "",
  pythonVersion: "3.11.0",
  torchVersion: "2.13.0",
  cudaVersion: "",
  device: "cpu",
  deviceName: "a processor",
  threads: 1,
  pid: 1,
  encoders: [],
  connectors: [],
  heads: [],
  generators: [],
  roots: [],
};

/** A gRPC server in this process, on a socket of its own, until the test has finished. */
export async function fakeWorker(answers: FakeAnswers): Promise<FakeWorker> {
  const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
  const calls = new Map<string, number>();
  for (const [name, definition] of Object.entries(SERVICES)) {
    const given: UntypedServiceImplementation = { ...(name === "worker" ? { getInfo: (_: unknown, answer: (error: null, info: GetInfoResponse) => void) => { answer(null, INFO); } } : {}), ...answers[name as keyof FakeAnswers] };
    const counted: UntypedServiceImplementation = {};
    for (const [method, { path }] of Object.entries(definition)) {
      const handler = given[method] as ((...args: unknown[]) => void) | undefined;
      if (handler === undefined) continue;
      counted[method] = (...args: unknown[]) => {
        calls.set(path, (calls.get(path) ?? 0) + 1);
        handler(...args);
      };
    }
    server.addService(definition, counted);
  }
  const address = `unix:${join(temporaryFolder(), "fake.sock")}`;
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
  onTestFinished(() => {
    server.forceShutdown();
  });
  return {
    address,
    calls,
    channel: ({ signal, sharesFiles = false } = {}) => {
      const channel = new Channel(address, null, sharesFiles, signal);
      onTestFinished(() => {
        channel.close();
      });
      return channel;
    },
  };
}

/** A failure as the worker sends it: code, message and, packed as google.rpc.Status, its details. */
export function failure(code: status, message: string, detail?: Partial<ErrorDetail>, traceback: readonly string[] = []): { code: status; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  if (detail !== undefined) {
    const packed = new BinaryWriter().uint32(8).int32(code).uint32(18).string(message);
    packed.uint32(26).bytes(anyOf("cmcr.v1.ErrorDetail", ErrorDetail.encode({ reason: 0, subject: "", remedy: "", knownNames: [], ...detail }).finish()));
    const debug = new BinaryWriter();
    for (const line of traceback) debug.uint32(10).string(line);
    if (traceback.length > 0) packed.uint32(26).bytes(anyOf("google.rpc.DebugInfo", debug.finish()));
    metadata.set("grpc-status-details-bin", Buffer.from(packed.finish()));
  }
  return { code, details: message, metadata };
}

function anyOf(type: string, value: Uint8Array): Uint8Array {
  return new BinaryWriter().uint32(10).string(`type.googleapis.com/${type}`).uint32(18).bytes(value).finish();
}
