import { z } from "zod";

import { experimentSchema } from "./experiment.js";
import { nameField, pathField, runNameField } from "./fields.js";

const PATH = /^[^.\s]+(\.[^.\s]+)*$/;
const VARIANT_NAME = /^\S(.{0,98}\S)?$/u;

/** A field of the experiment, as `--set` names it. */
function fieldPathField(description: string) {
  const error = "expected the path of a field, such as connect.epochs";
  return z.string({ error }).regex(PATH, { error }).describe(description);
}

function changesField(description: string) {
  return z.record(fieldPathField("The path of a field, such as connect.epochs."), z.unknown()).describe(description);
}

function variantNameField(description: string) {
  const error = "expected a name of up to 100 characters on one line";
  return z.string({ error }).regex(VARIANT_NAME, { error }).describe(description);
}

const variantSchema = z.strictObject({
  name: variantNameField("The variant's name in the table; its folder is named after it."),
  set: changesField("Its changes. A dotted key sets exactly the field that it names, as --set does; a map below a plain key goes into what is there.").default({}),
});

const metricSchema = z.strictObject({
  task: nameField("One of the experiment's tasks."),
  metric: z.string({ error: "expected a metric's name" }).min(1).describe("The metric's name in metrics.json, such as R@1."),
  reverse: z.boolean({ error: "expected true or false" }).default(false).describe("Of a retrieval: with the gallery as queries."),
});

const PARALLEL = "expected auto or a whole number of at least 1";

/** The whole sweep file, as a user writes it. Unknown fields are mistakes. */
export const sweepSchema = z
  .strictObject({
    version: z.literal(1).describe("Version of this format."),
    name: runNameField("The sweep's name, which becomes its folder's."),
    experiment: pathField("The experiment that is varied: a file, relative to this one."),
    seeds: experimentSchema.shape.seeds.describe("In place of the experiment's seeds."),
    set: changesField("Changes to every variant, as in a variant's set.").default({}),
    variants: z.array(variantSchema).min(1).optional().describe("The variants, in the order of the table."),
    grid: z
      .record(fieldPathField("The path of a field, such as connect.epochs."), z.array(z.unknown()).min(1, { error: "expected a list of one or more values" }).describe("The values that it takes."))
      .optional()
      .describe("Every combination of these values is a variant, after those of the list; the last field changes fastest."),
    reference: z.string({ error: "expected the name of a variant" }).optional().describe("The variant that the others are compared with. Default: the first."),
    metrics: z.array(metricSchema).min(1).optional().describe("The columns of the table. Default: each task's main metric."),
    parallel: z
      .union([z.literal("auto", { error: PARALLEL }), z.int({ error: PARALLEL }).min(1, { error: PARALLEL })], { error: PARALLEL })
      .default("auto")
      .describe("Variants that run at the same time, each with a worker of its own. auto: on a CPU as many as cores allow, else one."),
  })
  .describe("A cmcr sweep.");

/** The fields of a sweep file, with the schema's defaults. */
export type SweepFields = z.output<typeof sweepSchema>;

/** Whether a file's value is meant as a sweep and not as an experiment. */
export function looksLikeSweep(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.hasOwn(value, "experiment") && !Object.hasOwn(value, "spaces");
}

/**
 * The JSON Schema (draft 2020-12) of a sweep file as a user writes it, with a
 * description of every field: for editors.
 */
export function sweepJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(sweepSchema, { io: "input", target: "draft-2020-12" });
  return { $schema, title: "cmcr sweep", ...schema };
}
