import { z } from "zod";

import { pathField } from "../fields.js";
import { defineSource } from "./definition.js";

/** A text file with an item in each line. */
export const lines = defineSource({
  name: "lines",
  schema: z
    .strictObject({
      type: z.literal("lines").describe("A text file, one item a line."),
      path: pathField("A UTF-8 text file, relative to this one."),
    })
    .describe("Texts of a UTF-8 file, one a line."),
  compile: ({ path }, resolve) => ({ type: "lines", path: resolve(path) }),
  delivers: () => ["text"],
});
