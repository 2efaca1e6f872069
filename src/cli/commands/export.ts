import { command, JSON_OPTION } from "./command.js";

export const exportProjectors = command({
  command: "export <run>",
  describe: "Write a run's projectors for elsewhere",
  builder: (yargs) =>
    yargs
      .positional("run", { type: "string", demandOption: true, describe: "The run's folder" })
      .option("format", { type: "string", demandOption: true, describe: "safetensors; torch, the authors' layout; onnx and huggingface cannot be written yet" })
      .option("out", { type: "string", demandOption: true, describe: "Folder to write; it must not exist" })
      .option("base", { type: "string", describe: "With torch: the space whose head is CLIP's, where the memories do not tell" })
      .option("seed", { type: "string", requiresArg: true, describe: "Whose projectors, of a run with several seeds; the first unless given" })
      .option("json", JSON_OPTION),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { exportRun } = await import("../../run/exportRun.js");
    const result = await interruptible((signal) => exportRun(argv, signal));
    process.stdout.write(argv.json ? `${JSON.stringify({ event: "exported", ...result })}\n` : `${Object.keys(result.files).join("\n")}\n${result.folder}\n`);
  },
});
