import { z } from "zod";

import { countField, pathField } from "../fields.js";
import { defineProvider } from "./definition.js";
import { batchSizeField, dtypeField, hubIdField, revisionField } from "./encoderFields.js";
import { checkModelOrCheckpoint } from "./modelSource.js";

const EXAMPLE = "intfloat/multilingual-e5-base";

/** A space of a sentence encoder: text alone. */
export const huggingfaceText = defineProvider({
  name: "huggingface-text",
  schema: z
    .strictObject({
      provider: z.literal("huggingface-text").describe("A sentence encoder in transformers' or sentence-transformers' format."),
      model: hubIdField(EXAMPLE).optional(),
      checkpoint: pathField("A folder with the model, in place of one of the hub; sentence-transformers' modules.json is followed.").optional(),
      revision: revisionField,
      pooling: z
        .enum(["model", "mean", "cls", "max", "last"])
        .default("model")
        .describe("How a text's tokens become one vector. `model`: as its modules.json says, and mean where it has none."),
      prefix: z
        .string({ error: "expected a text" })
        .optional()
        .describe('Put before every text, such as "query: "; the model\'s own default prompt unless given, and none where empty.'),
      maxLength: countField("Tokens of a text that are read; as many as the model allows unless given.", 1).optional(),
      dtype: dtypeField,
      batchSize: batchSizeField,
    })
    .describe("A space of a sentence encoder: texts alone, such as a multilingual one to be joined to CLIP through English."),
  compile: (user, name, resolve) => ({
    name,
    provider: "huggingface-text",
    model: user.model ?? "",
    checkpoint: user.checkpoint === undefined ? null : resolve(user.checkpoint),
    options: {
      revision: user.revision,
      pooling: user.pooling,
      ...(user.prefix === undefined ? {} : { prefix: user.prefix }),
      ...(user.maxLength === undefined ? {} : { maxLength: user.maxLength }),
      dtype: user.dtype,
    },
    batchSize: user.batchSize,
  }),
  encodes: () => ["text"],
  check: (user, path, context) => {
    checkModelOrCheckpoint(user, path, context, EXAMPLE);
  },
});
