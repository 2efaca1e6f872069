import { CmcrError, dataError, EXIT } from "../errors.js";
import { stderrColors } from "./colors.js";

/** Exit status of a fault in cmcr itself, which no other situation has. */
const EXIT_BUG = 1;

/** What the operating system refused, such as a full disk: nobody's bug. Undefined for any other error. */
function refusedBySystem(error: unknown): CmcrError | undefined {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return undefined;
  const path = "path" in error && typeof error.path === "string" ? error.path : undefined;
  // `ENOSPC: no space left on device, write`
  const [, what = error.message] = /^[A-Z0-9]+: ([^,]+)/.exec(error.message) ?? [];
  return dataError(`${path ?? String(error.syscall)}: ${what} (${String(error.code)}). Check the place, its permissions and the free space.`, {
    reason: "SYSTEM_REFUSED",
    ...(path === undefined ? {} : { path }),
    cause: error,
  });
}

/**
 * Says what went wrong, once, and sets the exit status: to a person on standard
 * error, to a script as the last JSON line on standard output.
 */
export function fail(error: unknown, json: boolean): void {
  const known = error instanceof CmcrError ? error : refusedBySystem(error);
  const code = known?.code ?? EXIT_BUG;
  const message = known?.message ?? `a bug in cmcr: ${error instanceof Error ? error.message : String(error)}. Set CMCR_DEBUG=1 for its trace.`;
  process.exitCode = code;
  if (json) {
    const line = {
      event: "error",
      code,
      reason: known?.reason ?? "BUG",
      message,
      ...(known?.path === undefined ? {} : { path: known.path }),
      ...(known === undefined || known.details.length === 0 ? {} : { details: known.details }),
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  } else {
    const colors = stderrColors();
    const label = code === EXIT.interrupted ? colors.yellow("interrupted") : colors.red("error");
    const said = code === EXIT.interrupted ? message.replace(/^interrupted;? ?/, "") : message;
    process.stderr.write(`${label}${said === "" ? "" : `: ${said}`}\n`);
    // The message is the first of several mistakes.
    for (const detail of known?.details ?? []) if (detail !== message) process.stderr.write(`  ${detail}\n`);
  }
  if (process.env["CMCR_DEBUG"] === "1" && error instanceof Error) {
    process.stderr.write(`${error.stack ?? ""}\n`);
    if (error.cause instanceof Error) process.stderr.write(`caused by ${error.cause.stack ?? ""}\n`);
    // A WorkerCallError's; its class is not imported, since that would load gRPC for every command.
    if ("traceback" in error && Array.isArray(error.traceback)) process.stderr.write(error.traceback.join(""));
  }
}
