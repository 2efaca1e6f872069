import { command, JSON_OPTION } from "./command.js";

export const encode = command({
  command: "encode",
  describe: "Embed a folder of files, or the lines of a text file, into a store folder",
  builder: (yargs) =>
    yargs
      .option("encoder", { type: "string", demandOption: true, describe: "Provider of the encoder, such as builtin" })
      .option("model", { type: "string", describe: "Which model of the provider" })
      .option("modality", { type: "string", demandOption: true, describe: "text, image, audio, pointcloud or video" })
      .option("input", { type: "string", demandOption: true, describe: "A folder, or a text file with one item a line" })
      .option("out", { type: "string", demandOption: true, describe: "Folder to write; it must not exist" })
      .option("checkpoint", { type: "string", describe: "Other weights than the model's own" })
      .option("batch-size", { type: "string", requiresArg: true, default: "256", describe: "Items that go through the encoder together" })
      .option("device", { type: "string", requiresArg: true, default: "auto", describe: "auto, cpu, cuda or cuda:N" })
      .option("threads", { type: "string", requiresArg: true, default: "1", describe: "Threads for one operation of torch" })
      .option("json", JSON_OPTION),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { chooseReporter } = await import("../reporters/reporter.js");
    const { encodeInput } = await import("../../run/encodeInput.js");
    const reporter = await chooseReporter(argv.json);
    try {
      await interruptible((signal) =>
        encodeInput({ ...argv, batchSize: argv["batch-size"] }, { signal, report: reporter.report }),
      );
    } finally {
      reporter.close();
    }
  },
});
