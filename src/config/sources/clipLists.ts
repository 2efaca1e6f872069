import { z } from "zod";

import type { Modality } from "../compiled.js";
import type { TableFormat } from "../compiledSource.js";
import { pathField } from "../fields.js";
import { defineSource } from "./definition.js";
import { compilePart, fileField, missingField, partFields, rootField } from "./partFields.js";
import { CSV, layoutOf, TABLE_DEFAULTS } from "./tableFields.js";

/** Datasets that are a list of parts of web videos with labels. */

const CLIPS: readonly Modality[] = ["audio", "video", "image"];
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
  }),
  delivers: () => CLIPS,
  attributes: () => ["label", "labels", "media"],
});

const VGGSOUND: TableFormat = { ...CSV, columns: ["youtube_id", "start_seconds", "label", "split"] };
/** Each clip of VGGSound is that long. */
const VGGSOUND_SECONDS = 10;

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
        cut: user.cut ? { start: "start_seconds", end: null, seconds: VGGSOUND_SECONDS } : null,
      }),
    ],
    root: user.root === undefined ? null : resolve(user.root),
    where: user.split === undefined ? {} : { split: [user.split] },
    missing: user.missing,
    part: compilePart(user),
  }),
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
  }),
  delivers: () => CLIPS,
  attributes: () => ["category", "media"],
});
