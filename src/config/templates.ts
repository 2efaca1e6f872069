import { readFileSync } from "node:fs";

import { usageError } from "../errors.js";
import { suggestion } from "./nearest.js";

/** Each template is an experiment that comes with cmcr, comments and all. */
const FILES = {
  precomputed: { file: "own-embeddings.yaml", start: "your own embeddings" },
  files: { file: "own-files.yaml", start: "your own files" },
  quickstart: { file: "quickstart.yaml", start: "the built-in world" },
  "quickstart-3d": { file: "quickstart-3d.yaml", start: "the built-in world of 3D things" },
} as const;

/** What `cmcr init --template` takes; the first is the default. */
export const TEMPLATE_NAMES: readonly string[] = Object.keys(FILES);

/** What one starts from by each template, for a help text. */
export const TEMPLATE_HELP = Object.entries(FILES)
  .map(([name, { start }]) => `${name} (${start})`)
  .join(", ");

/**
 * A commented experiment file to start from.
 * @throws CmcrError (exit 2) when there is no template of that name.
 */
export function initTemplate(name = "precomputed"): string {
  if (!isTemplate(name)) {
    throw usageError(`there is no template named "${name}". ${suggestion(name, TEMPLATE_NAMES)}`, { reason: "UNKNOWN_NAME", path: "--template" });
  }
  return readFileSync(new URL(`../../experiments/${FILES[name].file}`, import.meta.url), "utf8");
}

function isTemplate(name: string): name is keyof typeof FILES {
  return Object.hasOwn(FILES, name);
}
