import { CmcrError, EXIT } from "../errors.js";
import { stderrColors } from "./colors.js";

/** Exit status of a fault in cmcr itself, which no other situation has. */
const EXIT_BUG = 1;

/**
 * Says what went wrong, once, and sets the exit status: to a person on standard
 * error, to a script as the last JSON line on standard output.
 */
export function fail(error: unknown, json: boolean): void {
  const known = error instanceof CmcrError ? error : undefined;
  const code = known?.code ?? EXIT_BUG;
  const text = error instanceof Error ? error.message : String(error);
  const message = known === undefined ? `a bug in cmcr: ${text}. Set CMCR_DEBUG=1 for its trace.` : text;
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
  }
}
