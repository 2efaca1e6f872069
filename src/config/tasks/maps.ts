import { z } from "zod";

import { INTERPOLATIONS } from "../../evaluate/patchMaps.js";
import type { MapSettings } from "../../evaluate/places.js";
import type { CompiledRegions } from "../compiled.js";
import { countField, nameField, pathField } from "../fields.js";
import type { ResolvePath } from "../providers/definition.js";
import { checkTaskBaselines, checkTaskView, compileTaskFields, PLACE_BASELINES, taskFields, type TaskUse, type UserView } from "./definition.js";

/**
 * Windows of the default grid: the whole image, halves and thirds, each of which overlaps the
 * next by half. 1 + 9 + 25 = 35 crops of each image, and as many passes of the encoder.
 */
export const DEFAULT_WINDOWS: readonly { readonly size: number; readonly steps: number }[] = [
  { size: 1, steps: 1 },
  { size: 1 / 2, steps: 3 },
  { size: 1 / 3, steps: 5 },
];

/** So many rows the worker makes of one image at most. */
const MOST_CROPS = 4096;

const size = "expected a fraction of the image above 0, and at most 1";

const windowSchema = z.strictObject({
  size: z.number({ error: size }).gt(0, { error: size }).max(1, { error: size }).describe("Width and height of a crop as a fraction of the image's."),
  steps: countField("Crops across, and down: the first and the last touch the image's edges, a single one lies in its middle.", 1),
});

const squash = z.boolean().default(true).describe("Squash each region to a square first, so that the encoder's own preprocessing cuts nothing off it. Default true: a region is then judged by all of it.");

const regionsSchema = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("crops").describe("Crops of a grid, the same on every image."),
      windows: z
        .array(windowSchema)
        .min(1)
        .refine((windows) => windows.reduce((sum, { steps }) => sum + steps ** 2, 0) <= MOST_CROPS, { error: `expected at most ${MOST_CROPS} crops of an image in all` })
        .default([...DEFAULT_WINDOWS])
        .describe("Their sizes and numbers. Default the whole image, 3 x 3 of half its size and 5 x 5 of a third: 35 crops, so 35 passes of the encoder for an image."),
      squash,
    }),
    z.strictObject({
      kind: z.literal("boxes").describe("Boxes of your own, such as a detector's."),
      path: pathField("A .json file: for each image a list of one box or more, [[left, top, right, bottom], ...] in fractions of the frame.", [".json"]),
      squash,
    }),
    z.strictObject({
      kind: z.literal("patches").describe("The patches of the encoder's vision transformer; one pass for an image. The image is squashed to a square."),
      from: z
        .enum(["tokens", "values"])
        .default("tokens")
        .describe("tokens: the last layer's outputs; values: without its attention, which mixes places (MaskCLIP). Default tokens, as they are what the encoder gives; values are often better localized."),
    }),
  ])
  .describe("What of each image is compared with its sound. Published codes of this task score the cells of a network's feature map; C-MCR's own way is not published.");

export type UserRegions = z.output<typeof regionsSchema>;

const threshold = "expected median, half-maximum or a number";

const mapSchema = z
  .strictObject({
    combine: z
      .enum(["mean", "max"])
      .default("mean")
      .describe("A pixel's value: the mean of the regions that cover it, or the largest. Default mean: regions that agree outweigh one that stands alone. A pixel that none covers has the item's lowest score."),
    predict: z
      .enum(["map", "best-region"])
      .default("map")
      .describe("map: the pixels that reach the threshold, confidence the mean of the map's top quarter (SLAVC). best-region: the region with the best score, filled; its score is the confidence. Default map, as published codes have it."),
    interpolation: z
      .enum(INTERPOLATIONS)
      .default("bilinear")
      .describe("Between patches: bilinear (LVS, EZ-VSL), bicubic (SLAVC) or nearest. Default bilinear, which never goes beyond the scores."),
    alignCorners: z
      .boolean()
      .default(true)
      .describe("Between patches: whether the outermost ones' centres lie in the frame's corners (EZ-VSL, SLAVC) or half a patch inside (LVS, by OpenCV). Default true, as the two later codes have it."),
    resolution: countField("Pixels of the map across and down, at which boxes are held against it. Default 224, as all published codes have it.", 1).max(4096, { error: "expected a whole number of at most 4096" }).default(224),
    threshold: z
      .union([z.enum(["median", "half-maximum"], { error: threshold }), z.number({ error: threshold })], { error: threshold })
      .default("median")
      .describe("Where a map is cut. median: its upper half (LVS, EZ-VSL, SLAVC with relative_prediction); half-maximum: half its largest value (DSOL); a number: of scores as they are, so SLAVC's fixed 0.5 is 0 here. Default median, which needs no scale."),
    strict: z
      .boolean()
      .default(false)
      .describe("Whether a pixel must lie above the threshold (LVS, DSOL) or may lie at it (EZ-VSL, SLAVC). Default false: a map that is the same everywhere then predicts all of the frame, and not nothing."),
    consensus: countField("Boxes that must cover a pixel for it to count in full: 1, or 2 for Flickr-SoundNet, whose images have three annotations. Default 1.", 1).default(1),
  })
  .prefault({})
  .describe("How the scores of an image's regions become a prediction.");

