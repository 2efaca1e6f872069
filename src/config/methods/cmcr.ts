import { z } from "zod";

import { checkName, checkReachable } from "../checks/references.js";
import type { CheckContext } from "../checks/context.js";
import type { CompiledConnect } from "../compiled.js";
import { countField, nameField, positiveField } from "../fields.js";
import { compileLoss, isOn, lossSchema, type UserLoss } from "../loss.js";
import { checkOptimizer, compileOptimizer, optimizerSchema } from "../optimizer.js";
import { checkProjector, compileProjector, projectorSchema } from "../projector.js";
import { compileSchedule, scheduleField } from "../schedule.js";
import { defineMethod } from "./definition.js";

const sideSchema = z
  .strictObject({
    space: nameField("The space of this side."),
    memory: nameField("A collection of the space's other modality: what pseudo items are made of."),
  })
  .describe("One of the two spaces.");

const consistencySchema = z
  .union([
    z.literal(false),
    z.strictObject({
      mode: z
        .enum(["softmax", "random"])
        .default("softmax")
        .describe("softmax: the mean of the memory weighted by similarity; random: any item of the memory, as an ablation."),
      temperature: positiveField("Temperature of the softmax over the memory, tau1. Default 0.01. Fixed, as pseudo items are made once.").optional(),
    }),
  ])
  .prefault({})
  .describe("Inter-modality semantic consistency: how each overlap item gets its pseudo items; false: at random.");

const completionSchema = z
  .union([
    z.literal(false),
    z.strictObject({ variance: scheduleField("Variance of the noise per element, sigma^2.").default(0.004) }),
  ])
  .prefault({})
  .describe("Intra-modality semantic completion: Gaussian noise on every embedding in every step; false: none.");

const connectSchema = z
  .strictObject({
    method: z.literal("cmcr").describe("The method that connects."),
    overlap: nameField("A collection of the modality that both spaces share: the queries."),
    sides: z.tuple([sideSchema, sideSchema], { error: "expected a list of two sides, each with space and memory" }).describe("The two spaces, with the memory of each."),
    consistency: consistencySchema,
    completion: completionSchema,
    projector: projectorSchema.prefault({}),
    loss: lossSchema.prefault({}),
    optimizer: optimizerSchema.prefault({}),
    batchSize: countField("Overlap items in a step.", 2).default(10240),
    epochs: countField("Passes over the overlap.", 1).default(36),
    lastBatch: z.enum(["drop", "keep"]).default("drop").describe("What becomes of an epoch's last batch that is not full; kept, it is the only one where the overlap has fewer items than a batch."),
  })
  .describe("How two spaces are connected by C-MCR.");

type UserConnect = z.output<typeof connectSchema>;

const DEFAULT_TEMPERATURE = 0.01;
const path = ["connect"];

function checkSides(fields: Partial<UserConnect>, context: CheckContext): void {
  const { overlap, sides } = fields;
  const overlapKnown = overlap !== undefined && checkName("data", overlap, [...path, "overlap"], context);
  if (sides === undefined) return;
  for (const [index, side] of sides.entries()) {
    const here = [...path, "sides", index];
    const memoryKnown = checkName("data", side.memory, [...here, "memory"], context);
    if (!checkName("spaces", side.space, [...here, "space"], context)) continue;
    if (memoryKnown) checkReachable({ data: side.memory, space: side.space }, [...here, "memory"], context);
    if (overlapKnown) checkReachable({ data: overlap, space: side.space }, [...path, "overlap"], context);
  }
  if (sides[0].space === sides[1].space) {
    context.report({
      path: [...path, "sides", 1, "space"],
      reason: "IMPOSSIBLE_VALUE",
      expected: "another space than the first side's",
      found: JSON.stringify(sides[1].space),
    });
  }
}

function checkConsistency(consistency: UserConnect["consistency"], context: CheckContext): void {
  if (consistency === false || consistency.mode === "softmax" || consistency.temperature === undefined) return;
  context.report({
    path: [...path, "consistency", "temperature"],
    reason: "IMPOSSIBLE_VALUE",
    expected: "no temperature beside the mode random",
    found: String(consistency.temperature),
  });
}

function checkLoss(loss: UserLoss, fields: Partial<UserConnect>, context: CheckContext): void {
  if (!isOn(loss.overlap) && !isOn(loss.pseudo) && !isOn(loss.intra)) {
    context.report({
      path: [...path, "loss"],
      reason: "IMPOSSIBLE_VALUE",
      expected: "at least one of overlap, pseudo and intra with a weight above 0",
      found: "none, so that there would be nothing to train",
    });
  } else if (!isOn(loss.pseudo) && !isOn(loss.intra) && fields.consistency !== undefined && fields.consistency !== false) {
    context.warn("connect.consistency: has no effect on the projectors, as loss.pseudo and loss.intra are off");
  }
}

/** The two sides' spaces; undefined when they are not two known ones, so that nothing else is held against them. */
function connectedSpaces(sides: UserConnect["sides"] | undefined, context: CheckContext): string[] | undefined {
  const spaces = new Set(sides?.map(({ space }) => space).filter((space) => context.spaces.has(space)));
  return spaces.size === 2 ? [...spaces] : undefined;
}

function check(fields: Partial<UserConnect>, context: CheckContext) {
  const { sides, consistency } = fields;
  checkSides(fields, context);
  if (consistency !== undefined) checkConsistency(consistency, context);
  if (fields.loss !== undefined) checkLoss(fields.loss, fields, context);
  if (fields.optimizer !== undefined) checkOptimizer(fields.optimizer, [...path, "optimizer"], context);
  const spaces = connectedSpaces(sides, context);
  if (fields.projector !== undefined && spaces !== undefined) checkProjector(fields.projector, spaces, [...path, "projector"], context);
  return { spaces, pseudoPairs: consistency === undefined ? undefined : consistency !== false && consistency.mode === "softmax", fits: true };
}

function compile(user: UserConnect): CompiledConnect {
  const [first, second] = user.sides;
  const { consistency, completion } = user;
  return {
    method: "cmcr",
    overlap: user.overlap,
    sides: [{ ...first }, { ...second }],
    consistency:
      consistency === false || consistency.mode === "random"
        ? { mode: "random" }
        : { mode: "softmax", temperature: consistency.temperature ?? DEFAULT_TEMPERATURE },
    completion: completion === false ? null : { variance: compileSchedule(completion.variance) },
    projector: compileProjector(user.projector, [first.space, second.space]),
    loss: compileLoss(user.loss),
    optimizer: compileOptimizer(user.optimizer),
    batchSize: user.batchSize,
    epochs: user.epochs,
    lastBatch: user.lastBatch,
  };
}

/** C-MCR: two spaces, one overlap, a memory on each side (Wang et al., arXiv 2305.14381). */
export const cmcr = defineMethod({ name: "cmcr", schema: connectSchema, check, compile });
