import { z } from "zod";

import { MODALITIES, type CompiledCollection, type CompiledLimits } from "./compiled.js";
import { countField, nameField, pathField, positiveField, seedField } from "./fields.js";
import type { ResolvePath } from "./providers/definition.js";
import { sources, sourceSchema } from "./sources/registry.js";

/** A file of one of two endings; or a folder, which ends with a slash or has no ending. */
const EMBEDDINGS_PATH = /^[^\0]*(\.npy|\.safetensors|\/|(^|\/)[^\0./\s][^\0./]*|(^|\/)\.{1,2})$/;
const embeddingsError = "expected the path of a .npy or .safetensors file, or of a folder that clip-retrieval wrote";

const labelsSchema = z
  .union([
    pathField("A .npy file of integers, one for each item.", [".npy"]),
    z.strictObject({ attribute: z.string().describe("An attribute of the source's items, such as class; its values, sorted, are numbered from 0.") }),
  ])
  .describe("What each item is: a .npy file of integers (n,), one for each item of the source; or { attribute: NAME } of the source's items.");

/** Name of the one list of boxes that a generator's items have. */
export const GENERATED_BOXES = "boxes";

const boxesSchema = z
  .union([
    pathField("A .json file: for each item a list of boxes.", [".json"]),
    z.strictObject({ attribute: z.string().describe("An attribute of the source's items that holds an item's list of boxes as JSON text; of a built-in world, boxes.") }),
  ])
  .describe(
    "Where in its image each item sounds: a .json file with a list for each item of the source, [[left, top, right, bottom], ...] in fractions of the frame, [] where nothing sounds; or { attribute: NAME } of the source's items.",
  );

/** Percent of a collection's items that may be unreadable before its encoding fails. */
export const DEFAULT_UNREADABLE_LIMIT = 5;

const percent = "expected a percentage from 0 to 100";

const unreadableSchema = z
  .strictObject({
    action: z.enum(["skip", "fail"]).default("skip").describe("skip: leave such an item out and list it in skipped.jsonl; fail: end at the first one."),
    limit: z
      .number({ error: percent })
      .min(0, { error: percent })
      .max(100, { error: percent })
      .default(DEFAULT_UNREADABLE_LIMIT)
      .describe("Percent of the collection's items that may be left out; beyond it the stage fails, and what was encoded is kept."),
  })
  .describe("What becomes of items that cannot be read.");

const limitsSchema = z
  .strictObject({
    bytes: countField("Bytes of the encoded item.", 1).optional(),
    pixels: countField("Width times height of an image or a frame.", 1).optional(),
    seconds: positiveField("Length of a sound or a video.").optional(),
    points: countField("Points of a cloud, or vertices of a mesh.", 1).optional(),
    workSeconds: positiveField("Time that decoding and preprocessing may take.").optional(),
  })
  .describe("What one item may ask for before it counts as unreadable; the worker has generous limits of its own.");

const sampleSchema = z
  .strictObject({
    count: countField("How many items; all where there are fewer. A smaller sample of one seed is part of a larger one.", 1),
    seed: seedField("Draws them.").default(0),
  })
  .describe("Use a random sample of the items, in their order. All are encoded, once, whatever the sample.");

/** What a user writes below `data.NAME`: items of one modality, to be encoded or with embeddings given. */
export const collectionSchema = z
  .strictObject({
    modality: z.enum(MODALITIES).describe("The one modality of its items."),
    source: sourceSchema.optional(),
    embeddings: z
      .record(
        nameField("A space's name."),
        z
          .string({ error: embeddingsError })
          .regex(EMBEDDINGS_PATH, { error: embeddingsError })
          .describe("A .npy or .safetensors file of that space's embeddings, (n, d), float16 or float32; or a folder that clip-retrieval wrote (img_emb/, text_emb/)."),
      )
      .default({})
      .describe("Embeddings that are given, so not encoded: a file or a folder for each space."),
    labels: labelsSchema.optional(),
    boxes: boxesSchema.optional(),
    unreadable: unreadableSchema.prefault({}),
    limits: limitsSchema.optional(),
    sample: sampleSchema.optional(),
  })
  .refine((collection) => collection.source !== undefined || Object.keys(collection.embeddings).length > 0, {
    error: "expected embeddings or a source",
  })
  .describe("A named collection.");

export type UserCollection = z.output<typeof collectionSchema>;

/** A collection with every path absolute. */
export function compileCollection(user: UserCollection, name: string, resolve: ResolvePath): CompiledCollection {
  const { labels, boxes } = user;
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
    boxes:
      boxes === undefined
        ? null
        : typeof boxes === "string"
          ? { kind: "file", path: resolve(boxes) }
          : { kind: "attribute", attribute: boxes.attribute },
    unreadable: user.unreadable,
    limits: user.limits === undefined ? null : compileLimits(user.limits),
    ...(user.sample === undefined ? {} : { sample: { ...user.sample } }),
  };
}

function compileLimits({ bytes, pixels, seconds, points, workSeconds }: z.output<typeof limitsSchema>): CompiledLimits {
  return { bytes: bytes ?? null, pixels: pixels ?? null, seconds: seconds ?? null, points: points ?? null, workSeconds: workSeconds ?? null };
}
