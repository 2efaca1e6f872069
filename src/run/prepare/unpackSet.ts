import { relative, resolve, sep } from "node:path";

import { SetCopy } from "../../data/sets/copy.js";
import { matching } from "../../data/sets/layout.js";
import { colouredClasses } from "../../data/sets/modelnet40.js";
import { dataError, usageError } from "../../errors.js";
import { linesOf } from "../../data/tables/lines.js";
import { badArgument } from "../arguments.js";
import { unpackClouds } from "../unpackClouds.js";
import { SetPace, type SetProgress } from "../setPace.js";
import { openWorker } from "../workers.js";

const FOLDER = "clouds";
const NAMES = "modelnet40_shape_names.txt";
const COLOURED = { clouds: "modelnet40_colored_10k_pc.npy", classes: "modelnet40_test_split_10k_colored.json" } as const;
const CACHE = "modelnet40_test_<points>pts_fps.dat";

/** What was unpacked, or why nothing was. */
export type Unpacked = { readonly state: "unpacked"; readonly file: string; readonly count: number } | { readonly state: "there" | "nothing" };

/**
 * Unpacks the one file of all clouds in a copy of ModelNet40 to `clouds/`, with the worker, whose reader makes
 * numbers of a pickle and nothing else. `from` names the file where there are two; exit 2 where it is not told which,
 * exit 3 where the file is damaged or its classes are not there.
 */
export async function unpackSet(root: string, from: string | undefined, onProgress: (progress: SetProgress) => void, signal: AbortSignal): Promise<Unpacked> {
  const copy = new SetCopy(root, { signal, report: () => undefined });
  if (await copy.has(FOLDER)) {
    if (from !== undefined) throw usageError(`${copy.path(FOLDER)} is there already, and is left as it is. Remove it to have ${from} unpacked.`, { reason: "EXISTS", path: copy.path(FOLDER) });
    return { state: "there" };
  }
  const file = from === undefined ? await onlyFile(copy) : await namedFile(copy, from);
  if (file === null) return { state: "nothing" };
  const classes = file === COLOURED.clouds ? { ofClouds: await classesOfClouds(copy) } : { ofLabels: await classNames(copy) };
  let pace: SetPace | undefined;
  const worker = await openWorker({ settings: { device: "cpu", threads: 1, decoders: null, address: null }, roots: [root], signal });
  try {
    const { count } = await unpackClouds(worker, {
      path: copy.path(file),
      folder: copy.path(FOLDER),
      classes,
      signal,
      onProgress: (done, total) => {
        pace ??= new SetPace(total);
        onProgress(pace.reached(done));
      },
    });
    return { state: "unpacked", file, count };
  } finally {
    await worker.close();
  }
}

async function onlyFile(copy: SetCopy): Promise<string | null> {
  const cache = await matching(copy, CACHE);
  const coloured = (await copy.has(COLOURED.clouds)) ? COLOURED.clouds : null;
  if (cache !== null && coloured !== null) throw badArgument("from", `there are ${cache} and ${coloured}; say which becomes clouds/`);
  return cache ?? coloured;
}

async function namedFile(copy: SetCopy, from: string): Promise<string> {
  const name = relative(copy.root, resolve(copy.root, from)).split(sep).join("/");
  if (name.startsWith("..") || (await copy.kindOf(name)) !== "file") throw badArgument("from", `${from} is no file below ${copy.root}`);
  return name;
}

async function classNames(copy: SetCopy): Promise<readonly string[]> {
  const path = copy.path(NAMES);
  if (!(await copy.has(NAMES))) throw dataError(`${path} is not there, and has the classes that the clouds' labels are numbers of. Load it first.`, { reason: "DATA_MISSING", path });
  const names: string[] = [];
  for await (const { text } of linesOf(path)) if (text.trim() !== "") names.push(text.trim());
  return names;
}

async function classesOfClouds(copy: SetCopy): Promise<readonly string[]> {
  const path = copy.path(COLOURED.classes);
  if (!(await copy.has(COLOURED.classes))) throw dataError(`${path} is not there, and has the classes of the clouds in ${COLOURED.clouds}. Load it first.`, { reason: "DATA_MISSING", path });
  const classes = await colouredClasses(path).catch(() => null);
  if (classes === null) throw dataError(`${path}: expected a list of objects with a category each. Load it again.`, { reason: "WRONG_FORMAT", path });
  return classes;
}
