import { command, JSON_OPTION, list } from "./command.js";

/** Digits that tell every float32 from its neighbours. */
const FLOAT32_DIGITS = 9;

export const embed = command({
  command: "embed <run> [item..]",
  describe: "The joint embeddings of texts or files, as JSON or a .npy",
  builder: (yargs) =>
    yargs
      .positional("run", { type: "string", demandOption: true, describe: "The run's folder" })
      .positional("item", { type: "string", array: true, describe: "A text, or the path of a file; - reads more from standard input, one a line, after those named" })
      .option("modality", { type: "string", demandOption: true, describe: "text, image, audio, pointcloud or video" })
      .option("space", { type: "string", describe: "The space that embeds them; that of the modality unless given" })
      .option("out", { type: "string", describe: "A .npy (n, k) to write in place of JSON; it must not exist" })
      .option("seed", { type: "string", requiresArg: true, describe: "Whose projectors, of a run with several seeds; the first unless given" })
      .option("json", { ...JSON_OPTION, describe: "Failures as JSON too; what was written to --out as JSON" }),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { embedItems } = await import("../../run/embedItems.js");
    // After `--` come items that look like options.
    const named = [...list(argv.item), ...argv._.slice(1).map(String)].filter((item) => item !== "-");
    // The parser swallows a lone dash.
    const items = process.argv.includes("-") ? [...named, ...(await linesOfStandardInput())] : named;
    const { rows, ...result } = await interruptible((signal) =>
      embedItems({ run: argv.run, modality: argv.modality, items, space: argv.space, out: argv.out, seed: argv.seed }, signal),
    );
    if (rows === null) {
      process.stdout.write(argv.json ? `${JSON.stringify({ event: "embedded", ...result })}\n` : `${result.out ?? ""}\n`);
      return;
    }
    const { run, space, modality, dimension } = result;
    const row = (index: number): number[] => Array.from(rows.subarray(index * dimension, (index + 1) * dimension), (value) => Number(value.toPrecision(FLOAT32_DIGITS)));
    const embeddings = items.map((item, index) => ({ item, embedding: row(index) }));
    process.stdout.write(`${JSON.stringify({ run, space, modality, dimension, embeddings })}\n`);
  },
});

/** The lines of standard input; the last one may end without a break. */
async function linesOfStandardInput(): Promise<readonly string[]> {
  process.stdin.setEncoding("utf8");
  let text = "";
  for await (const chunk of process.stdin as AsyncIterable<string>) text += chunk;
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
