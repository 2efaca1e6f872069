import { z } from "zod";

import type { Modality } from "../compiled.js";
import { pathField } from "../fields.js";
import { defineProvider } from "./definition.js";
import { batchSizeField } from "./encoderFields.js";

/** The small encoders that come with cmcr, and what each embeds. */
export const BUILTIN_MODELS = {
  "scenes-image-text": ["image", "text"],
  "scenes-audio-text": ["audio", "text"],
  "scenes-two-languages": ["text"],
  "things-image-text": ["image", "text"],
  "things-cloud-image": ["pointcloud", "image"],
} as const satisfies Readonly<Record<string, readonly Modality[]>>;

const MODEL_NAMES = Object.keys(BUILTIN_MODELS) as (keyof typeof BUILTIN_MODELS)[];

/** A space of one of the built-in encoders. */
export const builtin = defineProvider({
  name: "builtin",
  schema: z
    .strictObject({
      provider: z.literal("builtin").describe("One of the small encoders that come with cmcr."),
      model: z.enum(MODEL_NAMES).describe("Which of the built-in encoders."),
      checkpoint: pathField("Other weights for it, a .safetensors file; those that come with cmcr unless given.", [".safetensors"]).optional(),
      batchSize: batchSizeField,
    })
    .describe("A space of one of the small encoders that come with cmcr."),
  compile: (user, name, resolve) => ({
    name,
    provider: "builtin",
    model: user.model,
    checkpoint: user.checkpoint === undefined ? null : resolve(user.checkpoint),
    options: {},
    batchSize: user.batchSize,
  }),
  encodes: (user) => BUILTIN_MODELS[user.model],
});
