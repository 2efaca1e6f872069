import { z } from "zod";

import type { Modality } from "../compiled.js";
import type { CompiledSounding } from "../compiledSource.js";
import { pathField, positiveField } from "../fields.js";
import type { ResolvePath } from "../providers/definition.js";
import { defineSource } from "./definition.js";
import { checkPairs, compilePairs, compilePart, fileField, missingField, pairsField, partFields, rootField } from "./partFields.js";

/** Datasets of images with their sounds, and boxes around what sounds in them. */

const SEEN_AND_HEARD: readonly Modality[] = ["image", "audio"];
/** A clip of VGG-SS is that long. */
const VGG_SECONDS = 10;

const listField = pathField("Only these items, in this order: a file with an id in each line, what follows a comma being passed over; relative to this file.", [".csv", ".txt"]).optional();

/** Fields that all of them share. */
const soundingFields = {
  root: rootField,
  image: fileField("How the images are named.").optional(),
  audio: fileField("How the sounds are named.").optional(),
  missing: missingField,
  pairs: pairsField,
  ...partFields,
};

type UserSounding = z.output<z.ZodObject<typeof soundingFields>>;

/** What is compiled alike; `clipSeconds` is how long each clip is, or null. */
function compileSounding(user: UserSounding & { readonly path: string }, resolve: ResolvePath, clipSeconds: number | null): Omit<CompiledSounding, "type"> {
  return {
    path: resolve(user.path),
    list: null,
    annotations: null,
    root: user.root === undefined ? null : resolve(user.root),
    image: user.image ?? null,
    audio: user.audio ?? null,
    around: null,
    missing: user.missing,
    part: compilePart(user),
    pairs: compilePairs(user, clipSeconds),
  };
}

/** VGG Sound Source. */
export const vggSs = defineSource({
  name: "vgg-ss",
  schema: z
    .strictObject({
      type: z.literal("vgg-ss").describe("VGG Sound Source: images with a sound, and boxes around what sounds."),
      path: pathField("vggss.json, relative to this file.", [".json"]),
      list: listField,
      ...soundingFields,
    })
    .describe("VGG-SS; each entry is an item, with the attributes class, media and boxes. Images are frames/{file}.jpg and sounds audio/{file}.wav unless named otherwise."),
  compile: (user, resolve) => ({ ...compileSounding(user, resolve, VGG_SECONDS), type: "vgg-ss", list: user.list === undefined ? null : resolve(user.list) }),
  delivers: () => SEEN_AND_HEARD,
  attributes: () => ["class", "media", "boxes"],
  check: (user, path, context) => { checkPairs(user, VGG_SECONDS, path, context); },
});

/** Flickr-SoundNet's test set. */
export const flickrSoundnet = defineSource({
  name: "flickr-soundnet",
  schema: z
    .strictObject({
      type: z.literal("flickr-soundnet").describe("Flickr-SoundNet's test set: images with a sound, and the boxes of several annotators."),
      path: pathField("flickr_test.csv, whose first column has the ids and which has no header, relative to this file.", [".csv", ".txt"]),
      annotations: pathField("The folder of the files ID.xml, relative to this file; Annotations/ beside the list unless given.").optional(),
      ...soundingFields,
    })
    .describe("Flickr-SoundNet's test set, with the attributes media and boxes, which has those of all annotators. Images are frames/{file}.jpg and sounds audio/{file}.wav unless named otherwise."),
  compile: (user, resolve) => ({
    ...compileSounding(user, resolve, null),
    type: "flickr-soundnet",
    annotations: resolve(user.annotations ?? besideOf(user.path, "Annotations")),
  }),
  delivers: () => SEEN_AND_HEARD,
  attributes: () => ["media", "boxes"],
  check: (user, path, context) => { checkPairs(user, null, path, context); },
});

/** MUSIC-Solo. */
export const musicSolo = defineSource({
  name: "music-solo",
  schema: z
    .strictObject({
      type: z.literal("music-solo").describe("MUSIC-Solo: frames of solos, with a box around the instrument."),
      path: pathField("music_solo.json, or the original solotest.json, relative to this file. The layout is told by the document.", [".json"]),
      list: listField,
      around: positiveField("As sounds: so many seconds around the frame; all of the recording unless given.").optional(),
      ...soundingFields,
    })
    .describe("MUSIC-Solo; each frame is an item, with the attributes class, media (the video) and boxes. Images are frames/{file}.jpg (of solotest.json, the path that it has) and sounds audio/{video}.wav unless named otherwise."),
  compile: (user, resolve) => ({
    ...compileSounding(user, resolve, null),
    type: "music-solo",
    list: user.list === undefined ? null : resolve(user.list),
    around: user.around ?? null,
  }),
  delivers: () => SEEN_AND_HEARD,
  attributes: () => ["class", "media", "boxes"],
  check: (user, path, context) => {
    checkPairs(user, null, path, context);
    if (user.around === undefined || (user.pairs === "one" && user.segment === undefined)) return;
    context.report({ path: [...path, "around"], reason: "IMPOSSIBLE_VALUE", expected: "around alone, without segment and pairs", found: String(user.around) });
  },
});

/** The extended sets of counterfactual recognition. */
export const extended = defineSource({
  name: "extended",
  schema: z
    .strictObject({
      type: z.literal("extended").describe("An extended set: pairs of an image and its sound, and pairs of which nothing in the image sounds."),
      path: pathField("vggss_test_plus_silent.csv or flickr_test_plus_silent.csv (video,audio,label), relative to this file.", [".csv"]),
      positives: z.discriminatedUnion("type", [vggSs.schema, flickrSoundnet.schema]).describe("The pairs that sound: a source of the type vgg-ss or flickr-soundnet. It has the root of the extended set unless it gives its own."),
      root: rootField,
      image: fileField("How the images of the pairs that do not sound are named.").default("frames/{video}.jpg"),
      audio: fileField("How their sounds are named.").default("audio/{audio}.wav"),
      missing: missingField,
      ...partFields,
    })
    .describe("First the pairs that sound, then those that do not, which have no boxes; with the attributes label (sounding or non-sounding), media and boxes."),
  compile: (user, resolve) => {
    const { positives } = user;
    const both = { root: positives.root ?? user.root, missing: user.missing, frame: positives.frame ?? user.frame, segment: positives.segment ?? user.segment };
    const compiled = positives.type === "vgg-ss" ? vggSs.compile({ ...positives, ...both }, resolve) : flickrSoundnet.compile({ ...positives, ...both }, resolve);
    return {
      type: "extended",
      path: resolve(user.path),
      positives: compiled as CompiledSounding<"vgg-ss"> | CompiledSounding<"flickr-soundnet">,
      root: user.root === undefined ? null : resolve(user.root),
      image: user.image,
      audio: user.audio,
      missing: user.missing,
      part: compilePart(user),
    };
  },
  delivers: () => SEEN_AND_HEARD,
  attributes: () => ["label", "media", "boxes"],
  check: ({ positives }, path, context) => {
    if (positives.pairs === "one" || positives.pairs === 1) return;
    context.report({ path: [...path, "positives", "pairs"], reason: "IMPOSSIBLE_VALUE", expected: "one pair of each, as the pairs that do not sound are", found: String(positives.pairs) });
  },
});

/** A name in the folder of a file, as it is written. */
function besideOf(path: string, name: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/") + 1) + name : name;
}
