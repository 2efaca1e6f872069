// @ts-check
/** The bootstrap as scripts call it: a failure ends the process with its message and exit code. */
import process from "node:process";
import { bootstrap } from "./bootstrap.mjs";

/** Runs the bootstrap; on a failure that a user can act on prints it, without a stack trace, and exits. */
export async function runBootstrap(options) {
  try {
    await bootstrap(options);
  } catch (error) {
    const explained = error.name === "SetupError" || error.name === "CmcrError";
    console.error(`\n${explained ? error.message : error.stack}`);
    for (const line of error.details ?? []) console.error(`  ${line}`);
    process.exit(error.exitCode ?? error.code ?? 1);
  }
}
