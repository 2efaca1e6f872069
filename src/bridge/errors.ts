import { status as Code, type ServiceError } from "@grpc/grpc-js";

import { CmcrError, EXIT, type ExitCode } from "../errors.js";
import { ErrorReason } from "./gen/cmcr/v1/error.js";
import { statusDetails } from "./status.js";

type KnownReason = Exclude<keyof typeof ErrorReason, "ERROR_REASON_UNSPECIFIED" | "UNRECOGNIZED">;

/**
 * The exit code of each reason that the worker may give. A reason that is added to
 * the proto and not here does not compile.
 */
export const EXIT_OF_REASON: Readonly<Record<KnownReason, ExitCode>> = {
  ERROR_REASON_CONFIG_INVALID: EXIT.usage,
  ERROR_REASON_SHAPE_MISMATCH: EXIT.usage,
  ERROR_REASON_DTYPE_MISMATCH: EXIT.usage,
  ERROR_REASON_UNKNOWN_NAME: EXIT.usage,
  ERROR_REASON_CHECKPOINT_MISSING: EXIT.data,
  ERROR_REASON_DATA_MISSING: EXIT.data,
  ERROR_REASON_DATA_CORRUPT: EXIT.data,
  ERROR_REASON_STALE_HANDLE: EXIT.worker,
  ERROR_REASON_PROTOCOL_MISMATCH: EXIT.worker,
  ERROR_REASON_PATH_FORBIDDEN: EXIT.data,
  ERROR_REASON_OUT_OF_MEMORY: EXIT.worker,
  ERROR_REASON_NON_FINITE: EXIT.numerics,
  ERROR_REASON_DEVICE_UNAVAILABLE: EXIT.worker,
  ERROR_REASON_STORAGE_FAILED: EXIT.data,
  ERROR_REASON_INTERNAL: EXIT.worker,
};

/** A call to the worker that failed, with the reason that the worker gave. */
export class WorkerCallError extends CmcrError {
  override readonly name = "WorkerCallError";
  /** Lines of the worker's traceback; for the log, not for the terminal. */
  readonly traceback: readonly string[];
  /** The training step, where the reason is a non-finite value. */
  readonly step: number | undefined;

  constructor(
    message: string,
    options: { code: ExitCode; reason: string; path?: string; traceback?: readonly string[]; step?: number | undefined; cause?: unknown },
  ) {
    super(message, options);
    this.traceback = options.traceback ?? [];
    this.step = options.step;
  }
}

/** Thrown when the worker ends, or its connection breaks, in the middle of a call: exit 4. */
export class WorkerLostError extends CmcrError {
  override readonly name = "WorkerLostError";
  constructor(message: string, cause?: unknown) {
    super(message, { code: EXIT.worker, reason: "WORKER_LOST", cause });
  }
}

/** Thrown when the user interrupts: exit 130. */
export class InterruptedError extends CmcrError {
  override readonly name = "InterruptedError";
  /** `run` is the folder of the run that was interrupted, if it was one; `how` tells how else to go on. */
  constructor(run?: string, how = run === undefined ? "" : `go on with: cmcr run --resume ${run}`) {
    super(how === "" ? "interrupted" : `interrupted; ${how}`, {
      code: EXIT.interrupted,
      reason: "INTERRUPTED",
      ...(run === undefined ? {} : { path: run }),
    });
  }
}

/** Whether `error` is what grpc-js throws when a call fails. */
export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error && "metadata" in error;
}

/**
 * A failed call as an error of ours: by the worker's reason where it gave one, else
 * by the gRPC code. `call` is the RPC's name.
 */
export function fromServiceError(error: ServiceError, call: string): CmcrError {
  const { detail, traceback } = statusDetails(error.metadata);
  const reason = detail === undefined ? undefined : reasonName(detail.reason);
  if (detail !== undefined && reason !== undefined) {
    const remedy = detail.remedy === "" ? "" : ` ${detail.remedy}`;
    return new WorkerCallError(`${sentence(error.details)}${remedy}`, {
      code: EXIT_OF_REASON[reason],
      reason: reason.replace("ERROR_REASON_", ""),
      ...(detail.subject === "" ? {} : { path: detail.subject }),
      traceback,
      step: detail.step,
      cause: error,
    });
  }
  switch (error.code) {
    case Code.UNAVAILABLE:
      return new WorkerLostError(`the connection to the worker broke during ${call}`, error);
    case Code.DEADLINE_EXCEEDED:
      return new WorkerCallError(`the worker did not answer ${call} in time`, { code: EXIT.worker, reason: "DEADLINE", cause: error });
    case Code.CANCELLED:
      return new WorkerCallError(`${call} was cancelled`, { code: EXIT.worker, reason: "CANCELLED", cause: error });
    case Code.UNIMPLEMENTED:
      return new WorkerCallError(`the worker does not offer ${call}: it is of another version`, {
        code: EXIT.worker,
        reason: "PROTOCOL_MISMATCH",
        cause: error,
      });
    default:
      return new WorkerCallError(`${call} failed: ${error.details}`, { code: EXIT.worker, reason: Code[error.code], cause: error });
  }
}

/** A reason of the worker as errors carry it, such as `DATA_CORRUPT`. */
export function shortReason(reason: ErrorReason): string {
  return (reasonName(reason) ?? "ERROR_REASON_INTERNAL").replace("ERROR_REASON_", "");
}

function reasonName(reason: ErrorReason): KnownReason | undefined {
  const name = ErrorReason[reason];
  return name in EXIT_OF_REASON ? (name as KnownReason) : undefined;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
