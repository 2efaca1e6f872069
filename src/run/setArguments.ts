import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";

import { suggestion } from "../config/nearest.js";
import { SetCopy } from "../data/sets/copy.js";
import type { SetDefinition } from "../data/sets/definition.js";
import { layoutState } from "../data/sets/layout.js";
import { sets } from "../data/sets/registry.js";
import { dataError, usageError } from "../errors.js";

/** A data set by its name, as typed. Exit 2 for one that is not known. */
export function setArgument(name: string): SetDefinition {
  const wanted = name.toLowerCase();
  if (sets.names.includes(wanted)) return sets.get(wanted);
  throw usageError(`there is no data set "${name}". ${suggestion(name, sets.names)}`, { reason: "UNKNOWN_NAME", path: name });
}

/** The folder of a copy, as typed; absolute. Exit 3 where it is not there, or is a file. */
export async function rootArgument(typed: string, { name }: SetDefinition): Promise<string> {
  const root = resolve(typed);
  const status = await stat(root).catch(() => null);
  if (status === null) throw dataError(`${root} is not there. Make it, with what it needs: cmcr data prepare ${name} --root ${typed}`, { reason: "DATA_MISSING", path: root });
  if (!status.isDirectory()) throw dataError(`${root} is a file; --root is the folder of the copy.`, { reason: "NOT_A_FOLDER", path: root });
  return root;
}

/** Exit 3 for a folder in which nothing of a data set lies, with the folder that was likely meant. */
export async function somethingThere(root: string, definition: SetDefinition): Promise<void> {
  const { name, layout } = definition;
  const inside = async (folder: string): Promise<boolean> => (await layoutState(new SetCopy(folder, { report: () => undefined }), definition)).some(({ there }) => there);
  if (await inside(root)) return;
  const below = join(root, name);
  const hint = (await inside(below)) ? `Did you mean --root ${below}?` : `Load what it needs: cmcr data prepare ${name} --root ${root}`;
  throw dataError(`${root} has nothing of ${name}: neither ${layout.slice(0, 3).map(({ path }) => path).join(" nor ")}. ${hint}`, { reason: "DATA_MISSING", path: root });
}
