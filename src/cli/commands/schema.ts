import { command } from "./command.js";

export const schema = command({
  command: "schema",
  describe: "Print the JSON Schema of an experiment file, for editors",
  builder: (yargs) => yargs,
  handler: async () => {
    const { experimentJsonSchema } = await import("../../config/jsonSchema.js");
    process.stdout.write(`${JSON.stringify(experimentJsonSchema(), null, 2)}\n`);
  },
});
