import { z } from "zod";

import { pathField } from "../fields.js";
import { defineSource } from "./definition.js";

/** Every file of the modality's kinds below a folder. */
export const folder = defineSource({
  name: "folder",
  schema: z
    .strictObject({
      type: z.literal("folder").describe("Every file of the modality's kinds below a folder."),
      path: pathField("The folder, relative to this file."),
    })
    .describe("The files below a folder, in the order of their relative paths."),
  compile: ({ path }, resolve) => ({ type: "folder", path: resolve(path) }),
});
