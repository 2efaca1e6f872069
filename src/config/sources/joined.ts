import { z } from "zod";

import { MODALITIES } from "../compiled.js";
import type { CompiledSource } from "../compiledSource.js";
import { defineSource, type SourceDefinition } from "./definition.js";

/** The part of the schema that a reference need not spell out again. */
export const PART_OF_JOINED = "sourceOfSeveral";

interface Parts {
  get(name: string): SourceDefinition;
}

/**
 * Several sources as one, such as the caption collections that a paper's queries come from.
 *
 * @param partSchema what a user writes for each of them
 * @param parts the definitions of the sources that can be joined, by name
 */
export function joinedSource<Part extends { readonly type: string }>(partSchema: z.ZodType<Part>, parts: Parts) {
  return defineSource({
    name: "joined",
    schema: z
      .strictObject({
        type: z.literal("joined").describe("Several sources as one."),
        sources: z.array(partSchema.meta({ id: PART_OF_JOINED })).min(1).describe("The sources, whose items follow one another; each is any other source but builtin."),
      })
      .describe("The items of several sources, one after the other, with the attributes that all of them have."),
    compile: ({ sources }, resolve) => ({
      type: "joined",
      sources: sources.map((part) => parts.get(part.type).compile(part, resolve) as Exclude<CompiledSource, { readonly type: "builtin" | "joined" }>),
    }),
    delivers: ({ sources }) => MODALITIES.filter((modality) => sources.every((part) => parts.get(part.type).delivers(part).includes(modality))),
    attributes: ({ sources }) => {
      const [first, ...others] = sources.map((part) => parts.get(part.type).attributes(part));
      return (first ?? []).filter((attribute) => others.every((known) => known.includes(attribute)));
    },
    check: ({ sources }, path, context) => {
      for (const [index, part] of sources.entries()) parts.get(part.type).check(part, [...path, "sources", index], context);
    },
  });
}
