import { z } from "zod";

import { countField, pathField } from "../fields.js";
import { defineSource } from "./definition.js";
import { compilePart, fileField, missingField, partFields, rootField } from "./partFields.js";

/** Datasets with annotation files in JSON. */

/** COCO's captions. */
export const coco = defineSource({
  name: "coco",
  schema: z
    .strictObject({
      type: z.literal("coco").describe("COCO captions, or any file of that form."),
      path: pathField("Such as captions_val2014.json or coco_test_karpathy.json; or Karpathy's dataset_coco.json. Relative to this file.", [".json"]),
      root: rootField,
      split: z.string().min(1).optional().describe("Of Karpathy's own files alone: train, restval, val or test."),
      captions: countField("As texts: at most so many captions of each image, the first ones; all of them unless given. Some of COCO's images have six or seven, and recall is often measured with five.", 1).optional(),
      missing: missingField,
    })
    .describe("COCO captions; each caption is an item, and each image is one, in the order of the images' ids."),
  compile: (user, resolve) => ({
    type: "coco",
    path: resolve(user.path),
    root: user.root === undefined ? null : resolve(user.root),
    split: user.split ?? null,
    captions: user.captions ?? null,
    missing: user.missing,
  }),
  delivers: () => ["text", "image"],
  attributes: () => ["media"],
});

/** MSR-VTT as CLIP4Clip uses it. */
export const msrVtt = defineSource({
  name: "msr-vtt",
  schema: z
    .strictObject({
      type: z.literal("msr-vtt").describe("MSR-VTT: captions of short videos."),
      path: pathField("MSRVTT_data.json, or MSRVTT_JSFUSION_test.csv (the test 1k-A) by itself, relative to this file.", [".json", ".csv"]),
      list: pathField("Only these videos: a .csv with the column video_id, such as MSRVTT_train.9k.csv, relative to this file.", [".csv"]).optional(),
      root: rootField,
      file: fileField("How the files are named.").default("{video_id}.*"),
      missing: missingField,
      ...partFields,
    })
    .describe("MSR-VTT; each caption is an item, and each video is one."),
  compile: (user, resolve) => ({
    type: "msr-vtt",
    path: resolve(user.path),
    list: user.list === undefined ? null : resolve(user.list),
    root: user.root === undefined ? null : resolve(user.root),
    file: user.file,
    missing: user.missing,
    part: compilePart(user),
  }),
  delivers: () => ["text", "video", "image", "audio"],
  attributes: () => ["media"],
});
