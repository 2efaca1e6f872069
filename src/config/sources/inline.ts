import { z } from "zod";

import { defineSource } from "./definition.js";

/** Texts written in the experiment file itself. */
export const inline = defineSource({
  name: "inline",
  schema: z
    .strictObject({
      type: z.literal("inline").describe("Texts in this file."),
      items: z.array(z.string().min(1)).min(1).describe("The texts, in order."),
    })
    .describe("Texts written here, such as the prompts of a classification."),
  compile: ({ items }) => ({ type: "inline", items }),
  delivers: () => ["text"],
});
