import { access } from "node:fs/promises";

import { CmcrError, EXIT } from "../errors.js";
import { DEADLINE_MS, unary } from "./calls.js";
import { Channel } from "./connection.js";
import { ConnectorClient } from "./connectorClient.js";
import { EncoderClient } from "./encoderClient.js";
import { WorkerLostError } from "./errors.js";
import { WorkerServiceClient } from "./gen/cmcr/v1/worker.js";
import { checkHealth, type ServingStatus } from "./health.js";
import { WorkerProcess, type WorkerProcessOptions } from "./process.js";
import { RetrievalClient } from "./retrievalClient.js";
import { TensorClient } from "./tensorClient.js";
import type { WorkerInfo } from "./types.js";

/** Version of the protocol that this orchestrator speaks. */
export const PROTOCOL_VERSION = 1;

/** A worker must have answered by then: torch alone can take half a minute to load from a cold disk. */
const START_LIMIT_MS = 120_000;
const CONNECT_LIMIT_MS = 10_000;
const POLL_MS = 250;
const LEAST_ANSWER_MS = 1_000;

/** A worker that has answered GetInfo and speaks our protocol. */
export class Worker {
  readonly tensors: TensorClient;
  readonly encoders: EncoderClient;
  readonly connectors: ConnectorClient;
  readonly retrieval: RetrievalClient;
  readonly #channel: Channel;

  private constructor(
    channel: Channel,
    readonly info: WorkerInfo,
  ) {
    this.#channel = channel;
    this.tensors = new TensorClient(channel);
    this.encoders = new EncoderClient(channel);
    this.connectors = new ConnectorClient(channel);
    this.retrieval = new RetrievalClient(channel);
  }

  /** Whether results can be handed over as files. */
  get sharesFiles(): boolean {
    return this.#channel.sharesFiles;
  }

  /** What the standard health service says of the worker as a whole. */
  health(): Promise<ServingStatus> {
    return checkHealth(this.#channel.context, this.#channel.address);
  }

  /** The process that was started, or null for a worker that was connected to. */
  get process(): WorkerProcess | null {
    return this.#channel.process;
  }

  /**
   * Starts a worker process of our own and waits until it answers. Rejects with exit
   * code 4 when it ends first or takes too long, quoting its last lines.
   */
  static async start(options: WorkerProcessOptions & { signal?: AbortSignal | undefined; startLimitMs?: number }): Promise<Worker> {
    await access(options.python).catch((cause: unknown) => {
      throw new CmcrError(`the worker's Python is not at ${options.python}. Run: cmcr worker install`, {
        code: EXIT.worker,
        reason: "WORKER_NOT_INSTALLED",
        path: options.python,
        cause,
      });
    });
    const child = await WorkerProcess.start(options);
    const channel = new Channel(child.address, child, true, options.signal);
    try {
      const info = await ready(channel, options.startLimitMs ?? START_LIMIT_MS, child);
      return new Worker(channel, info);
    } catch (error) {
      channel.close();
      await child.stop();
      throw error;
    }
  }

  /** Connects to a worker that somebody else has started, at `unix:/path` or `host:port`. */
  static async connect(address: string, signal?: AbortSignal, limitMs: number = CONNECT_LIMIT_MS): Promise<Worker> {
    const probe = new Channel(address, null, false, signal);
    try {
      const info = await ready(probe, limitMs, null);
      // A unix socket is on this machine; whether its worker may see our files, its roots say.
      const channel = address.startsWith("unix:") && info.roots.length > 0 ? new Channel(address, null, true, signal) : probe;
      if (channel !== probe) probe.close();
      return new Worker(channel, info);
    } catch (error) {
      probe.close();
      throw error;
    }
  }

  /** Closes the connection, and ends the process where it is ours. */
  async close(): Promise<void> {
    this.#channel.close();
    await this.#channel.process?.stop();
  }
}

async function ready(channel: Channel, limitMs: number, child: WorkerProcess | null): Promise<WorkerInfo> {
  const client = channel.client(WorkerServiceClient);
  const { signal } = channel.context;
  const deadline = Date.now() + limitMs;
  // In short waits, since one that is under way cannot be taken back.
  while (!(await waitForConnection(client, Math.min(deadline, Date.now() + POLL_MS)))) {
    signal?.throwIfAborted();
    if (child?.ended === true) throw notStarted(child);
    if (Date.now() >= deadline) throw noAnswer(channel, limitMs, child);
  }
  // One that is connected to late still gets a moment to answer.
  const left = Math.max(deadline - Date.now(), LEAST_ANSWER_MS);
  const info: WorkerInfo = await unary(channel.context, "GetInfo", Math.min(left, DEADLINE_MS.short), client.getInfo.bind(client), {}).catch((error: unknown) => {
    throw error instanceof CmcrError && error.reason === "DEADLINE" ? noAnswer(channel, limitMs, child) : error;
  });
  if (info.protocolVersion !== PROTOCOL_VERSION) {
    const older = info.protocolVersion < PROTOCOL_VERSION ? "the worker" : "cmcr";
    throw new CmcrError(
      `the worker speaks protocol ${info.protocolVersion} and cmcr ${PROTOCOL_VERSION}. Upgrade ${older}.`,
      { code: EXIT.worker, reason: "PROTOCOL_MISMATCH" },
    );
  }
  return info;
}

function noAnswer(channel: Channel, limitMs: number, child: WorkerProcess | null): CmcrError {
  if (child === null) return new WorkerLostError(`no worker answers at ${channel.address}. Is it running, and is the address right?`);
  return new CmcrError(`the worker did not answer within ${Math.round(limitMs / 1000)} seconds of its start. Run: cmcr doctor`, {
    code: EXIT.worker,
    reason: "WORKER_START_TIMEOUT",
  });
}

function waitForConnection(client: WorkerServiceClient, deadline: number): Promise<boolean> {
  return new Promise((resolve) => {
    client.waitForReady(deadline, (error) => {
      resolve(error === undefined);
    });
  });
}

/** A worker that refused to start has said why in one line; of any other end its last lines tell. */
function notStarted(child: WorkerProcess): CmcrError {
  const refusal = child.refusal();
  return new CmcrError(refusal === null ? `the worker ${child.describeEnd()}\nRun: cmcr doctor` : `the worker cannot start: ${refusal}`, {
    code: EXIT.worker,
    reason: "WORKER_NOT_STARTED",
  });
}
