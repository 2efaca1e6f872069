import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";

import { SetCopy } from "../data/sets/copy.js";
import type { SetDefinition } from "../data/sets/definition.js";
import { lacking, layoutState, missingParts } from "../data/sets/layout.js";
import { SETS } from "../data/sets/registry.js";
import { dataError } from "../errors.js";
import { rootArgument, setArgument } from "./setArguments.js";

/** A data set, and what lies in its folder. */
export interface SetState {
  readonly definition: SetDefinition;
  /** Null where no folder was named. */
  readonly found: { readonly root: string; readonly there: readonly string[]; readonly lacking: readonly string[] } | null;
}

/** The data set of that name, or every one, with what lies in its folder where one was named. Exit 2 for an unknown name, 3 for a folder that is not there. */
export async function listedSets(name: string | undefined, root: string | undefined): Promise<readonly SetState[]> {
  if (name === undefined) return listSets(root);
  const definition = setArgument(name);
  return [root === undefined ? { definition, found: null } : await setState(definition, await rootArgument(root, definition))];
}

/** Every data set, with the state of `PARENT/NAME` where a parent was named. Exit 3 where that is not there. */
async function listSets(parent: string | undefined): Promise<readonly SetState[]> {
  if (parent === undefined) return SETS.map((definition) => ({ definition, found: null }));
  const folder = resolve(parent);
  const status = await stat(folder).catch(() => null);
  if (status === null || !status.isDirectory()) throw dataError(`${folder} is not there, or no folder. --root is the folder with a folder of each data set in it.`, { reason: "DATA_MISSING", path: folder });
  return Promise.all(SETS.map((definition) => setState(definition, join(folder, definition.name))));
}

/** What of a data set lies in a folder; one that is not there has nothing. */
async function setState(definition: SetDefinition, root: string): Promise<SetState> {
  const states = await layoutState(new SetCopy(root, { report: () => undefined }), definition);
  return {
    definition,
    found: { root, there: states.filter(({ there }) => there).map(({ entry }) => entry.path), lacking: missingParts(lacking(states)).map(({ path }) => path) },
  };
}
