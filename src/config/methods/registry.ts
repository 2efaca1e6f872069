import { z } from "zod";

import { indexByName } from "../registry.js";
import { cmcr } from "./cmcr.js";
import { imported } from "./imported.js";

/** Every method that connects spaces. A new one is a file and a line here. */
const METHODS = [
  cmcr,
  imported,
] as const;

export const methods = indexByName("method", METHODS);

/** What a user writes below `connect`. */
export const connectSchema = z
  .discriminatedUnion("method", [METHODS[0].schema, ...METHODS.slice(1).map(({ schema }) => schema)])
  .describe("How the spaces are connected.");
