import type { CommandModule } from "yargs";

import { command } from "./command.js";
import { listDataSets, prepareDataSet, verifyDataSet } from "./dataSets.js";

const inspect = command({
  command: "inspect <source>",
  describe: "Show what would be read: how many items, a few of them, sizes, what is odd; starts no worker",
  builder: (yargs) =>
    yargs
      .positional("source", { type: "string", demandOption: true, describe: "A folder, list, table, tar or pattern; or EXPERIMENT.yaml#COLLECTION" })
      .option("data", { type: "string", requiresArg: true, describe: "The collection of an experiment file" })
      .option("modality", { type: "string", requiresArg: true, describe: "text, image, audio, pointcloud or video; told by the files unless given" })
      .option("type", { type: "string", requiresArg: true, describe: "The source's type, such as vggsound; told by the path unless given" })
      .option("limit", { type: "string", requiresArg: true, default: "5", describe: "How many items to show" })
      .option("json", { type: "boolean", default: false, describe: "As one line of JSON" }),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { inspectSource } = await import("../../run/inspectSource.js");
    const inspection = await interruptible((signal) => inspectSource(argv, signal));
    if (argv.json) {
      process.stdout.write(`${JSON.stringify({ event: "inspected", ...inspection })}\n`);
      return;
    }
    const { renderInspection } = await import("../../report/inspection.js");
    const width = process.stdout.isTTY ? process.stdout.columns : Infinity;
    for (const line of renderInspection(inspection, width)) process.stdout.write(`${line}\n`);
  },
});

const exportEmbeddings = command({
  command: "export <folder>",
  describe: "Write embeddings that encode made in another layout",
  builder: (yargs) =>
    yargs
      .positional("folder", { type: "string", demandOption: true, describe: "A folder that cmcr encode made" })
      .option("format", { type: "string", requiresArg: true, default: "clip-retrieval", describe: "clip-retrieval: float16 parts with their metadata as Parquet" })
      .option("out", { type: "string", requiresArg: true, demandOption: true, describe: "Folder to write; it must not exist" })
      .option("rows-per-file", { type: "string", requiresArg: true, describe: "Rows of a part, clip-retrieval's write_batch_size (default 1000000)" })
      .option("json", { type: "boolean", default: false, describe: "What was written as JSON" }),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { exportEmbeddings: write } = await import("../../run/exportEmbeddings.js");
    const result = await interruptible((signal) => write({ ...argv, rowsPerFile: argv["rows-per-file"] }, signal));
    process.stdout.write(argv.json ? `${JSON.stringify({ event: "exported", ...result })}\n` : `${result.folder}\n`);
  },
});

/** What can be done with data; a new action is a line here. */
const ACTIONS = [inspect, exportEmbeddings, listDataSets, prepareDataSet, verifyDataSet] as unknown as readonly CommandModule[];

export const data: CommandModule = {
  command: "data",
  describe: "Look at data, get the paper's data sets ready and check them, write embeddings for others",
  builder: (yargs) => {
    for (const action of ACTIONS) yargs.command(action);
    return yargs.demandCommand(1, "Name an action.");
  },
  handler: () => undefined,
};
