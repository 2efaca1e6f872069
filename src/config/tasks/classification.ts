import { z } from "zod";

import { checkLabels, checkTaskBaselines, checkTaskView, compileTaskFields, defineTask, taskFields, viewSchema } from "./definition.js";

const DEFAULT_KS = [1, 3, 5];

const schema = z
  .strictObject({
    ...taskFields,
    task: z.literal("classification").describe("Name the class of each query."),
    classes: viewSchema.describe("The prompts; those of one label make one class, without labels each row is a class."),
    average: z
      .enum(["projected", "embedded"])
      .default("projected")
      .describe("A class is the mean of its projected prompts, or the projection of its prompts' mean. The paper leaves it open."),
  })
  .describe("Zero-shot classification. Default ks [1, 3, 5].");

/** Zero-shot classification: a query's class among prompts. */
export const classification = defineTask({
  name: "classification",
  schema,
  check: (fields, use) => {
    checkTaskView(fields.query, "query", use);
    checkTaskView(fields.classes, "classes", use);
    checkTaskBaselines(fields.baselines, [fields.query, fields.classes], use);
    checkLabels(fields.query, "query", "classification", use);
  },
  compile: (user) => ({
    ...compileTaskFields(user, user.classes, DEFAULT_KS),
    task: "classification",
    classes: { ...user.classes },
    average: user.average,
  }),
});
