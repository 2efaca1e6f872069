import { command } from "./command.js";

export const schema = command({
  command: "schema",
  describe: "Print the JSON Schema of an experiment file, for editors",
  builder: (yargs) =>
    yargs
      .option("sweep", { type: "boolean", default: false, describe: "That of a sweep file" })
      .option("markdown", { type: "boolean", default: false, describe: "The same as a table for people" }),
  handler: async ({ markdown, sweep }) => {
    if (sweep) {
      const { sweepJsonSchema } = await import("../../config/sweep.js");
      const { fieldTable } = await import("../../config/reference.js");
      process.stdout.write(markdown ? fieldTable(sweepJsonSchema()) : `${JSON.stringify(sweepJsonSchema(), null, 2)}\n`);
      return;
    }
    if (markdown) {
      const { experimentReference } = await import("../../config/reference.js");
      process.stdout.write(experimentReference());
      return;
    }
    const { experimentJsonSchema } = await import("../../config/jsonSchema.js");
    process.stdout.write(`${JSON.stringify(experimentJsonSchema(), null, 2)}\n`);
  },
});
