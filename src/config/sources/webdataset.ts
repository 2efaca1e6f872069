import { z } from "zod";

import { pathField } from "../fields.js";
import { defineSource } from "./definition.js";
import { compilePart, partFields } from "./partFields.js";
import { expandBraces, splitPattern } from "./patterns.js";

const tarField = pathField("A tar, a pattern such as cc3m/{00000..00331}.tar or shards/*.tar, or a folder of tars, relative to this file.");

/** Samples in uncompressed tars. */
export const webdataset = defineSource({
  name: "webdataset",
  schema: z
    .strictObject({
      type: z.literal("webdataset").describe("Samples in uncompressed tars, as the webdataset library has them."),
      path: z.union([tarField, z.array(tarField).min(1)]).describe("A tar, a pattern, a folder of tars, or a list of these."),
      members: z
        .array(z.string().min(1))
        .min(1)
        .optional()
        .describe("Kinds of the members to take, what follows the first dot of their names, the best first, such as [seg.png]; those of the modality unless given (texts: txt, json)."),
      fields: z.array(z.string().min(1)).min(1).default(["caption", "text"]).describe("As texts: keys of a .json member that may hold the caption, the best first."),
      captions: z.enum(["one", "all"]).default("one").describe("As texts: one caption of each sample (a whole .txt, the first of a list), or each line of a .txt and each entry of a list."),
      ...partFields,
    })
    .describe("Samples in tars: members whose paths agree up to the first dot of the name."),
  compile: (user, resolve) => ({
    type: "webdataset",
    paths: (typeof user.path === "string" ? [user.path] : user.path).map((path) => splitPattern(path, resolve)),
    members: user.members?.map((kind) => kind.replace(/^\./, "").toLowerCase()) ?? null,
    fields: user.fields,
    captions: user.captions,
    part: compilePart(user),
  }),
  attributes: () => ["key"],
  check: ({ path: written }, path, context) => {
    for (const text of typeof written === "string" ? [written] : written) {
      if (expandBraces(text) !== null) continue;
      context.report({ path: [...path, "path"], reason: "IMPOSSIBLE_VALUE", expected: "a pattern of at most 100,000 names", found: JSON.stringify(text) });
    }
  },
});
