import { z } from "zod";

import type { CheckContext } from "../checks/context.js";
import { checkName } from "../checks/references.js";
import { type CompiledImport, MODALITIES } from "../compiled.js";
import { nameField, pathField } from "../fields.js";
import { IMPORT_PRESET_NAMES, importPresets } from "../importPresets.js";
import { defineMethod } from "./definition.js";

const sideSchema = z
  .strictObject({
    space: nameField("The space of this side."),
    embeds: z
      .array(z.enum(MODALITIES))
      .optional()
      .describe("The modalities that go through this side where nothing else is said. Default: those that the authors send through it."),
  })
  .describe("One of the two spaces.");

const connectSchema = z
  .strictObject({
    method: z.literal("imported").describe("Projectors that were trained elsewhere; nothing is trained."),
    preset: z
      .enum(IMPORT_PRESET_NAMES)
      .describe("Whose they are: audio-visual and three-d (C-MCR), ex-mcr-audio and ex-mcr-3d (Ex-MCR), freebind (FreeBind)."),
    file: pathField("The checkpoint, relative to this file; for freebind the folder of its seven, or one of them."),
    sides: z
      .tuple([sideSchema, sideSchema], { error: "expected a list of two sides: the base, and the space that is joined to it" })
      .describe("First the base, which texts and images go through (CLIP), then the space that is joined to it."),
  })
  .describe("Two spaces that projectors from elsewhere connect.");

type UserImport = z.output<typeof connectSchema>;

function check({ sides }: Partial<UserImport>, context: CheckContext) {
  const unknown = { spaces: undefined, pseudoPairs: undefined, fits: false };
  if (sides === undefined) return unknown;
  const known = sides.map(({ space }, index) => checkName("spaces", space, ["connect", "sides", index, "space"], context));
  const [first, second] = sides;
  if (first.space === second.space) {
    context.report({
      path: ["connect", "sides", 1, "space"],
      reason: "IMPOSSIBLE_VALUE",
      expected: "another space than the first side's",
      found: JSON.stringify(second.space),
    });
    return unknown;
  }
  return known.every(Boolean) ? { spaces: [first.space, second.space], pseudoPairs: false, fits: false } : unknown;
}

function compile(user: UserImport, resolve: (path: string) => string): CompiledImport {
  const [base, joined] = importPresets.get(user.preset).sides;
  const [first, second] = user.sides;
  return {
    method: "imported",
    preset: user.preset,
    file: resolve(user.file),
    sides: [
      { space: first.space, embeds: [...(first.embeds ?? base.embeds)] },
      { space: second.space, embeds: [...(second.embeds ?? joined.embeds)] },
    ],
  };
}

/** Projectors that were trained elsewhere, as their authors published them. */
export const imported = defineMethod({ name: "imported", schema: connectSchema, check, compile });
