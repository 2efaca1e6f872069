import { command, JSON_OPTION } from "./command.js";

export const project = command({
  command: "project <run> <file>",
  describe: "Project embeddings of one of the run's spaces into the joint space",
  builder: (yargs) =>
    yargs
      .positional("run", { type: "string", demandOption: true, describe: "The run's folder" })
      .positional("file", { type: "string", demandOption: true, describe: "Embeddings, a .npy (n, d)" })
      .option("space", { type: "string", demandOption: true, describe: "The space that the embeddings are of" })
      .option("out", { type: "string", demandOption: true, describe: "The .npy (n, k) to write, rows L2-normalised" })
      .option("seed", { type: "string", requiresArg: true, describe: "Whose projectors, of a run with several seeds; the first unless given" })
      .option("json", JSON_OPTION),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { projectFile } = await import("../../run/projectFile.js");
    const result = await interruptible((signal) => projectFile(argv, signal));
    process.stdout.write(argv.json ? `${JSON.stringify({ event: "projected", ...result })}\n` : `${result.out}\n`);
  },
});
