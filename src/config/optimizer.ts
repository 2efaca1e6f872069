import { z } from "zod";

import type { CheckContext } from "./checks/context.js";
import type { CompiledOptimizer } from "./compiled.js";
import { fractionField, positiveField } from "./fields.js";
import type { FieldPath } from "./mistake.js";
import { compileSchedule, scheduleField } from "./schedule.js";

/** What each optimizer takes beside the learning rate and the weight decay, and its weight decay unless given. */
const OPTIMIZERS = {
  adamw: { parameters: ["betas", "epsilon"], weightDecay: 0.01 },
  adam: { parameters: ["betas", "epsilon"], weightDecay: 0 },
  sgd: { parameters: ["momentum"], weightDecay: 0 },
} as const satisfies Readonly<Record<CompiledOptimizer["type"], { parameters: readonly string[]; weightDecay: number }>>;

const PARAMETERS = ["betas", "epsilon", "momentum"] as const;
const DEFAULT_BETAS = [0.9, 0.999] as const;
const DEFAULT_EPSILON = 1e-8;
const DEFAULT_MOMENTUM = 0.9;

const beta = fractionField("A decay.", { zero: true });

/** What a user writes below `connect.optimizer`. */
export const optimizerSchema = z
  .strictObject({
    type: z.enum(["adamw", "adam", "sgd"]).default("adamw").describe("Which optimizer."),
    lr: scheduleField("Learning rate.").default({ schedule: "cosine", from: 1e-3, to: 0 }),
    weightDecay: scheduleField("Weight decay; 0.01 for adamw, else 0, unless given.").optional(),
    betas: z
      .tuple([beta, beta], { error: "expected two numbers from 0 to below 1" })
      .optional()
      .describe("Decay of the two running means, of adamw and adam. Default [0.9, 0.999]."),
    epsilon: positiveField("Added to the denominator, of adamw and adam. Default 1e-8.").optional(),
    momentum: fractionField("Momentum, of sgd. Default 0.9.", { zero: true }).optional(),
    maxGradientNorm: positiveField("Gradients of a larger norm are scaled down to it; not clipped unless given.").optional(),
  })
  .describe("How the projectors are optimised.");

export type UserOptimizer = z.output<typeof optimizerSchema>;

/** Reports parameters that the optimizer does not have. */
export function checkOptimizer(user: UserOptimizer, path: FieldPath, context: CheckContext): void {
  const known: readonly string[] = OPTIMIZERS[user.type].parameters;
  for (const parameter of PARAMETERS) {
    if (user[parameter] === undefined || known.includes(parameter)) continue;
    context.report({
      path: [...path, parameter],
      reason: "IMPOSSIBLE_VALUE",
      expected: `a parameter of ${user.type} (${known.join(", ")})`,
      found: parameter,
    });
  }
}

/** The optimizer with every default filled in. */
export function compileOptimizer(user: UserOptimizer): CompiledOptimizer {
  const [beta1, beta2] = user.betas ?? DEFAULT_BETAS;
  return {
    type: user.type,
    lr: compileSchedule(user.lr),
    weightDecay: compileSchedule(user.weightDecay ?? OPTIMIZERS[user.type].weightDecay),
    betas: [beta1, beta2],
    epsilon: user.epsilon ?? DEFAULT_EPSILON,
    momentum: user.type === "sgd" ? (user.momentum ?? DEFAULT_MOMENTUM) : 0,
    maxGradientNorm: user.maxGradientNorm ?? null,
  };
}
