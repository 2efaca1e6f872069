import { command } from "./command.js";

export const schema = command({
  command: "schema",
  describe: "Print the JSON Schema of an experiment file, for editors",
  builder: (yargs) => yargs.option("markdown", { type: "boolean", default: false, describe: "The same as a table for people" }),
  handler: async ({ markdown }) => {
    if (markdown) {
      const { experimentReference } = await import("../../config/reference.js");
      process.stdout.write(experimentReference());
      return;
    }
    const { experimentJsonSchema } = await import("../../config/jsonSchema.js");
    process.stdout.write(`${JSON.stringify(experimentJsonSchema(), null, 2)}\n`);
  },
});
