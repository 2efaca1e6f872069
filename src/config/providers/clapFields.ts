import { seedField } from "../fields.js";

/** Which parts of a clip of more than 10 seconds are looked at. */
export const cropSeedField = seedField(
  "Decides, with the clip's own samples, which parts of a clip of more than 10 seconds are looked at. Those libraries draw them anew each time.",
).default(0);
