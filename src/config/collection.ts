import { z } from "zod";

import { MODALITIES, type CompiledCollection } from "./compiled.js";
import { nameField, pathField } from "./fields.js";
import type { ResolvePath } from "./providers/definition.js";
import { sources, sourceSchema } from "./sources/registry.js";

const EMBEDDING_FILES = [".npy", ".safetensors"];

const labelsSchema = z
  .union([
    pathField("A .npy file of integers, one for each item.", [".npy"]),
    z.strictObject({ attribute: z.string().describe("An attribute of the generator's items, such as shape.") }),
  ])
  .describe("What each item is: a .npy file of integers (n,), or { attribute: NAME } of generated items.");

/** What a user writes below `data.NAME`: items of one modality, to be encoded or with embeddings given. */
export const collectionSchema = z
  .strictObject({
    modality: z.enum(MODALITIES).describe("The one modality of its items."),
    source: sourceSchema.optional(),
    embeddings: z
      .record(
        nameField("A space's name."),
        pathField("A .npy or .safetensors file of that space's embeddings, (n, d), float16 or float32.", EMBEDDING_FILES),
      )
      .default({})
      .describe("Embeddings that are given, so not encoded: a file for each space."),
    labels: labelsSchema.optional(),
  })
  .refine((collection) => collection.source !== undefined || Object.keys(collection.embeddings).length > 0, {
    error: "expected embeddings or a source",
  })
  .describe("A named collection.");

export type UserCollection = z.output<typeof collectionSchema>;

/** A collection with every path absolute. */
export function compileCollection(user: UserCollection, name: string, resolve: ResolvePath): CompiledCollection {
  const { labels } = user;
  return {
    name,
    modality: user.modality,
    source: user.source === undefined ? null : sources.get(user.source.type).compile(user.source, resolve),
    embeddings: Object.fromEntries(Object.entries(user.embeddings).map(([space, path]) => [space, resolve(path)])),
    labels:
      labels === undefined
        ? null
        : typeof labels === "string"
          ? { kind: "file", path: resolve(labels) }
          : { kind: "attribute", attribute: labels.attribute },
  };
}
