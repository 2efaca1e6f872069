import { z } from "zod";

import { defineTask } from "./definition.js";
import { checkPlaces, compilePlaces, placeFields } from "./maps.js";

const schema = z
  .strictObject({
    task: z.literal("counterfactual").describe("The same, and tell whether the sound comes from its image at all."),
    ...placeFields,
  })
  .describe("Counterfactual audio-image recognition: localization among pairs of which some, those without a box, do not belong together.");

/** Counterfactual audio-image recognition, as SLAVC's extended test sets have it. */
export const counterfactual = defineTask({
  name: "counterfactual",
  schema,
  check: checkPlaces,
  compile: (user, resolve) => ({ ...compilePlaces(user, resolve), task: "counterfactual" }),
});
