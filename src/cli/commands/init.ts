import { TEMPLATE_HELP } from "../../config/templates.js";
import { command } from "./command.js";

export const init = command({
  command: "init",
  describe: "Write a commented experiment file to start from",
  builder: (yargs) =>
    yargs
      .option("template", { type: "string", requiresArg: true, default: "precomputed", describe: TEMPLATE_HELP })
      .option("out", { type: "string", describe: "File to write; standard output unless given" }),
  handler: async (argv) => {
    const { initTemplate } = await import("../../config/templates.js");
    const text = initTemplate(argv.template);
    if (argv.out === undefined) {
      process.stdout.write(text);
      return;
    }
    const { writeNewFile } = await import("../../run/newFile.js");
    await writeNewFile(argv.out, text);
    process.stdout.write(`${argv.out}\n`);
  },
});
