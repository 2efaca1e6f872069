import { InterruptedError } from "../bridge/errors.js";
import { EXIT } from "../errors.js";

/** After this long an interrupted command ends whatever still runs. */
const LIMIT_MS = 4_500;

/**
 * Runs a command that Ctrl-C and SIGTERM end in order: the signal given to it aborts,
 * and it has a few seconds to end its worker. A second Ctrl-C ends at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(new InterruptedError());
    timer = setTimeout(() => process.exit(EXIT.interrupted), LIMIT_MS);
    timer.unref();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.on("SIGHUP", onSignal);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    process.off("SIGHUP", onSignal);
  }
}
