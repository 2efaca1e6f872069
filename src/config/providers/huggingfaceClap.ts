import { z } from "zod";

import { pathField } from "../fields.js";
import { cropSeedField } from "./clapFields.js";
import { defineProvider } from "./definition.js";
import { batchSizeField, dtypeField, hubIdField, revisionField } from "./encoderFields.js";
import { checkModelOrCheckpoint } from "./modelSource.js";

const EXAMPLE = "laion/clap-htsat-fused";

/** A space of a CLAP model of transformers, with or without fusion. */
export const huggingfaceClap = defineProvider({
  name: "huggingface-clap",
  schema: z
    .strictObject({
      provider: z.literal("huggingface-clap").describe("A CLAP model in transformers' format."),
      model: hubIdField(EXAMPLE).optional(),
      checkpoint: pathField("A folder as transformers' save_pretrained writes it, in place of a model of the hub.").optional(),
      revision: revisionField,
      dtype: dtypeField,
      cropSeed: cropSeedField,
      batchSize: batchSizeField,
    })
    .describe("A space of a CLAP model in transformers' format: sounds and texts."),
  compile: (user, name, resolve) => ({
    name,
    provider: "huggingface-clap",
    model: user.model ?? "",
    checkpoint: user.checkpoint === undefined ? null : resolve(user.checkpoint),
    options: { revision: user.revision, dtype: user.dtype, cropSeed: user.cropSeed },
    batchSize: user.batchSize,
  }),
  encodes: () => ["audio", "text"],
  check: (user, path, context) => {
    checkModelOrCheckpoint(user, path, context, EXAMPLE);
  },
});
