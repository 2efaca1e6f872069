import type { CheckContext } from "../checks/context.js";
import { pathText, type FieldPath } from "../mistake.js";

interface ModelSource {
  readonly model?: string | undefined;
  readonly checkpoint?: string | undefined;
}

/** Reports a space that says neither which model of the hub it is nor where its folder lies; warns where it says both. */
export function checkModelOrCheckpoint(user: ModelSource, path: FieldPath, context: CheckContext, example: string): void {
  if (user.model !== undefined && user.checkpoint !== undefined) {
    context.warn(`${pathText([...path, "model"])} is not used, as ${pathText([...path, "checkpoint"])} is given`);
  }
  if (user.model !== undefined || user.checkpoint !== undefined) return;
  context.report({
    path,
    reason: "MISSING_FIELD",
    expected: "model or checkpoint",
    found: "neither",
    hint: `Give model: a hub id such as ${example}, or checkpoint: a local folder.`,
  });
}
