import { readFileSync } from "node:fs";

import { usageError } from "../errors.js";
import { suggestion } from "./nearest.js";

/** Each template is an experiment that comes with cmcr, comments and all. */
const FILES = {
  precomputed: "own-embeddings.yaml",
  files: "own-files.yaml",
  quickstart: "quickstart.yaml",
} as const;

/** What `cmcr init --template` takes; the first is the default. */
export const TEMPLATE_NAMES: readonly string[] = Object.keys(FILES);

/**
 * A commented experiment file to start from.
 * @throws CmcrError (exit 2) when there is no template of that name.
 */
export function initTemplate(name = "precomputed"): string {
  if (!isTemplate(name)) {
    throw usageError(`there is no template named "${name}". ${suggestion(name, TEMPLATE_NAMES)}`, { reason: "UNKNOWN_NAME", path: "--template" });
  }
  return readFileSync(new URL(`../../experiments/${FILES[name]}`, import.meta.url), "utf8");
}

function isTemplate(name: string): name is keyof typeof FILES {
  return Object.hasOwn(FILES, name);
}
