import { command } from "./command.js";

export const doctor = command({
  command: "doctor",
  describe: "What is installed, what is missing, and what to do about it",
  builder: (yargs) => yargs.option("json", { type: "boolean", default: false, describe: "Answer as JSON" }),
  handler: async (argv) => {
    const { diagnose } = await import("../../setup/index.js");
    const { CmcrError, EXIT } = await import("../../errors.js");
    const checks = await diagnose();
    const missing = checks.filter(({ status }) => status === "missing");
    if (argv.json) process.stdout.write(`${JSON.stringify({ event: "doctor", ok: missing.length === 0, checks })}\n`);
    else {
      const { renderChecks } = await import("../checks.js");
      process.stdout.write(renderChecks(checks));
    }
    if (missing.length > 0) {
      throw new CmcrError(`${missing.length} of ${checks.length} things that a run needs ${missing.length === 1 ? "is" : "are"} missing: ${missing.map(({ name }) => name).join(", ")}.`, {
        code: EXIT.worker,
        reason: "INCOMPLETE_SETUP",
      });
    }
  },
});
