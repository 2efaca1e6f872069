/** Exit codes of the command line; others' scripts rely on them. */
export const EXIT = {
  success: 0,
  usage: 2,
  data: 3,
  worker: 4,
  numerics: 5,
  difference: 6,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface CmcrErrorOptions {
  readonly code: ExitCode;
  /** Stable, upper-case: what scripts match on, such as `UNKNOWN_FIELD`. */
  readonly reason: string;
  /** The place: a file, `file:line:column`, a field's path, or an item. */
  readonly path?: string;
  /** Further lines, such as one for each of several mistakes in one file. */
  readonly details?: readonly string[];
  readonly cause?: unknown;
}

/**
 * A failure that a user can act on. Its message is one sentence or two that say
 * what is wrong, where, and what to do; it is printed without a stack trace.
 */
export class CmcrError extends Error {
  override readonly name: string = "CmcrError";
  readonly code: ExitCode;
  readonly reason: string;
  readonly path: string | undefined;
  readonly details: readonly string[];

  constructor(message: string, options: CmcrErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.reason = options.reason;
    this.path = options.path;
    this.details = options.details ?? [];
  }
}

/** The command line or an experiment file is wrong: exit 2. */
export function usageError(message: string, options: Omit<CmcrErrorOptions, "code">): CmcrError {
  return new CmcrError(message, { ...options, code: EXIT.usage });
}

/** Data are missing, unreadable or corrupt: exit 3. */
export function dataError(message: string, options: Omit<CmcrErrorOptions, "code">): CmcrError {
  return new CmcrError(message, { ...options, code: EXIT.data });
}

/** The operating system's code of an error, such as `ENOENT`; empty for any other error. */
export function systemCode(error: unknown): string {
  return error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string" ? error.code : "";
}
