import { z } from "zod";

import { experimentSchema } from "./experiment.js";

/**
 * The JSON Schema (draft 2020-12) of an experiment file as a user writes it,
 * with a description of every field: for editors.
 */
export function experimentJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(experimentSchema, { io: "input", target: "draft-2020-12" });
  return { $schema, title: "cmcr experiment", ...schema };
}
