import { z } from "zod";

import { indexByName } from "../registry.js";
import { builtin } from "./builtin.js";
import { huggingfaceClap } from "./huggingfaceClap.js";
import { huggingfaceClip } from "./huggingfaceClip.js";
import { huggingfaceText } from "./huggingfaceText.js";
import { laionClap } from "./laionClap.js";
import { openClip } from "./openClip.js";
import { precomputed } from "./precomputed.js";
import { python } from "./python.js";
import { ulip } from "./ulip.js";

/** Every provider of spaces. A new one is a file and a line here. */
const PROVIDERS = [
  precomputed,
  builtin,
  huggingfaceClip,
  openClip,
  huggingfaceText,
  huggingfaceClap,
  laionClap,
  ulip,
  python,
] as const;

export const providers = indexByName("provider", PROVIDERS);

/** What a user writes below `spaces.NAME`. */
export const spaceSchema = z
  .discriminatedUnion("provider", [PROVIDERS[0].schema, ...PROVIDERS.slice(1).map(({ schema }) => schema)])
  .describe("A frozen space.");

export type UserSpace = z.output<typeof spaceSchema>;
