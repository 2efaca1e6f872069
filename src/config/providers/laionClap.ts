import { z } from "zod";

import { pathField } from "../fields.js";
import { cropSeedField } from "./clapFields.js";
import { defineProvider, type ResolvePath } from "./definition.js";
import { batchSizeField, dtypeField, revisionField } from "./encoderFields.js";

/** The published checkpoints of LAION's CLAP, without their `.pt`. C-MCR used `630k-fusion-best`. */
export const LAION_CLAP_MODELS = [
  "630k-best",
  "630k-audioset-best",
  "630k-fusion-best",
  "630k-audioset-fusion-best",
  "music_audioset_epoch_15_esc_90.14",
  "music_speech_epoch_15_esc_89.25",
  "music_speech_audioset_epoch_15_esc_89.98",
] as const;

const NO_TOKENIZER = "none";
const TOKENIZER_ERROR = "expected a hub id such as roberta-base, a folder that begins with ./, ../ or /, or none";

/** A space of one of LAION's original CLAP checkpoints. */
export const laionClap = defineProvider({
  name: "laion-clap",
  schema: z
    .strictObject({
      provider: z.literal("laion-clap").describe("A CLAP in LAION's original format."),
      model: z
        .enum(LAION_CLAP_MODELS)
        .optional()
        .describe("Which of the published checkpoints. Needs the network the first time; give checkpoint for a local file."),
      checkpoint: pathField("A checkpoint of LAION's training; size and fusion are read off its weights.", [".pt", ".pth", ".safetensors"]).optional(),
      revision: revisionField,
      tokenizer: z
        .string({ error: TOKENIZER_ERROR })
        .regex(/^(\.{0,2}\/[^\0]*[^\0\s]|[A-Za-z0-9][\w.-]*(\/[\w.-]+)?(@[\w./-]+)?)$/, { error: TOKENIZER_ERROR })
        .default("roberta-base")
        .describe(
          "The texts' tokenizer: a hub id, with @ and a revision if need be; a folder that begins with ./, ../ or /; or none, to embed sounds alone.",
        ),
      dtype: dtypeField,
      cropSeed: cropSeedField,
      batchSize: batchSizeField,
    })
    .describe("A space of one of LAION's original CLAP checkpoints: sounds and texts."),
  compile: (user, name, resolve) => ({
    name,
    provider: "laion-clap",
    model: user.model ?? "",
    checkpoint: user.checkpoint === undefined ? null : resolve(user.checkpoint),
    options: { revision: user.revision, tokenizer: tokenizer(user.tokenizer, resolve), dtype: user.dtype, cropSeed: user.cropSeed },
    batchSize: user.batchSize,
  }),
  encodes: (user) => (user.tokenizer === NO_TOKENIZER ? ["audio"] : ["audio", "text"]),
  check: (user, path, context) => {
    if (user.model !== undefined || user.checkpoint !== undefined) return;
    context.report({
      path,
      reason: "MISSING_FIELD",
      expected: "model or checkpoint",
      found: "neither",
      hint: "Give model: one of the published checkpoints such as 630k-fusion-best, or checkpoint: a local .pt file.",
    });
  },
});

/** Absolute where it is a folder: told from a hub id by how it begins. */
function tokenizer(given: string, resolve: ResolvePath): string {
  return /^\.{0,2}\//.test(given) ? resolve(given) : given;
}
