import { z } from "zod";

import type { Schedule } from "./compiled.js";
import { fractionField, nonNegativeField, positiveField } from "./fields.js";

const NO_SCHEDULE = { error: ({ code }: { readonly code: string }) => (code === "invalid_type" ? "expected a schedule" : undefined) };

const KIND = "How the value changes over the training steps.";

/** Makes the schema of a number within a field's limits. */
type NumberField = (description: string) => z.ZodNumber;

function scheduleKinds(number: NumberField) {
  const from = number("The value at the first step.");
  const to = number("The value at the end of training.");
  const constant = z.strictObject({ schedule: z.literal("constant").describe(KIND), from: number("The value.") });
  const linear = z.strictObject({ schedule: z.literal("linear").describe(KIND), from, to });
  const cosine = z.strictObject({ schedule: z.literal("cosine").describe(KIND), from, to });
  const step = z
    .strictObject({
      schedule: z.literal("step").describe(KIND),
      from,
      to: positiveField("The value after the last change; the ratios between are equal.").optional(),
      factor: positiveField("What the value is multiplied by at each change; 0.1 unless `to` is given.").optional(),
      steps: z
        .array(fractionField("A fraction of the training.", { zero: false }))
        .min(1)
        .refine(ascending, { error: "expected ascending fractions of the training, each once" })
        .describe("Where the value changes, as ascending fractions of the training, such as [0.5, 0.75]."),
    })
    .refine((value) => value.to === undefined || value.factor === undefined, { error: "expected either to or factor", path: ["factor"] })
    .refine((value) => value.to === undefined || value.from > 0, {
      error: "expected a number above 0, as equal ratios cannot start from 0",
      path: ["from"],
    });
  const warmupCosine = z.strictObject({
    schedule: z.literal("warmup-cosine").describe(KIND),
    from: number("The highest value, reached after the warm-up."),
    to,
    warmup: fractionField("The fraction of all steps over which the value rises from 0.", { zero: false }).default(0.05),
  });
  return { constant, linear, cosine, step, warmupCosine };
}

/** A value that may be 0: a number, or a schedule. */
export function scheduleField(description: string) {
  const { constant, linear, cosine, step, warmupCosine } = scheduleKinds(nonNegativeField);
  return z
    .union([nonNegativeField("The same value at every step."), z.discriminatedUnion("schedule", [constant, linear, cosine, step, warmupCosine], NO_SCHEDULE)])
    .describe(description);
}

/** A value that must stay above 0, such as a temperature: no warm-up, which starts from 0. */
export function positiveScheduleField(description: string) {
  const { constant, linear, cosine, step } = scheduleKinds(positiveField);
  return z
    .union([positiveField("The same value at every step."), z.discriminatedUnion("schedule", [constant, linear, cosine, step], NO_SCHEDULE)])
    .describe(description);
}

/** What a user writes for a value that may change over time. */
export type UserSchedule = z.output<ReturnType<typeof scheduleField>>;

type UserKind = Exclude<UserSchedule, number>["schedule"];
type UserOf<K extends UserKind> = Extract<UserSchedule, { schedule: K }>;

/** A schedule with every default filled in. */
export function compileSchedule(user: UserSchedule): Schedule {
  return typeof user === "number" ? { kind: "constant", from: user } : compileKind(user);
}

function compileKind<K extends UserKind>(user: UserOf<K>): Schedule {
  const compile: (user: UserOf<K>) => Schedule = COMPILE[user.schedule];
  return compile(user);
}

const DEFAULT_FACTOR = 0.1;

const COMPILE: { readonly [K in UserKind]: (user: UserOf<K>) => Schedule } = {
  constant: ({ from }) => ({ kind: "constant", from }),
  linear: ({ from, to }) => ({ kind: "linear", from, to }),
  cosine: ({ from, to }) => ({ kind: "cosine", from, to }),
  step: ({ from, to, factor, steps }) => ({
    kind: "step",
    from,
    factor: factor ?? (to === undefined ? DEFAULT_FACTOR : (to / from) ** (1 / steps.length)),
    milestones: [...steps],
  }),
  "warmup-cosine": ({ from, to, warmup }) => ({ kind: "warmup-cosine", from, to, warmup }),
};

/** Whether a list rises strictly. */
export function ascending(values: readonly number[]): boolean {
  return values.every((value, index) => index === 0 || value > (values[index - 1] ?? value));
}

/** Whether the value is 0 at every step. */
export function alwaysZero(user: UserSchedule): boolean {
  const schedule = compileSchedule(user);
  return schedule.from === 0 && (!("to" in schedule) || schedule.to === 0);
}
