import { z } from "zod";

import { indexByName } from "../registry.js";
import { classification } from "./classification.js";
import { counterfactual } from "./counterfactual.js";
import { localization } from "./localization.js";
import { retrieval } from "./retrieval.js";

/** Every kind of evaluation. A new one is a file and a line here. */
const TASKS = [
  retrieval,
  classification,
  localization,
  counterfactual,
] as const;

export const tasks = indexByName("task", TASKS);

/** What a user writes for an item of `evaluate`. */
export const taskSchema = z
  .discriminatedUnion("task", [TASKS[0].schema, ...TASKS.slice(1).map(({ schema }) => schema)])
  .describe("An evaluation.");
