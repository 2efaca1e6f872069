import { z } from "zod";

import type { CompiledConnect, CompiledContrastiveTerm } from "./compiled.js";
import { alwaysZero, compileSchedule, positiveScheduleField, scheduleField } from "./schedule.js";

function contrastiveSchema(description: string) {
  return z
    .union([
      z.literal(false),
      z.strictObject({
        weight: scheduleField("The term's weight.").default(1),
        temperature: positiveScheduleField("The temperature of its softmax. 0.01 suits 512 dimensions, 0.1 to 0.2 suit 48.").default(0.01),
      }),
    ])
    .prefault({})
    .describe(description);
}

/** What a user writes below `connect.loss`. */
export const lossSchema = z
  .strictObject({
    overlap: contrastiveSchema("InfoNCE between both projections of an overlap item (L_ttc); false leaves it out."),
    pseudo: contrastiveSchema("InfoNCE between the projections of its two pseudo items (L_avc); false leaves it out."),
    intra: z
      .union([z.literal(false), z.strictObject({ weight: scheduleField("The term's weight, lambda.").default(0.1) })])
      .prefault({})
      .describe("Squared distance between an item and its pseudo item in each space (L_intra); false leaves it out."),
  })
  .describe("The terms of the loss.");

export type UserLoss = z.output<typeof lossSchema>;

/** Whether a term counts at some step. */
export function isOn(term: UserLoss[keyof UserLoss]): boolean {
  return term !== false && !alwaysZero(term.weight);
}

function compileContrastive(user: UserLoss["overlap"]): CompiledContrastiveTerm | null {
  if (user === false) return null;
  return { weight: compileSchedule(user.weight), temperature: compileSchedule(user.temperature) };
}

/** The loss with every default filled in; a term that is switched off is null. */
export function compileLoss(user: UserLoss): CompiledConnect["loss"] {
  return {
    overlap: compileContrastive(user.overlap),
    pseudo: compileContrastive(user.pseudo),
    intra: user.intra === false ? null : { weight: compileSchedule(user.intra.weight) },
  };
}
