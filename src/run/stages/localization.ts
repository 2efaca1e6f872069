import type { CompiledLocalization } from "../../config/compiled.js";
import { compareLocalization, requireSounding } from "../../evaluate/comparePlaces.js";
import { withLeftOut } from "./itemsOfViews.js";
import { measurePlaces, pairedBoxes, placeIdentity, placeMethods, placeTruth, type PlaceTruth } from "./soundPlaces.js";
import type { TaskKind } from "./taskKind.js";
import { taskViews } from "./taskViews.js";

/**
 * Audio-visual source localization. Outcomes: `ciou` and `confidence` of each pair that has
 * a box; pairs without one are left out, and counted.
 */
export const localizationKind: TaskKind<CompiledLocalization, PlaceTruth> = {
  version: 1,
  views: taskViews,

  async truth(context, task) {
    const truth = await placeTruth(context, task, false);
    requireSounding(task.name, truth.items, truth.place);
    return truth;
  },

  async before(context, task) {
    const { given, place } = await pairedBoxes(context, task);
    requireSounding(task.name, { boxes: given }, place);
  },

  identity: placeIdentity,
  measure: measurePlaces,

  compare: ({ name, map, bootstrap }, { items, leftOut }, methods) => compareLocalization({ name, items, leftOut, map, methods: placeMethods(methods), bootstrap }),

  finish: (context, task, _truth, metrics) => Promise.resolve(withLeftOut(context, metrics, task.query, task.image)),
};
