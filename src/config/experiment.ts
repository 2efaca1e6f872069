import { z } from "zod";

import { collectionSchema } from "./collection.js";
import { nameField, pathField, runNameField, seedField } from "./fields.js";
import { connectSchema } from "./methods/registry.js";
import { spaceSchema } from "./providers/registry.js";
import { taskSchema } from "./tasks/registry.js";
import { workerSchema } from "./worker.js";

/** The whole experiment file, as a user writes it. Unknown fields are mistakes. */
export const experimentSchema = z
  .strictObject({
    version: z.literal(1).describe("Version of this format."),
    name: runNameField("The run's name, which becomes its folder's."),
    seed: seedField("Draws the initial weights, the batches and the noise. Default 0.").optional(),
    seeds: z
      .array(seedField("A seed."))
      .min(1)
      .refine((seeds) => new Set(seeds).size === seeds.length, { error: "expected each seed once" })
      .optional()
      .describe("In place of seed: the projectors are trained with each, and the metrics are their mean with its standard deviation."),
    folders: z
      .record(nameField("The folder's name."), pathField("The folder, relative to this file."))
      .default({})
      .describe("Folders by name: a path that begins with $NAME/ lies below one. So --set folders.data=DIR moves all data at once."),
    worker: workerSchema.prefault({}),
    spaces: z
      .record(nameField("The space's name."), spaceSchema)
      .refine((spaces) => Object.keys(spaces).length >= 2, { error: "expected two or more spaces" })
      .meta({ description: "The frozen spaces, two or more.", minProperties: 2 }),
    data: z.record(nameField("The collection's name."), collectionSchema).describe("Named collections, each of one modality."),
    connect: connectSchema,
    evaluate: z.array(taskSchema).default([]).describe("The evaluations, in order."),
  })
  .describe("A cmcr experiment.");

/** What a user writes, before defaults. */
export type UserExperiment = z.input<typeof experimentSchema>;
/** The same with the schema's defaults, before names and paths are resolved. */
export type ParsedFields = z.output<typeof experimentSchema>;
