import { z } from "zod";

import { MODALITIES } from "../compiled.js";
import { pathField } from "../fields.js";
import { defineProvider } from "./definition.js";
import { batchSizeField, dtypeField } from "./encoderFields.js";

const NAME_ERROR = "expected the name of a class or function in the file";
const OPTION_ERROR = "expected a number, a text, true or false";
const optionName = z
  .string()
  .regex(/^(?!(device|dtype)$)[A-Za-z_]\w*$/, { error: "expected a name of a parameter, other than device and dtype" });

/** A space of a user's own encoder. */
export const python = defineProvider({
  name: "python",
  schema: z
    .strictObject({
      provider: z.literal("python").describe("An encoder of your own. Its file is run: see docs/own-encoder.md."),
      checkpoint: pathField("The Python file that has the encoder.", [".py"]),
      model: z
        .string({ error: NAME_ERROR })
        .regex(/^[A-Za-z]\w*$/, { error: NAME_ERROR })
        .describe("The class in that file, or a function that returns an instance."),
      options: z
        .record(optionName, z.union([z.number(), z.string(), z.boolean()], { error: OPTION_ERROR }))
        .default({})
        .describe("Arguments of the class or function: numbers, texts, true and false."),
      dtype: dtypeField,
      batchSize: batchSizeField,
    })
    .describe("A space of an encoder of your own, in a Python file."),
  compile: (user, name, resolve) => ({
    name,
    provider: "python",
    model: user.model,
    checkpoint: resolve(user.checkpoint),
    options: { ...user.options, dtype: user.dtype },
    batchSize: user.batchSize,
  }),
  // Which they are is in the file, and only the worker reads that.
  encodes: () => MODALITIES,
});
