import { command, JSON_OPTION, list } from "./command.js";

export const sweep = command({
  command: "sweep [sweep]",
  describe: "Run a grid or list of changes to one experiment; one table at the end",
  builder: (yargs) =>
    yargs
      .positional("sweep", { type: "string", describe: "The sweep file (.yaml)" })
      .option("out", { type: "string", requiresArg: true, describe: 'Folder for the sweep\'s folder and the store. Default: "sweeps", with the store of "runs"' })
      .option("name", { type: "string", describe: "Name of the sweep, in place of the file's" })
      .option("set", { type: "string", array: true, nargs: 1, describe: "Change a field of the experiment that is varied: path.to.field=value (repeatable)" })
      .option("resume", { type: "string", describe: "Go on with the unfinished sweep in this folder" })
      .option("parallel", { type: "string", requiresArg: true, describe: "Variants that run at the same time: auto or a number, in place of the file's" })
      .option("keep-going", { type: "boolean", default: false, describe: "Go on with the other variants when one has failed" })
      .option("json", JSON_OPTION),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { chooseSweepReporter } = await import("../reporters/sweepReporter.js");
    const { sweepCommand } = await import("../../run/sweep/command.js");
    const reporter = await chooseSweepReporter(argv.json);
    const { sweep, resume, out, name, parallel, keepGoing } = argv;
    try {
      await interruptible((signal) => sweepCommand({ sweep, resume, out, name, set: list(argv.set), parallel, keepGoing }, { signal, report: reporter.report }));
    } finally {
      reporter.close();
    }
  },
});
