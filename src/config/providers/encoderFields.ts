import { z } from "zod";

import { countField } from "../fields.js";

/** Items that go through an encoder together, unless the file says otherwise. */
export const DEFAULT_BATCH_SIZE = 256;

/** A model of the hub. */
export function hubIdField(example: string) {
  const error = `expected a hub id such as ${example}`;
  return z
    .string({ error })
    .regex(/^[A-Za-z0-9][\w.-]*(\/[\w.-]+)?$/, { error })
    .describe(`A model of the hub, such as ${example}. Needs the network the first time; give checkpoint instead for a local folder.`);
}

/** A hub model's branch, tag or commit. */
export const revisionField = z
  .string({ error: "expected a branch, a tag or a commit" })
  .min(1, { error: "expected a branch, a tag or a commit" })
  .default("main")
  .describe("Branch, tag or commit of the hub's model. A commit makes the run repeatable.");

/** Element type of the forward pass. */
export const dtypeField = z
  .enum(["float32", "bfloat16", "float16"])
  .default("float32")
  .describe("Element type of the forward pass. The 16-bit ones are for GPUs; embeddings are stored as float32 either way.");

/** Which activation a CLIP's towers have; `otherwise` says where that stands when the file does not. */
export function activationField(otherwise: string) {
  return z
    .enum(["configured", "quick_gelu", "gelu"])
    .default("configured")
    .describe(`The towers' activation. \`configured\`: ${otherwise}. OpenAI's weights need quick_gelu.`);
}

/** Items that go through the encoder together. */
export const batchSizeField = countField("Items that go through the encoder together; halved by itself where the device has too little memory.", 1).default(
  DEFAULT_BATCH_SIZE,
);
