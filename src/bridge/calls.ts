import {
  type CallOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";

import type { CmcrError } from "../errors.js";
import { fromServiceError, isServiceError } from "./errors.js";

/** Deadlines. A worker that is alive but stuck must not keep a run for ever. */
export const DEADLINE_MS = {
  /** Answers that need no work. */
  short: 30_000,
  /** One closed-form solve, or one matrix through a connector. */
  work: 60 * 60_000,
  /** A whole stage. */
  stage: 7 * 24 * 60 * 60_000,
} as const;

/** What every call is made with. */
export interface CallContext {
  /** Cancels the call; it then rejects with the signal's reason, an InterruptedError. */
  readonly signal: AbortSignal | undefined;
  /** Puts a failed call into the words of the connection that it was made on. */
  readonly explain: (error: CmcrError) => Promise<CmcrError>;
}

type Cancellable = { cancel(): void };
type UnaryMethod<Q, S> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: S) => void,
) => ClientUnaryCall;

/** One request, one answer. */
export async function unary<Q, S>(context: CallContext, name: string, deadlineMs: number, method: UnaryMethod<Q, S>, request: Q): Promise<S> {
  return guarded(context, name, (watch) =>
    new Promise<S>((resolve, reject) => {
      watch(
        method(request, new Metadata(), { deadline: Date.now() + deadlineMs }, (error, response) => {
          if (error === null) resolve(response);
          else reject(error);
        }),
      );
    }),
  );
}

/** One request, a stream of answers, each given to `onMessage` in order. */
export async function readAll<S>(
  context: CallContext,
  name: string,
  open: (metadata: Metadata, options: Partial<CallOptions>) => ClientReadableStream<S>,
  onMessage: (message: S) => void | Promise<void>,
): Promise<void> {
  await guarded(context, name, async (watch) => {
    const call = open(new Metadata(), { deadline: Date.now() + DEADLINE_MS.stage });
    watch(call);
    call.on("error", LATE);
    for await (const message of call as AsyncIterable<S>) await onMessage(message);
  });
}

/** A stream of requests, one answer. */
export async function writeAll<Q, S>(
  context: CallContext,
  name: string,
  open: (metadata: Metadata, options: Partial<CallOptions>, callback: (error: ServiceError | null, response: S) => void) => ClientWritableStream<Q>,
  messages: AsyncIterable<Q> | Iterable<Q>,
): Promise<S> {
  return guarded(context, name, async (watch) => {
    let call: ClientWritableStream<Q> | undefined;
    const answered = new Promise<S>((resolve, reject) => {
      call = open(new Metadata(), { deadline: Date.now() + DEADLINE_MS.stage }, (error, response) => {
        if (error === null) resolve(response);
        else reject(error);
      });
      call.on("error", reject);
    });
    // Handled below; this keeps a rejection that comes while writing from counting as unhandled.
    answered.catch(() => undefined);
    if (call === undefined) throw new Error("the call was not opened");
    watch(call);
    for await (const message of messages) await send(call, message, answered);
    call.end();
    return answered;
  });
}

/**
 * Requests and answers at the same time. `messages` is read as fast as the worker takes
 * them; `onMessage` sees the answers in order. Ends when the worker ends the stream.
 */
export async function converse<Q, S>(
  context: CallContext,
  name: string,
  open: (metadata: Metadata, options: Partial<CallOptions>) => ClientDuplexStream<Q, S>,
  messages: AsyncIterable<Q>,
  onMessage: (message: S) => void | Promise<void>,
): Promise<void> {
  await guarded(context, name, async (watch) => {
    const call = open(new Metadata(), { deadline: Date.now() + DEADLINE_MS.stage });
    watch(call);
    call.on("error", LATE);
    const reading = (async () => {
      for await (const message of call as AsyncIterable<S>) await onMessage(message);
    })();
    const writing = (async () => {
      for await (const message of messages) await send(call, message, reading);
      call.end();
    })();
    try {
      await Promise.race([reading, writing.then(() => reading)]);
    } catch (error) {
      reading.catch(() => undefined);
      writing.catch(() => undefined);
      throw error;
    }
  });
}

/** Hears a stream's error once nobody reads it any more; without a listener it would end the process. */
const LATE = (): void => undefined;

interface Writable<Q> {
  write(message: Q): boolean;
  once(event: "drain", listener: () => void): unknown;
  off(event: "drain", listener: () => void): unknown;
}

/** Writes one message and waits while the channel is full, but not past the end of the call. */
async function send<Q>(call: Writable<Q>, message: Q, ended: Promise<unknown>): Promise<void> {
  if (call.write(message)) return;
  let drained: () => void = () => undefined;
  const room = new Promise<void>((resolve) => {
    drained = resolve;
    call.once("drain", drained);
  });
  await Promise.race([room, ended]);
  call.off("drain", drained);
}

async function guarded<T>(context: CallContext, name: string, work: (watch: (call: Cancellable) => void) => Promise<T>): Promise<T> {
  const { signal } = context;
  signal?.throwIfAborted();
  const calls: Cancellable[] = [];
  const cancel = (): void => {
    for (const call of calls) call.cancel();
  };
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    return await work((call) => calls.push(call));
  } catch (error) {
    // Also when it was we who failed: the worker must not go on with what nobody reads.
    cancel();
    // The signal's reason is the InterruptedError that whoever aborted gave it.
    signal?.throwIfAborted();
    throw isServiceError(error) ? await context.explain(fromServiceError(error, name)) : error;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}
