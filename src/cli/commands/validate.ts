import { command, list } from "./command.js";

export const validate = command({
  command: "validate <experiment>",
  describe: "Check an experiment file and all that it names; print what would run",
  builder: (yargs) =>
    yargs
      .positional("experiment", { type: "string", demandOption: true, describe: "The experiment file (.yaml)" })
      .option("set", { type: "string", array: true, nargs: 1, describe: "Change a field: path.to.field=value (repeatable)" })
      .option("json", { type: "boolean", default: false, describe: "The compiled experiment as JSON" }),
  handler: async (argv) => {
    const { loadExperiment } = await import("../../config/load.js");
    const { experiment, warnings, facts } = await loadExperiment(argv.experiment, { set: list(argv.set) });
    if (argv.json) {
      process.stdout.write(`${JSON.stringify({ event: "valid", warnings, experiment })}\n`);
      return;
    }
    const { describePlan } = await import("../../config/planDescription.js");
    for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
    for (const line of describePlan(experiment, facts)) process.stdout.write(`${line}\n`);
  },
});
