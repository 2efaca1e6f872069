import { command, JSON_OPTION, list } from "./command.js";

export const run = command({
  command: "run [experiment]",
  describe: "Run an experiment: encode, enhance, connect, evaluate",
  builder: (yargs) =>
    yargs
      .positional("experiment", { type: "string", describe: "The experiment file (.yaml)" })
      .option("out", { type: "string", requiresArg: true, default: "runs", describe: "Folder for the run's folder" })
      .option("name", { type: "string", describe: "Name of the run, in place of the file's" })
      .option("set", { type: "string", array: true, nargs: 1, describe: "Change a field: path.to.field=value (repeatable)" })
      .option("resume", { type: "string", describe: "Go on with the unfinished run in this folder" })
      .option("fresh", { type: "boolean", default: false, describe: "Make every output again, whatever the store has" })
      .option("json", JSON_OPTION),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { chooseReporter } = await import("../reporters/reporter.js");
    const { runCommand } = await import("../../run/command.js");
    const reporter = await chooseReporter(argv.json);
    try {
      await interruptible((signal) =>
        runCommand(
          { experiment: argv.experiment, resume: argv.resume, out: argv.out, name: argv.name, set: list(argv.set), fresh: argv.fresh },
          { signal, report: reporter.report },
        ),
      );
    } finally {
      reporter.close();
    }
  },
});
