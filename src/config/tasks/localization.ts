import { z } from "zod";

import { defineTask } from "./definition.js";
import { checkPlaces, compilePlaces, placeFields } from "./maps.js";

const schema = z
  .strictObject({
    task: z.literal("localization").describe("Find where in its image each sound comes from."),
    ...placeFields,
  })
  .describe("Audio-visual source localization. Items without a box are left out. C-MCR publishes no way from its space to a map: every choice is an option here.");

/** Audio-visual source localization: where in its image a sound comes from. */
export const localization = defineTask({
  name: "localization",
  schema,
  check: checkPlaces,
  compile: (user, resolve) => ({ ...compilePlaces(user, resolve), task: "localization" }),
});
