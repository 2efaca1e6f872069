import { z } from "zod";

import { checkLabels, checkTaskBaselines, checkTaskView, compileTaskFields, defineTask, taskFields, viewSchema } from "./definition.js";

const DEFAULT_KS = [1, 5, 10];

const RELEVANCE = "expected labels, rows or the path of a .json file";

const schema = z
  .strictObject({
    ...taskFields,
    task: z.literal("retrieval").describe("Rank the gallery for each query."),
    gallery: viewSchema.describe("What is searched."),
    relevance: z
      .string({ error: RELEVANCE })
      .regex(/^(labels|rows|[^\0]+\.json)$/, { error: RELEVANCE })
      .describe("labels: items of one label belong together; rows: item i belongs to item i; or a .json file, a list of relevant rows for each query."),
  })
  .describe("Cross-modal retrieval. Default ks [1, 5, 10].");

/** Cross-modal retrieval: a query's relevant items in a ranked gallery. */
export const retrieval = defineTask({
  name: "retrieval",
  schema,
  check: (fields, use) => {
    checkTaskView(fields.query, "query", use);
    checkTaskView(fields.gallery, "gallery", use);
    checkTaskBaselines(fields.baselines, [fields.query, fields.gallery], use);
    if (fields.relevance !== "labels") return;
    checkLabels(fields.query, "query", "relevance: labels", use);
    checkLabels(fields.gallery, "gallery", "relevance: labels", use);
  },
  compile: (user, resolve) => ({
    ...compileTaskFields(user, user.gallery, DEFAULT_KS),
    task: "retrieval",
    gallery: { ...user.gallery },
    relevance:
      user.relevance === "labels" || user.relevance === "rows" ? { kind: user.relevance } : { kind: "file", path: resolve(user.relevance) },
  }),
});
