import { command } from "./command.js";

/** What can be done with the paper's data sets: `cmcr data list`, `prepare` and `verify`. */

const NAME = { type: "string", demandOption: true, describe: "A data set, as cmcr data list names it" } as const;
const ROOT = { type: "string", demandOption: true, requiresArg: true, describe: "The folder of this data set's copy, such as data/vgg-ss" } as const;

export const listDataSets = command({
  command: "list [name]",
  describe: "The paper's data sets: what for, how large, licence; all that is known of one by its name",
  builder: (yargs) =>
    yargs
      .positional("name", { type: "string", describe: "A data set, of which all is shown: where it comes from, its layout, counts and oddities" })
      .option("root", { type: "string", requiresArg: true, describe: "Folder with a folder of each data set in it; with a name, the folder of that one. Says what is there" })
      .option("markdown", { type: "boolean", default: false, describe: "All of it as the page docs/datasets.md" })
      .option("json", { type: "boolean", default: false, describe: "As one line of JSON" }),
  handler: async ({ name, root, markdown, json }) => {
    const { listedSets } = await import("../../run/listSets.js");
    const listed = await listedSets(name, root);
    if (json) {
      process.stdout.write(`${JSON.stringify({ event: "listed", sets: listed.map(({ definition, found }) => ({ ...definition, found })) })}\n`);
      return;
    }
    const { listingText } = await import("../../report/setsText.js");
    const { setsMarkdown } = await import("../../report/setsMarkdown.js");
    const width = process.stdout.isTTY ? process.stdout.columns : Infinity;
    process.stdout.write(markdown ? setsMarkdown(listed.map(({ definition }) => definition)) : `${listingText(listed, name !== undefined, width).join("\n")}\n`);
  },
});

export const prepareDataSet = command({
  command: "prepare <name>",
  describe: "Make a data set's folder: says what to load and where to put it, and makes the rest from what is there; again, it goes on",
  builder: (yargs) =>
    yargs
      .positional("name", NAME)
      .option("root", ROOT)
      .option("frame", { type: "string", requiresArg: true, describe: "Which frame of a video is its image: middle, first, or a moment in seconds (middle, and 5 for VGG-SS, unless given)" })
      .option("seconds", { type: "string", requiresArg: true, describe: "Which part of a video is its sound: all, a length such as 10, or START-END (all unless given)" })
      .option("processes", { type: "string", requiresArg: true, describe: "How many ffmpegs run together; as many as there are cores unless given" })
      .option("from", { type: "string", requiresArg: true, describe: "Of ModelNet40: the file with all clouds that becomes clouds/, where there are two" })
      .option("json", { type: "boolean", default: false, describe: "What is there, to be loaded and made as JSON lines on standard output" }),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { SetPreparation } = await import("../reporters/setPreparation.js");
    const { prepareSet } = await import("../../run/prepare/prepareSet.js");
    const shown = new SetPreparation(argv.json);
    try {
      await interruptible((signal) => prepareSet(argv, shown, signal));
    } finally {
      shown.close();
    }
  },
});

export const verifyDataSet = command({
  command: "verify <name>",
  describe: "Look whether a copy is whole: every file, every line of its annotations, its counts; exit 3 where something is wrong",
  builder: (yargs) =>
    yargs
      .positional("name", NAME)
      .option("root", ROOT)
      .option("quick", { type: "boolean", default: false, describe: "Look at names and sizes of files alone, not into them" })
      .option("subset", { type: "boolean", default: false, describe: "Files that are not there make a subset, and no fault" })
      .option("report", { type: "string", requiresArg: true, describe: "Write every finding to this file, a line of JSON each; it must not exist" })
      .option("json", { type: "boolean", default: false, describe: "Every finding and the result as JSON lines on standard output" }),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { SetFindings } = await import("../reporters/setFindings.js");
    const { verifySetCommand } = await import("../../run/verifySetCommand.js");
    const findings = new SetFindings(argv.json);
    try {
      await interruptible((signal) => verifySetCommand(argv, findings, signal));
    } finally {
      findings.close();
    }
  },
});
