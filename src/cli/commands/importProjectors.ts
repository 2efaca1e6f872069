import { command, JSON_OPTION, list } from "./command.js";

export const importProjectors = command({
  command: "import-projectors <file>",
  describe: "Make a run of projectors that their authors published",
  builder: (yargs) =>
    yargs
      .positional("file", { type: "string", demandOption: true, describe: "The checkpoint, such as clap_clip.pt; of freebind the folder of its seven" })
      .option("preset", { type: "string", demandOption: true, describe: "audio-visual or three-d (C-MCR), ex-mcr-audio or ex-mcr-3d (Ex-MCR), freebind" })
      .option("out", { type: "string", demandOption: true, describe: "The run's folder; it must not exist" })
      .option("clip-checkpoint", { type: "string", describe: "CLIP's weights in place of the hub's: a folder" })
      .option("clap-checkpoint", { type: "string", describe: "CLAP's weights: a folder of transformers, or the original .pt" })
      .option("ulip-checkpoint", { type: "string", describe: "ULIP's weights: a .pt" })
      .option("set", { type: "string", array: true, nargs: 1, describe: "Change a field of spaces or worker: path.to.field=value (repeatable)" })
      .option("json", JSON_OPTION),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { importRun } = await import("../../run/importProjectors.js");
    const { folder, imported } = await interruptible((signal) =>
      importRun(
        {
          file: argv.file,
          preset: argv.preset,
          out: argv.out,
          clipCheckpoint: argv["clip-checkpoint"],
          clapCheckpoint: argv["clap-checkpoint"],
          ulipCheckpoint: argv["ulip-checkpoint"],
          set: list(argv.set),
        },
        signal,
      ),
    );
    if (argv.json) {
      process.stdout.write(`${JSON.stringify({ event: "imported", folder, ...imported })}\n`);
      return;
    }
    for (const { space, source, inputDim, outputDim } of imported.sides) {
      const head = source === "" ? "" : ` (${source.replace(/\.$/, "")})`;
      process.stdout.write(`${space}: ${inputDim} to ${outputDim} dimensions${head}\n`);
    }
    process.stdout.write(`${imported.tensors} tensors, taken over bit for bit\n${folder}\n`);
  },
});
