import { command, JSON_OPTION, list } from "./command.js";

export const evaluate = command({
  command: "evaluate <run>",
  describe: "Evaluate a finished run again, also with other tasks",
  builder: (yargs) =>
    yargs
      .positional("run", { type: "string", demandOption: true, describe: "The run's folder" })
      .option("task", { type: "string", array: true, nargs: 1, describe: "Only the task of this name (repeatable)" })
      .option("experiment", { type: "string", describe: "A copy of the run's file with other data and tasks" })
      .option("seed", { type: "string", requiresArg: true, describe: "Only the projectors of this seed, of a run with several; the run's files stay as they are" })
      .option("fresh", { type: "boolean", default: false, describe: "Compute everything again, whatever the store has" })
      .option("json", JSON_OPTION),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { chooseReporter } = await import("../reporters/reporter.js");
    const { evaluateRun } = await import("../../run/evaluateRun.js");
    const reporter = await chooseReporter(argv.json);
    try {
      await interruptible((signal) =>
        evaluateRun(argv.run, { tasks: list(argv.task), experiment: argv.experiment, seed: argv.seed, signal, report: reporter.report, fresh: argv.fresh }),
      );
    } finally {
      reporter.close();
    }
  },
});
