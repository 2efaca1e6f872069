import { z } from "zod";

import { countField, pathField, seedField } from "../fields.js";
import { defineProvider } from "./definition.js";
import { dtypeField } from "./encoderFields.js";

/** ULIP's PointBERTs, by the names that its code and its checkpoints have for them. */
export const ULIP_MODELS = ["ULIP_PointBERT", "ULIP2_PointBERT_Colored"] as const;

/** Points that a cloud must have: one for each of PointBERT's groups. */
const LEAST_POINTS = 512;

/** A cloud is 512 groups of 32 points to the network; more than these together gain nothing. */
const DEFAULT_BATCH_SIZE = 32;

const POINTS_ERROR = `expected all, or a whole number of at least ${LEAST_POINTS}`;
const COLOUR_ERROR = "expected a number from 0 to 1";

/** A space of ULIP or ULIP-2. */
export const ulip = defineProvider({
  name: "ulip",
  schema: z
    .strictObject({
      provider: z.literal("ulip").describe("ULIP or ULIP-2 with a PointBERT: point clouds, with images and texts where the checkpoint has their towers."),
      model: z.enum(ULIP_MODELS).optional().describe("Which of them it must be. The checkpoint's shapes tell it; this checks them."),
      checkpoint: pathField("A checkpoint as ULIP's authors saved it, such as pointbert_ULIP-2.pt. Nothing in it is executed.", [
        ".pt",
        ".pth",
        ".safetensors",
      ]),
      dtype: dtypeField,
      normalize: z
        .enum(["none", "unit-sphere"])
        .default("none")
        .describe(
          "What is done to a cloud first. none: nothing, as C-MCR feeds OpenShape's clouds. unit-sphere: minus its mean, over its largest norm, as ULIP does with ModelNet40.",
        ),
      points: z
        .union([z.literal("all"), z.int({ error: POINTS_ERROR }).min(LEAST_POINTS, { error: POINTS_ERROR })], { error: POINTS_ERROR })
        .default("all")
        .describe("How many points of a cloud are taken, by farthest point sampling, where it has more. all: up to 65536 of them."),
      sampling: z
        .enum(["first", "pointnet2", "random"])
        .default("first")
        .describe(
          "How the groups' centres are chosen, by farthest point sampling. first: from the cloud's first point. pointnet2: as ULIP's CUDA code does, which passes over points near the origin. random: from a point drawn by samplingSeed and the cloud itself; C-MCR's code draws it anew each time.",
        ),
      samplingSeed: seedField("Decides where random sampling begins.").default(0),
      swapYZ: z
        .boolean({ error: "expected true or false" })
        .default(false)
        .describe("Whether the second and the third coordinate change places, for clouds whose height is in the other one."),
      missingColour: z
        .number({ error: COLOUR_ERROR })
        .min(0, { error: COLOUR_ERROR })
        .max(1, { error: COLOUR_ERROR })
        .default(0.4)
        .describe("The grey of a cloud without colours, for a model that takes colours. ULIP gives ModelNet40's clouds 0.4."),
      openClipModel: z
        .string({ error: "expected the name of a model of open_clip" })
        .min(1, { error: "expected the name of a model of open_clip" })
        .default("ViT-bigG-14")
        .describe("ULIP-2: the model of open_clip whose towers the checkpoint carries along, or openClipCheckpoint has."),
      openClipCheckpoint: pathField("ULIP-2: that model's weights, for images and texts in the same space.", [".bin", ".pt", ".pth", ".safetensors"]).optional(),
      batchSize: countField("Items that go through the encoder together; halved by itself where the device has too little memory.", 1).default(
        DEFAULT_BATCH_SIZE,
      ),
    })
    .describe("A space of ULIP or ULIP-2: point clouds, images and texts."),
  compile: (user, name, resolve) => ({
    name,
    provider: "ulip",
    model: user.model ?? "",
    checkpoint: resolve(user.checkpoint),
    options: {
      dtype: user.dtype,
      normalize: user.normalize,
      ...(user.points === "all" ? {} : { points: user.points }),
      sampling: user.sampling,
      samplingSeed: user.samplingSeed,
      swapYZ: user.swapYZ,
      missingColour: user.missingColour,
      openClipModel: user.openClipModel,
      ...(user.openClipCheckpoint === undefined ? {} : { openClipCheckpoint: resolve(user.openClipCheckpoint) }),
    },
    batchSize: user.batchSize,
  }),
  // What the checkpoint lacks, the worker says.
  encodes: () => ["pointcloud", "image", "text"],
});
