import { z } from "zod";

import { indexByName } from "../registry.js";
import { builtin } from "./builtin.js";
import { folder } from "./folder.js";
import { inline } from "./inline.js";
import { lines } from "./lines.js";

/** Every kind of source. A new one is a file and a line here. */
const SOURCES = [
  builtin,
  inline,
  lines,
  folder,
] as const;

export const sources = indexByName("source", SOURCES);

/** What a user writes below `data.NAME.source`. */
export const sourceSchema = z
  .discriminatedUnion("type", [SOURCES[0].schema, ...SOURCES.slice(1).map(({ schema }) => schema)])
  .describe("Where the items come from that are to be encoded.");

export type UserSource = z.output<typeof sourceSchema>;
