import { z } from "zod";

import { pathField } from "../fields.js";
import { defineSource } from "./definition.js";
import { missingField } from "./partFields.js";

/** ModelNet40, as text files or unpacked. */
export const modelNet40 = defineSource({
  name: "modelnet40",
  schema: z
    .strictObject({
      type: z.literal("modelnet40").describe("ModelNet40: clouds of forty kinds of things."),
      root: pathField("The folder modelnet40_normal_resampled, which has modelnet40_test.txt; relative to this file."),
      split: z.enum(["train", "test"]).default("test").describe("Which of its two lists."),
      format: z
        .enum(["text", "unpacked"])
        .default("text")
        .describe("text: a file CLASS/ID.txt for each cloud. unpacked: the folder that cmcr data prepare makes of one file that holds all clouds, such as modelnet40_test_8192pts_fps.dat."),
      clouds: pathField("Of unpacked clouds: their folder, relative to this file; clouds/ below the root unless given.").optional(),
      missing: missingField,
    })
    .describe("ModelNet40, with the attributes class (underscores turned into spaces) and media."),
  compile: (user, resolve) => {
    const root = resolve(user.root);
    const clouds = user.clouds === undefined ? `${root}/clouds` : resolve(user.clouds);
    return { type: "modelnet40", root, split: user.split, clouds: user.format === "text" ? null : clouds, missing: user.missing };
  },
  delivers: () => ["pointcloud"],
  attributes: () => ["class", "media"],
  check: ({ format, clouds }, path, context) => {
    if (format === "unpacked" || clouds === undefined) return;
    context.report({ path: [...path, "clouds"], reason: "IMPOSSIBLE_VALUE", expected: "format: unpacked beside clouds", found: "format: text" });
  },
});
