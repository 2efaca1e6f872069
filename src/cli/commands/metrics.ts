import { command } from "./command.js";

export const metrics = command({
  command: "metrics <task>",
  describe: "A task's metrics from scores or maps of any origin, as JSON",
  builder: (yargs) =>
    yargs
      .positional("task", {
        type: "string",
        demandOption: true,
        choices: ["retrieval", "classification", "localization", "counterfactual"] as const,
        describe: "What the scores are of",
      })
      .option("scores", { type: "string", describe: "retrieval, classification: a .npy of scores, (queries, gallery) or (items, classes)" })
      .option("relevance", { type: "string", describe: "retrieval: a JSON list, per row, of relevant columns; without it row i belongs to column i" })
      .option("labels", { type: "string", describe: "classification: a .npy with the column of each item's class" })
      .option("maps", { type: "string", describe: "localization, counterfactual: a .npy of maps, (n, height, width)" })
      .option("boxes", { type: "string", describe: "localization, counterfactual: a JSON list, per map, of boxes [left, top, right, bottom] as fractions; [] where nothing sounds" })
      .option("threshold", { type: "string", describe: "localization, counterfactual: binarise maps at this value, not at their median" })
      .option("consensus", { type: "string", describe: "localization, counterfactual: boxes that must cover a pixel for it to count in full; 1, or 2 for Flickr-SoundNet" })
      .option("ks", { type: "string", describe: "The k of R@k or of top-k, such as 1,5,10" })
      .option("resamples", { type: "string", requiresArg: true, default: "1000", describe: "Bootstrap resamples" })
      .option("seed", { type: "string", requiresArg: true, default: "0", describe: "Draws the resamples" })
      .option("json", { type: "boolean", default: true, hidden: true }),
  handler: async (argv) => {
    const { metricsOfFiles } = await import("../../run/metricsOfFiles.js");
    process.stdout.write(`${JSON.stringify(await metricsOfFiles(argv), null, 2)}\n`);
  },
});
