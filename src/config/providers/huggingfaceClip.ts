import { z } from "zod";

import { pathField } from "../fields.js";
import { defineProvider } from "./definition.js";
import { activationField, batchSizeField, dtypeField, hubIdField, revisionField } from "./encoderFields.js";
import { checkModelOrCheckpoint } from "./modelSource.js";

const EXAMPLE = "openai/clip-vit-base-patch32";

/** A space of a CLIP or SigLIP model of transformers. */
export const huggingfaceClip = defineProvider({
  name: "huggingface-clip",
  schema: z
    .strictObject({
      provider: z.literal("huggingface-clip").describe("A CLIP or SigLIP model in transformers' format."),
      model: hubIdField(EXAMPLE).optional(),
      checkpoint: pathField("A folder as transformers' save_pretrained writes it, in place of a model of the hub.").optional(),
      revision: revisionField,
      activation: activationField("what config.json says"),
      dtype: dtypeField,
      batchSize: batchSizeField,
    })
    .describe("A space of a CLIP or SigLIP model in transformers' format: images and texts."),
  compile: (user, name, resolve) => ({
    name,
    provider: "huggingface-clip",
    model: user.model ?? "",
    checkpoint: user.checkpoint === undefined ? null : resolve(user.checkpoint),
    options: { revision: user.revision, activation: user.activation, dtype: user.dtype },
    batchSize: user.batchSize,
  }),
  encodes: () => ["image", "text"],
  check: (user, path, context) => {
    checkModelOrCheckpoint(user, path, context, EXAMPLE);
  },
});
