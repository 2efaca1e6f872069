import { basename, dirname, join, relative, resolve, sep } from "node:path";

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
/** Files of coloured clouds without labels, and what has the class of each: ULIP-2's, OpenShape's. */
const COLOURED = [
  { clouds: "modelnet40_colored_10k_pc.npy", classes: "modelnet40_test_split_10k_colored.json" },
  { clouds: "test_pc.npy", classes: "test_split.json" },
] as const;
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
  const coloured = COLOURED.find(({ clouds }) => clouds === basename(file));
  const classes = coloured === undefined ? { ofLabels: await classNames(copy) } : { ofClouds: await classesOfClouds(copy, file, coloured.classes) };
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
  const files = cache === null ? [] : [cache];
  for (const { clouds } of COLOURED) if (await copy.has(clouds)) files.push(clouds);
  if (files.length > 1) throw badArgument("from", `there are ${files.join(" and ")}; say which becomes clouds/`);
  return files[0] ?? null;
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

/** The list of classes lies beside its clouds. */
async function classesOfClouds(copy: SetCopy, file: string, list: string): Promise<readonly string[]> {
  const name = join(dirname(file), list);
  const path = copy.path(name);
  if (!(await copy.has(name))) throw dataError(`${path} is not there, and has the classes of the clouds in ${file}. Load it first.`, { reason: "DATA_MISSING", path });
  const classes = await colouredClasses(path).catch(() => null);
  if (classes === null) throw dataError(`${path}: expected a list of objects with a category each. Load it again.`, { reason: "WRONG_FORMAT", path });
  return classes;
}
