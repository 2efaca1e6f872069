import { command, list } from "./command.js";

export const validate = command({
  command: "validate <experiment>",
  describe: "Check an experiment or sweep file and all that it names; print what would run",
  builder: (yargs) =>
    yargs
      .positional("experiment", { type: "string", demandOption: true, describe: "The experiment or sweep file (.yaml)" })
      .option("set", { type: "string", array: true, nargs: 1, describe: "Change a field: path.to.field=value (repeatable)" })
      .option("json", { type: "boolean", default: false, describe: "The compiled experiment as JSON" }),
  handler: async (argv) => {
    const { isSweepFile, loadSweep } = await import("../../config/sweepLoad.js");
    if (await isSweepFile(argv.experiment)) {
      const loaded = await loadSweep(argv.experiment, list(argv.set));
      const { describeSweep } = await import("../../config/sweepDescription.js");
      if (argv.json) process.stdout.write(`${JSON.stringify({ event: "valid", warnings: loaded.warnings, sweep: loaded.sweep })}\n`);
      else print(loaded.warnings, describeSweep(loaded));
      return;
    }
    const { loadExperiment } = await import("../../config/load.js");
    const { experiment, warnings, facts } = await loadExperiment(argv.experiment, { set: list(argv.set) });
    if (argv.json) {
      process.stdout.write(`${JSON.stringify({ event: "valid", warnings, experiment })}\n`);
      return;
    }
    const { describePlan } = await import("../../config/planDescription.js");
    print(warnings, describePlan(experiment, facts));
  },
});

function print(warnings: readonly string[], lines: readonly string[]): void {
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  for (const line of lines) process.stdout.write(`${line}\n`);
}
