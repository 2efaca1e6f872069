import { z } from "zod";

import type { CompiledTexts } from "../compiledSource.js";
import { pathField } from "../fields.js";
import type { FieldPath } from "../mistake.js";
import type { CheckContext } from "../checks/context.js";
import type { ResolvePath } from "../providers/definition.js";
import { defineSource } from "./definition.js";

/** What stands for the label in a template; `{c}` is how CLIP_benchmark writes it. */
export const LABEL_SLOT = /\{c?\}/g;

const textsField = (what: string, example: string) =>
  z
    .union([
      z.array(z.string({ error: "expected a text" }).min(1)).min(1),
      pathField(`A text file with one in each line, or a .json file that is a list; relative to this file.`, [".txt", ".json"]),
      z.strictObject({
        path: pathField("A .json file that is a map of lists, relative to this file.", [".json"]),
        key: z.string({ error: "expected a key" }).min(1).describe(`Which of its lists, such as ${example}.`),
      }),
    ])
    .describe(`${what}: a list; a text file with one in each line; a .json list; or { path, key } of a .json map of lists, such as ${example} of ULIP's.`);

type UserTexts = z.output<ReturnType<typeof textsField>>;

/** A prompt for each label and template: the classes of a zero-shot classification. */
export const prompts = defineSource({
  name: "prompts",
  schema: z
    .strictObject({
      type: z.literal("prompts").describe("Prompts for a classification: every template for every label."),
      labels: textsField("The labels, in which _ stands for a space", "modelnet40"),
      templates: textsField("The templates, in which {} stands for the label", "modelnet40_64"),
    })
    .describe("Every template for every label, label after label, with the attribute class: the label, its underscores turned into spaces."),
  compile: ({ labels, templates }, resolve) => ({ type: "prompts", labels: compileTexts(labels, resolve), templates: compileTexts(templates, resolve) }),
  delivers: () => ["text"],
  attributes: () => ["class"],
  check: ({ templates }, path, context) => {
    if (typeof templates === "object" && !("path" in templates)) checkTemplates(templates, [...path, "templates"], context);
  },
});

function compileTexts(user: UserTexts, resolve: ResolvePath): CompiledTexts {
  if (typeof user === "string") return { kind: "file", path: resolve(user), key: null };
  return "path" in user ? { kind: "file", path: resolve(user.path), key: user.key } : { kind: "inline", texts: user };
}

function checkTemplates(templates: readonly string[], path: FieldPath, context: CheckContext): void {
  for (const [index, template] of templates.entries()) {
    if (template.search(LABEL_SLOT) >= 0) continue;
    context.report({ path: [...path, index], reason: "IMPOSSIBLE_VALUE", expected: "a template with {} where the label goes", found: JSON.stringify(template) });
  }
}
