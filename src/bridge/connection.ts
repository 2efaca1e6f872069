import type { ChannelCredentials, ClientOptions } from "@grpc/grpc-js";

import { InterruptedError, WorkerLostError } from "./errors.js";
import type { CmcrError } from "../errors.js";
import type { CallContext } from "./calls.js";
import { CHANNEL_OPTIONS, channelCredentials } from "./channel.js";
import type { WorkerProcess } from "./process.js";

interface Closable {
  close(): void;
}

type ClientConstructor<C extends Closable> = new (address: string, credentials: ChannelCredentials, options?: Partial<ClientOptions>) => C;

/** How long an error waits to learn whether the worker's process has just ended. */
const POST_MORTEM_MS = 1_000;

/** One worker's address, and everything that its clients share. */
export class Channel {
  readonly context: CallContext;
  readonly #clients: Closable[] = [];

  constructor(
    readonly address: string,
    /** Null where the worker is not ours. */
    readonly process: WorkerProcess | null,
    /** Whether the worker sees our files under the same paths. */
    readonly sharesFiles: boolean,
    signal: AbortSignal | undefined,
  ) {
    this.context = { signal, explain: (error) => this.#explain(error, signal) };
  }

  /** A client of one service; closed with the channel. Clients of one address share one connection. */
  client<C extends Closable>(constructor: ClientConstructor<C>): C {
    const client = new constructor(this.address, channelCredentials(), CHANNEL_OPTIONS);
    this.#clients.push(client);
    return client;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  async #explain(error: CmcrError, signal: AbortSignal | undefined): Promise<CmcrError> {
    if (!(error instanceof WorkerLostError)) return error;
    const { process: worker } = this;
    if (worker === null) return new WorkerLostError(`${error.message}: nothing answers at ${this.address}. Is the worker still running?`, error);
    // The socket breaks a moment before the process is reaped.
    let timer: NodeJS.Timeout | undefined;
    const waited = new Promise<void>((resolve) => (timer = setTimeout(resolve, POST_MORTEM_MS)));
    await Promise.race([worker.exited, waited]);
    clearTimeout(timer);
    if (signal?.aborted === true) return new InterruptedError();
    if (!worker.ended) return error;
    return new WorkerLostError(`the worker ${worker.describeEnd()}\n${error.message}; what was finished is kept.`, error);
  }
}
