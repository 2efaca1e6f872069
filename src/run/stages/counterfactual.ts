import type { CompiledCounterfactual } from "../../config/compiled.js";
import { compareCounterfactual, requireSilent, requireSounding } from "../../evaluate/comparePlaces.js";
import { withLeftOut } from "./itemsOfViews.js";
import { measurePlaces, pairedBoxes, placeIdentity, placeMethods, placeTruth, type PlaceTruth } from "./soundPlaces.js";
import type { TaskKind } from "./taskKind.js";
import { taskViews } from "./taskViews.js";

/**
 * Counterfactual audio-image recognition. Outcomes: `ciou` and `confidence` of each pair;
 * a pair without a box is one whose sound does not come from its image.
 */
export const counterfactualKind: TaskKind<CompiledCounterfactual, PlaceTruth> = {
  version: 1,
  views: taskViews,

  async truth(context, task) {
    const truth = await placeTruth(context, task, true);
    requireSounding(task.name, truth.items, truth.place);
    requireSilent(task.name, truth.items, truth.place);
    return truth;
  },

  async before(context, task) {
    const { given, place } = await pairedBoxes(context, task);
    requireSounding(task.name, { boxes: given }, place);
    requireSilent(task.name, { boxes: given }, place);
  },

  identity: placeIdentity,
  measure: measurePlaces,

  compare: ({ name, map, bootstrap }, { items, leftOut }, methods) => compareCounterfactual({ name, items, leftOut, map, methods: placeMethods(methods), bootstrap }),

  finish: (context, task, _truth, metrics) => Promise.resolve(withLeftOut(context, metrics, task.query, task.image)),
};
