import { z } from "zod";

import type { CheckContext } from "../checks/context.js";
import type { Modality } from "../compiled.js";
import { countField, nameField, seedField } from "../fields.js";
import type { FieldPath } from "../mistake.js";
import { nearestHint } from "../nearest.js";
import { defineSource } from "./definition.js";

interface Generator {
  readonly modalities: readonly Modality[];
  readonly attributes: readonly string[];
  /** Disjoint parts and how many items each has; null where there is no end. */
  readonly splits: Readonly<Record<string, number | null>>;
  /** The splits whose images have boxes where they sound. */
  readonly withBoxes?: readonly string[];
}

/** The worlds that cmcr can draw: what the worker's registry of generators has. */
export const GENERATORS = {
  scenes: {
    modalities: ["text", "image", "audio"],
    attributes: ["shape", "colour", "size", "texture", "horizontal", "vertical"],
    splits: {
      train: null,
      captions: null,
      images: null,
      sounds: null,
      foreign: null,
      test: 1000,
      "foreign-test": 1000,
      duets: 1000,
      mismatched: 1000,
      "duets-validation": 1000,
      "mismatched-validation": 1000,
    },
    withBoxes: ["duets", "mismatched", "duets-validation", "mismatched-validation"],
  },
  things: {
    modalities: ["text", "image", "pointcloud"],
    attributes: ["shape", "elongation", "size", "tilt", "base", "top"],
    splits: { train: null, images: null, captions: null, clouds: null, validation: 120, test: 500, prompts: 80 },
  },
} as const satisfies Readonly<Record<string, Generator>>;

const GENERATOR_NAMES = Object.keys(GENERATORS) as (keyof typeof GENERATORS)[];

/** Items drawn by one of the built-in worlds: generated, not recorded. */
export const builtin = defineSource({
  name: "builtin",
  schema: z
    .strictObject({
      type: z.literal("builtin").describe("Items that cmcr draws itself."),
      generator: z.enum(GENERATOR_NAMES).describe("Which world."),
      split: nameField("Which disjoint part of the world's items, such as test."),
      count: countField("How many items, from the first; all of the split unless given. Needed where the split has no end.", 1).optional(),
      seed: seedField("Draws nuisances and wording.").default(0),
    })
    .describe("Items of a built-in world."),
  compile: ({ generator, split, count, seed }) => {
    const { splits }: Generator = GENERATORS[generator];
    return { type: "builtin", generator, split, count: count ?? splits[split] ?? null, seed };
  },
  delivers: ({ generator }) => GENERATORS[generator].modalities,
  attributes: ({ generator }) => GENERATORS[generator].attributes,
  check: ({ generator, split, count }, path, context) => {
    const { splits }: Generator = GENERATORS[generator];
    const size = Object.hasOwn(splits, split) ? splits[split] : undefined;
    if (size === undefined) {
      const names = Object.keys(splits);
      context.report({
        path: [...path, "split"],
        reason: "UNKNOWN_NAME",
        expected: `a split of ${generator} (${names.join(", ")})`,
        found: JSON.stringify(split),
        ...nearestHint(split, names),
      });
    } else if (size === null && count === undefined) {
      context.report({ path: [...path, "count"], reason: "MISSING_FIELD", expected: `a count, as the split ${split} has no end`, found: "nothing" });
    } else if (size !== null && count !== undefined && count > size) {
      context.report({ path: [...path, "count"], reason: "IMPOSSIBLE_VALUE", expected: `at most ${size}, the items of the split ${split}`, found: String(count) });
    }
  },
});

/** Reports boxes that are to come from a split whose items have none. */
export function checkGeneratedBoxes({ generator, split }: { readonly generator: keyof typeof GENERATORS; readonly split: string }, path: FieldPath, context: CheckContext): void {
  const { splits, withBoxes = [] }: Generator = GENERATORS[generator];
  if (!Object.hasOwn(splits, split) || withBoxes.includes(split)) return;
  const splitsWith = withBoxes.length === 0 ? "" : `, or a split that has boxes (${withBoxes.join(", ")})`;
  context.report({ path, reason: "IMPOSSIBLE_VALUE", expected: `a .json file of boxes${splitsWith}`, found: `the items of ${generator}'s split ${split}, which have none` });
}
