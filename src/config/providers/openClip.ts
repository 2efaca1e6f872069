import { z } from "zod";

import type { CheckContext } from "../checks/context.js";
import { pathField } from "../fields.js";
import type { FieldPath } from "../mistake.js";
import { defineProvider } from "./definition.js";
import { activationField, batchSizeField, dtypeField, revisionField } from "./encoderFields.js";

const HUB = "hf-hub:";
const MODEL_ERROR = "expected an architecture of open_clip such as ViT-B-32, or hf-hub: and a hub id";
const TAG_ERROR = "expected a tag such as laion2b_s34b_b79k";

const schema = z
  .strictObject({
    provider: z.literal("open-clip").describe("Any model of open_clip."),
    model: z
      .string({ error: MODEL_ERROR })
      .regex(/^(hf-hub:[A-Za-z0-9][\w.-]*\/[\w.-]+|[A-Za-z0-9][\w./-]*)$/, { error: MODEL_ERROR })
      .optional()
      .describe("An architecture of open_clip such as ViT-B-32, with pretrained or checkpoint; or hf-hub: and a hub id, which has weights of its own."),
    pretrained: z
      .string({ error: TAG_ERROR })
      .regex(/^[\w.-]+$/, { error: TAG_ERROR })
      .optional()
      .describe("Published weights of the architecture, such as openai or laion2b_s34b_b79k. Needs the network the first time."),
    checkpoint: pathField(
      "A file of weights for the architecture, or a folder with open_clip_config.json and weights, which needs no model.",
    ).optional(),
    revision: revisionField,
    activation: activationField("what the tag or the model's configuration says"),
    dtype: dtypeField,
    batchSize: batchSizeField,
  })
  .describe("A space of a model of open_clip: images and texts.");

/** A space of a model of open_clip. */
export const openClip = defineProvider({
  name: "open-clip",
  schema,
  compile: (user, name, resolve) => ({
    name,
    provider: "open-clip",
    model: user.model ?? "",
    checkpoint: user.checkpoint === undefined ? null : resolve(user.checkpoint),
    options: {
      ...(user.pretrained === undefined ? {} : { pretrained: user.pretrained }),
      revision: user.revision,
      activation: user.activation,
      dtype: user.dtype,
    },
    batchSize: user.batchSize,
  }),
  encodes: () => ["image", "text"],
  check: checkWeights,
});

/** Exactly one source of weights. */
function checkWeights(user: z.output<typeof schema>, path: FieldPath, { report }: CheckContext): void {
  if (user.model?.startsWith(HUB) === true) {
    for (const field of ["pretrained", "checkpoint"] as const) {
      if (user[field] === undefined) continue;
      report({ path: [...path, field], reason: "IMPOSSIBLE_VALUE", expected: `no ${field}, as ${user.model} has weights of its own`, found: user[field] });
    }
    return;
  }
  if (user.pretrained !== undefined && user.checkpoint !== undefined) {
    report({ path: [...path, "checkpoint"], reason: "IMPOSSIBLE_VALUE", expected: "one source of weights", found: "pretrained as well" });
    return;
  }
  if (user.checkpoint !== undefined) return;
  if (user.model !== undefined && user.pretrained !== undefined) return;
  report({
    path,
    reason: "MISSING_FIELD",
    expected: user.model === undefined ? "model or checkpoint" : "pretrained or checkpoint",
    found: "neither",
    hint: "Give model and pretrained, such as ViT-B-32 and laion2b_s34b_b79k; or model: hf-hub:owner/name; or checkpoint.",
  });
}
