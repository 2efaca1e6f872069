import { z } from "zod";

import { defineProvider } from "./definition.js";

/** A space known by embeddings that are handed over as files. */
export const precomputed = defineProvider({
  name: "precomputed",
  schema: z
    .strictObject({ provider: z.literal("precomputed").describe("The space's embeddings are given as files.") })
    .describe("A space whose embeddings are given; its encoders are not needed."),
  compile: (_user, name) => ({ name, provider: "precomputed" }),
  encodes: () => [],
});
