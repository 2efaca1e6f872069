import { z } from "zod";

import type { Modality } from "../compiled.js";
import type { TableFormat, TableLayout } from "../compiledSource.js";
import { pathField } from "../fields.js";
import { defineSource } from "./definition.js";
import { compilePart, fileField, missingField, partFields, rootField } from "./partFields.js";
import { CSV, layoutOf, TABLE_DEFAULTS } from "./tableFields.js";

/** Datasets that are a table of captions and of the files that they describe. */

const FIVE = [1, 2, 3, 4, 5].map((number) => `caption_${number}`);
const SOUNDS: readonly Modality[] = ["text", "audio", "video", "image"];
const media = (column: string): TableLayout["attributes"] => ({ media: `{${column}}` });

/** AudioCaps: its own lists, those of WavCaps in CSV and in JSON. */
export const audiocaps = defineSource({
  name: "audiocaps",
  schema: z
    .strictObject({
      type: z.literal("audiocaps").describe("AudioCaps: captions of ten-second sounds."),
      path: pathField("train.csv, val.csv or test.csv, or WavCaps' .json, relative to this file. The layout is told by its columns.", [".csv", ".json"]),
      root: rootField,
      file: fileField("How the files are named; Y{youtube_id}.* for the original lists and the named files for WavCaps' unless given.").optional(),
      missing: missingField,
      ...partFields,
    })
    .describe("AudioCaps; several captions of a sound are an item each, and the sound is one."),
  compile: (user, resolve) => {
    const file = (usual: string): Pick<TableLayout, "file" | "oncePerFile"> => ({ file: user.file ?? usual, oncePerFile: true });
    const isJson = user.path.endsWith(".json");
    const named = (column: string, pattern = `{${column}}`): readonly TableLayout[] => [
      layoutOf({ needs: [column, ...FIVE], texts: FIVE, ...file(pattern), attributes: media(column) }),
      layoutOf({ needs: [column, "caption"], texts: ["caption"], ...file(pattern), attributes: media(column) }),
    ];
    const original = layoutOf({
      needs: ["audiocap_id", "youtube_id", "start_time", "caption"],
      texts: ["caption"],
      id: "{audiocap_id}",
      ...file("Y{youtube_id}.*"),
      attributes: media("youtube_id"),
    });
    return {
      ...TABLE_DEFAULTS,
      origin: "audiocaps",
      path: resolve(user.path),
      format: isJson ? { kind: "json", key: "data" } : CSV,
      layouts: isJson ? [...named("audio"), ...named("wav"), ...named("id", "{id}.*")] : [original, ...named("file_name")],
      root: user.root === undefined ? null : resolve(user.root),
      missing: user.missing,
      part: compilePart(user),
    };
  },
  delivers: () => SOUNDS,
  attributes: () => ["media"],
});

/** Clotho: five captions of each sound. */
export const clotho = defineSource({
  name: "clotho",
  schema: z
    .strictObject({
      type: z.literal("clotho").describe("Clotho: five captions of each sound."),
      path: pathField("Such as clotho_captions_evaluation.csv, relative to this file.", [".csv"]),
      root: rootField,
      missing: missingField,
      ...partFields,
    })
    .describe("Clotho; each caption is an item, and each sound is one."),
  compile: (user, resolve) => ({
    ...TABLE_DEFAULTS,
    origin: "clotho",
    path: resolve(user.path),
    format: CSV,
    layouts: [layoutOf({ needs: ["file_name", ...FIVE], texts: FIVE, file: "{file_name}", attributes: media("file_name"), oncePerFile: true })],
    root: user.root === undefined ? null : resolve(user.root),
    missing: user.missing,
    part: compilePart(user),
  }),
  delivers: () => ["text", "audio"],
  attributes: () => ["media"],
});

/** CC3M's lists have no header and no quoting. */
const CC3M: TableFormat = { ...CSV, delimiter: "\t", quote: null, columns: ["caption", "url"] };

/** Conceptual Captions 3M. */
export const cc3m = defineSource({
  name: "cc3m",
  schema: z
    .strictObject({
      type: z.literal("cc3m").describe("Conceptual Captions: captions and addresses."),
      path: pathField("Such as Train_GCC-training.tsv, relative to this file. It has no header; the one that img2dataset wants is passed over.", [".tsv"]),
      root: rootField,
      file: fileField("As images: how the files are named, such as {row:09}.jpg.").optional(),
      missing: missingField,
    })
    .describe("Conceptual Captions 3M; for images that img2dataset put into tars take webdataset."),
  compile: (user, resolve) => ({
    ...TABLE_DEFAULTS,
    origin: "cc3m",
    path: resolve(user.path),
    format: CC3M,
    layouts: [layoutOf({ texts: ["caption"], file: user.file ?? null, attributes: { url: "{url}" } })],
    root: user.root === undefined ? null : resolve(user.root),
    missing: user.missing,
  }),
  delivers: ({ file }) => (file === undefined ? ["text"] : ["text", "image"]),
  attributes: () => ["url"],
});

/** Flickr30k's Karpathy splits. */
export const flickr30k = defineSource({
  name: "flickr30k",
  schema: z
    .strictObject({
      type: z.literal("flickr30k").describe("Flickr30k: five captions of each image."),
      path: pathField("Such as flickr30k_test_karpathy.txt of retrieval_annotations, relative to this file.", [".txt"]),
      root: rootField,
      missing: missingField,
    })
    .describe("Flickr30k's Karpathy splits as text files; each caption is an item, and each image is one."),
  compile: (user, resolve) => ({
    ...TABLE_DEFAULTS,
    origin: "flickr30k",
    path: resolve(user.path),
    format: { kind: "name-caption" },
    layouts: [layoutOf({ texts: ["caption"], file: "{image}", attributes: media("image"), oncePerFile: true })],
    root: user.root === undefined ? null : resolve(user.root),
    missing: user.missing,
  }),
  delivers: () => ["text", "image"],
  attributes: () => ["media"],
});