/** An image's view: a collection, a space, and the regions that are embedded. */
const imageSchema = z.strictObject({
  data: nameField("The collection of images; item i is that of sound i."),
  space: nameField("The space that embeds it, connected to the sounds' one."),
  regions: regionsSchema.prefault({ kind: "crops" }),
});

const { ks: _ks, ...sharedFields } = taskFields;

/** The fields that localization and counterfactual recognition share. */
export const placeFields = {
  ...sharedFields,
  baselines: sharedFields.baselines.describe("What to compare with. Default chance, centre, pivot, pivot-soft, pivot-two-sided, procrustes, ridge."),
  image: imageSchema.describe("Where to look: the images of the sounds."),
  map: mapSchema,
};

type UserImage = z.output<typeof imageSchema>;

interface UserPlaceFields {
  readonly name: string;
  readonly query: UserView;
  readonly image: UserImage;
  readonly map: z.output<typeof mapSchema>;
  readonly baselines?: z.output<typeof placeFields.baselines>;
  readonly bootstrap: z.output<typeof placeFields.bootstrap>;
}

/** Reports what a task of places cannot do: its views, boxes, regions and baselines. */
export function checkPlaces(fields: Partial<UserPlaceFields>, use: TaskUse): void {
  const { query, image } = fields;
  checkTaskView(query, "query", use);
  checkTaskView(image, "image", use);
  checkTaskBaselines(fields.baselines, [query, image], use, true);
  if (image !== undefined) checkRegions(image, use);
  if (query === undefined || image === undefined) return;
  checkSides(query, image, use);
  checkBoxes(query, image, use);
}

/** The compiled form of the shared fields. */
export function compilePlaces(user: UserPlaceFields, resolve: ResolvePath) {
  const { image, map } = user;
  return {
    ...compileTaskFields(user, image, [], PLACE_BASELINES),
    image: { data: image.data, space: image.space, regions: compileRegions(image.regions, resolve) },
    map: { ...map, threshold: map.threshold === "median" ? null : map.threshold } satisfies MapSettings,
  };
}

function compileRegions(user: UserRegions, resolve: ResolvePath): CompiledRegions {
  switch (user.kind) {
    case "crops":
      return { kind: "crops", windows: user.windows.map((window) => ({ ...window })), squash: user.squash };
    case "boxes":
      return { kind: "boxes", path: resolve(user.path), squash: user.squash };
    case "patches":
      return { kind: "patches", from: user.from };
  }
}

/** Sounds and images are told apart by the connection, so each must come through a side of its own. */
function checkSides(query: UserView, image: UserImage, { path, context }: TaskUse): void {
  if (query.space !== image.space || !context.spaces.has(query.space)) return;
  context.report({
    path: [...path, "query", "space"],
    reason: "IMPOSSIBLE_VALUE",
    expected: `the space of the other side, as the images are in ${image.space}`,
    found: JSON.stringify(query.space),
  });
}

/** Regions are embedded by us: what is given, or is no image, has none. */
function checkRegions({ data, space }: UserImage, { path, context }: TaskUse): void {
  const collection = context.data.get(data);
  if (collection === null || collection === undefined) return;
  if (collection.modality !== "image") {
    context.report({ path: [...path, "image", "data"], reason: "IMPOSSIBLE_VALUE", expected: "a collection of images", found: `${data}, whose modality is ${collection.modality}` });
  } else if (Object.hasOwn(collection.embeddings, space)) {
    context.report({
      path: [...path, "image"],
      reason: "IMPOSSIBLE_VALUE",
      expected: "images that are encoded here, region by region",
      found: `${data}, whose embeddings in ${space} are given, one for each whole image`,
      hint: `Give data.${data}.source and leave data.${data}.embeddings.${space} out; or make the maps yourself and measure them with cmcr metrics.`,
    });
  }
}

function checkBoxes(query: UserView, image: UserImage, { path, context }: TaskUse): void {
  const [sounds, images] = [query, image].map(({ data }) => context.data.get(data));
  if (sounds === null || images === null || sounds === undefined || images === undefined) return;
  if (sounds.boxes !== undefined || images.boxes !== undefined) return;
  context.report({
    path: [...path, "image", "data"],
    reason: "IMPOSSIBLE_VALUE",
    expected: "a collection with boxes, to hold the maps against",
    found: `${image.data}, which has none`,
    hint: `Give data.${image.data}.boxes.`,
  });
}
