import { z } from "zod";

import type { Modality } from "../compiled.js";
import type { TableFormat } from "../compiledSource.js";
import { pathField } from "../fields.js";
import { defineSource } from "./definition.js";
import { checkPairs, compilePairs, compilePart, fileField, missingField, pairsField, partFields, rootField } from "./partFields.js";
import { CSV, layoutOf, TABLE_DEFAULTS } from "./tableFields.js";

/** Datasets that are a list of parts of web videos with labels. */

const CLIPS: readonly Modality[] = ["audio", "video", "image"];
/** Each clip of AudioSet, VGGSound and AVE is that long. */
const CLIP_SECONDS = 10;
const cutField = (what: string) => z.boolean().default(false).describe(`Whether the files are whole videos, of which ${what} are the item; false: each file is the item.`);

/** Three comment lines, the third with the columns' names, and spaces after the commas. */
const AUDIOSET: TableFormat = { ...CSV, columns: ["YTID", "start_seconds", "end_seconds", "positive_labels"], comment: "#", skipSpace: true };

/** AudioSet's segments. */
export const audioset = defineSource({
  name: "audioset",
  schema: z
    .strictObject({
      type: z.literal("audioset").describe("AudioSet: segments of videos with their labels."),
      path: pathField("Such as eval_segments.csv, relative to this file.", [".csv"]),
      root: rootField,
      file: fileField("How the files are named.").default("{YTID}.*"),
      labels: pathField("class_labels_indices.csv, which gives the labels their names, relative to this file.", [".csv"]).optional(),
      cut: cutField("the seconds in the list"),
      missing: missingField,
      pairs: pairsField,
      ...partFields,
    })
    .describe("AudioSet's segments, with the attributes label (the first), labels (all) and media."),
  compile: (user, resolve) => ({
    ...TABLE_DEFAULTS,
    origin: "audioset",
    path: resolve(user.path),
    format: AUDIOSET,
    layouts: [
      layoutOf({
        file: user.file,
        attributes: { label: "{label}", labels: "{labels}", media: "{YTID}" },
        cut: user.cut ? { start: "start_seconds", end: "end_seconds", seconds: null } : null,
      }),
    ],
    root: user.root === undefined ? null : resolve(user.root),
    labels: { column: "positive_labels", names: user.labels === undefined ? null : resolve(user.labels) },
    missing: user.missing,
    part: compilePart(user),
    pairs: compilePairs(user, CLIP_SECONDS),
  }),
  check: (user, path, context) => { checkPairs(user, CLIP_SECONDS, path, context); },
  delivers: () => CLIPS,
  attributes: () => ["label", "labels", "media"],
});

const VGGSOUND: TableFormat = { ...CSV, columns: ["youtube_id", "start_seconds", "label", "split"] };

/** VGGSound. */
export const vggsound = defineSource({
  name: "vggsound",
  schema: z
    .strictObject({
      type: z.literal("vggsound").describe("VGGSound: ten-second clips of videos with a class."),
      path: pathField("vggsound.csv, which has no header, relative to this file.", [".csv"]),
      root: rootField,
      split: z.enum(["train", "test"]).optional().describe("Only the clips of this split."),
      file: fileField("How the files are named.").default("{youtube_id}_{start_seconds:06}.*"),
      cut: cutField("ten seconds from the one in the list"),
      missing: missingField,
      pairs: pairsField,
      ...partFields,
    })
    .describe("VGGSound, with the attributes class and media."),
  compile: (user, resolve) => ({
    ...TABLE_DEFAULTS,
    origin: "vggsound",
    path: resolve(user.path),
    format: VGGSOUND,
    layouts: [
      layoutOf({
        file: user.file,
        attributes: { class: "{label}", media: "{youtube_id}_{start_seconds:06}" },
        cut: user.cut ? { start: "start_seconds", end: null, seconds: CLIP_SECONDS } : null,
      }),
    ],
    root: user.root === undefined ? null : resolve(user.root),
    where: user.split === undefined ? {} : { split: [user.split] },
    missing: user.missing,
    part: compilePart(user),
    pairs: compilePairs(user, CLIP_SECONDS),
  }),
  check: (user, path, context) => { checkPairs(user, CLIP_SECONDS, path, context); },
  delivers: () => CLIPS,
  attributes: () => ["class", "media"],
});

/** Fields with & between them, which names of categories may hold commas beside; quotes mean nothing. */
const AVE: TableFormat = { ...CSV, delimiter: "&", quote: null, columns: ["Category", "VideoID", "Quality", "StartTime", "EndTime"] };

/** AVE, the audio-visual events. */
export const ave = defineSource({
  name: "ave",
  schema: z
    .strictObject({
      type: z.literal("ave").describe("AVE: ten-second videos with an audio-visual event."),
      path: pathField("Annotations.txt, with or without its header, relative to this file.", [".txt"]),
      root: rootField,
      rows: pathField(
        "Which rows, in this order, counted from 0 without the header: train_order.h5, val_order.h5 or test_order.h5; or a .npy or a text file of numbers. All unless given.",
      ).optional(),
      file: fileField("How the files are named.").default("{VideoID}.*"),
      cut: cutField("the seconds of the event"),
      missing: missingField,
      pairs: pairsField,
      ...partFields,
    })
    .describe("AVE, with the attributes category and media. A video that the list has twice is two items."),
  compile: (user, resolve) => ({
    ...TABLE_DEFAULTS,
    origin: "ave",
    path: resolve(user.path),
    format: AVE,
    layouts: [
      layoutOf({
        file: user.file,
        attributes: { category: "{Category}", media: "{VideoID}" },
        cut: user.cut ? { start: "StartTime", end: "EndTime", seconds: null } : null,
      }),
    ],
    root: user.root === undefined ? null : resolve(user.root),
    rows: user.rows === undefined ? null : resolve(user.rows),
    missing: user.missing,
    part: compilePart(user),
    pairs: compilePairs(user, CLIP_SECONDS),
  }),
  check: (user, path, context) => { checkPairs(user, CLIP_SECONDS, path, context); },
  delivers: () => CLIPS,
  attributes: () => ["category", "media"],
});

/** Ids alone, one a row: what follows a comma is of no account. */
const IDS: TableFormat = { ...CSV, columns: ["id"] };

/** Recordings that a plain list of ids names. */
export const clips = defineSource({
  name: "clips",
  schema: z
    .strictObject({
      type: z.literal("clips").describe("Recordings of which a list has the ids."),
      path: pathField("A text or .csv file with an id in each line, what follows a comma being passed over; relative to this file.", [".txt", ".csv"]),
      root: rootField,
      file: fileField("How the files are named.").default("{id}.*"),
      missing: missingField,
      pairs: pairsField,
      ...partFields,
    })
    .describe("Recordings that a plain list of ids names, with the attribute media."),
  compile: (user, resolve) => ({
    ...TABLE_DEFAULTS,
    origin: "clips",
    path: resolve(user.path),
    format: IDS,
    layouts: [layoutOf({ file: user.file, attributes: { media: "{id}" } })],
    root: user.root === undefined ? null : resolve(user.root),
    missing: user.missing,
    part: compilePart(user),
    pairs: compilePairs(user, null),
  }),
  check: (user, path, context) => { checkPairs(user, null, path, context); },
  delivers: () => CLIPS,
  attributes: () => ["media"],
});
