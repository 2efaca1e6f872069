import { z } from "zod";

import type { Modality } from "../compiled.js";
import { pathField } from "../fields.js";
import { defineSource } from "./definition.js";
import { compilePart, partFields } from "./partFields.js";
import { splitPattern } from "./patterns.js";

const FILES: readonly Modality[] = ["image", "audio", "pointcloud", "video"];

/** Every file of the modality's kinds below a folder. */
export const folder = defineSource({
  name: "folder",
  schema: z
    .strictObject({
      type: z.literal("folder").describe("Every file of the modality's kinds below a folder."),
      path: pathField("The folder, relative to this file."),
      ...partFields,
    })
    .describe("The files below a folder, in the order of their relative paths."),
  compile: (user, resolve) => ({ type: "folder", path: resolve(user.path), part: compilePart(user) }),
  delivers: () => FILES,
});

/** The files that match a pattern. */
export const glob = defineSource({
  name: "glob",
  schema: z
    .strictObject({
      type: z.literal("glob").describe("Every file of the modality's kinds that matches a pattern."),
      path: pathField("The pattern, relative to this file, such as photos/**/left_*.{jpg,png}. ** stands for folders, however many."),
      ...partFields,
    })
    .describe("The files that match a pattern, in the order of their paths."),
  compile: (user, resolve) => {
    const { path, pattern } = splitPattern(user.path, resolve);
    return { type: "glob", path, pattern: pattern ?? "**", part: compilePart(user) };
  },
  delivers: () => FILES,
  check: ({ path: written }, path, context) => {
    if (splitPattern(written, (text) => text).pattern !== null) return;
    context.report({ path: [...path, "path"], reason: "IMPOSSIBLE_VALUE", expected: "a pattern with *, ?, [ ] or { }", found: JSON.stringify(written), hint: "For a folder: { type: folder }." });
  },
});

/** A folder with a folder for each class. */
export const classFolder = defineSource({
  name: "class-folder",
  schema: z
    .strictObject({
      type: z.literal("class-folder").describe("A folder with a folder for each class, as ImageNet has them."),
      path: pathField("The folder of the classes' folders, relative to this file."),
      ...partFields,
    })
    .describe("The files of a folder with a folder for each class, whose name is the attribute class."),
  compile: (user, resolve) => ({ type: "class-folder", path: resolve(user.path), part: compilePart(user) }),
  delivers: () => FILES,
  attributes: () => ["class"],
});
