import { command, JSON_OPTION, list } from "./command.js";

export const encode = command({
  command: "encode",
  describe: "Embed a folder, a list, a table or a tar into a store folder; the same command again goes on where it was interrupted",
  builder: (yargs) =>
    yargs
      .option("encoder", { type: "string", demandOption: true, describe: "Provider of the encoder, such as builtin" })
      .option("model", { type: "string", describe: "Which model of the provider, such as a hub id" })
      .option("modality", { type: "string", demandOption: true, describe: "text, image, audio, pointcloud or video" })
      .option("input", { type: "string", demandOption: true, describe: "A folder, a text file with one item a line, a table, a tar, or EXPERIMENT.yaml#COLLECTION" })
      .option("type", { type: "string", requiresArg: true, describe: "Type of source that the input is, such as class-folder, where its name does not tell" })
      .option("out", { type: "string", demandOption: true, describe: "Folder to write; one that is there is left as it is" })
      .option("format", { type: "string", requiresArg: true, default: "store", describe: "Layout of the folder: store (embeddings.npy, float32), or clip-retrieval (img_emb/, metadata/; float16)" })
      .option("checkpoint", { type: "string", describe: "Weights on this disk: a file or a folder" })
      .option("batch-size", { type: "string", requiresArg: true, describe: "Items that go through the encoder together (256 unless the provider says otherwise)" })
      .option("dtype", { type: "string", requiresArg: true, describe: "Element type of the forward pass: float32, bfloat16 or float16" })
      .option("option", { type: "string", requiresArg: true, describe: "Another setting of the provider, name=value; options.NAME=value for an argument of an encoder of your own; may be repeated" })
      .option("unreadable", { type: "string", requiresArg: true, default: "skip", describe: "Items that cannot be read: skip (leave them out and list them) or fail" })
      .option("unreadable-limit", { type: "string", requiresArg: true, describe: "Percent of the items that may be left out (default 5)" })
      .option("device", { type: "string", requiresArg: true, default: "auto", describe: "auto, cpu, cuda or cuda:N" })
      .option("threads", { type: "string", requiresArg: true, default: "1", describe: "Threads for one operation of torch" })
      .option("decoders", { type: "string", requiresArg: true, describe: "Processes that decode while the device works; as many as there are cores unless given" })
      .option("json", JSON_OPTION),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { chooseReporter } = await import("../reporters/reporter.js");
    const { encodeInput } = await import("../../run/encodeInput.js");
    const reporter = await chooseReporter(argv.json);
    try {
      await interruptible((signal) =>
        encodeInput({ ...argv, batchSize: argv["batch-size"], unreadableLimit: argv["unreadable-limit"], option: list(argv.option) }, { signal, report: reporter.report }),
      );
    } finally {
      reporter.close();
    }
  },
});
