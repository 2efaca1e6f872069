import { mkdir, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";

import { SetCopy } from "../../data/sets/copy.js";
import type { LayoutEntry, SetDefinition } from "../../data/sets/definition.js";
import { type EntryState, lacking, layoutState } from "../../data/sets/layout.js";
import { InterruptedError } from "../../bridge/errors.js";
import { type CmcrError, dataError } from "../../errors.js";
import { plural } from "../../plural.js";
import { badArgument, countArgument } from "../arguments.js";
import { setArgument } from "../setArguments.js";
import type { SetProgress } from "../setPace.js";
import { type Cut, cutClips } from "./cutClips.js";
import type { FramePlace, SoundPart } from "./ffmpeg.js";
import { type Pairs, writePairs } from "./pairsFile.js";
import { type Unpacked, unpackSet } from "./unpackSet.js";

/** The arguments of `cmcr data prepare`, as typed. */
export interface PrepareArguments {
  readonly name: string;
  readonly root: string;
  readonly frame?: string | undefined;
  readonly seconds?: string | undefined;
  readonly processes?: string | undefined;
  readonly from?: string | undefined;
}

export interface PrepareHearer {
  /** Hears what there is and what is to be loaded, before anything is made. */
  readonly onPlan: (plan: Plan) => void;
  readonly onProgress: (what: "cut" | "unpack", progress: SetProgress) => void;
  readonly onFailure: (file: string, error: CmcrError) => void;
  readonly onResult: (result: Prepared) => void;
}

/** What there is, and what a person has to load. */
export interface Plan {
  readonly definition: SetDefinition;
  readonly root: string;
  readonly there: readonly LayoutEntry[];
  readonly toLoad: readonly LayoutEntry[];
}

/** What was made, and what is still missing. */
export interface Prepared {
  readonly definition: SetDefinition;
  readonly root: string;
  readonly cut: Cut | null;
  readonly unpacked: Unpacked | null;
  readonly pairs: Pairs | null;
  readonly lacking: readonly LayoutEntry[];
}

/**
 * Makes the folders of a data set, says what to load, and makes what can be made from what is there.
 * Nothing that is there is changed; broken off, the same call goes on. Exit 2 for wrong arguments, 3
 * where the folder cannot be made, a file could not be cut, or there is no ffmpeg for those that could.
 */
export async function prepareSet(typed: PrepareArguments, hearer: PrepareHearer, signal: AbortSignal): Promise<void> {
  try {
    await prepare(typed, hearer, signal);
  } catch (error) {
    if (signal.aborted) throw new InterruptedError(undefined, "what was made is kept; give the same command again to go on");
    throw error;
  }
}

async function prepare(typed: PrepareArguments, hearer: PrepareHearer, signal: AbortSignal): Promise<void> {
  const definition = setArgument(typed.name);
  const settings = settingsOf(typed, definition);
  const root = resolve(typed.root);
  await makeFolders(root, definition);
  const copy = new SetCopy(root, { signal, report: () => undefined });
  const states = await layoutState(copy, definition);
  hearer.onPlan({
    definition,
    root,
    there: states.filter(({ there }) => there).map(({ entry }) => entry),
    toLoad: loadable(states),
  });
  let failed = 0;
  const unpacked = definition.prepare.clouds === true ? await unpackSet(root, typed.from, (progress) => { hearer.onProgress("unpack", progress); }, signal) : null;
  const cut = definition.prepare.clips === undefined ? null : await cutClips(
    { definition, root, ...settings },
    { onProgress: (progress) => { hearer.onProgress("cut", progress); }, onFailure: (file, error) => { failed += 1; hearer.onFailure(file, error); } },
    signal,
  );
  const pairs = await writePairs(definition, root, signal);
  hearer.onResult({ definition, root, cut, unpacked, pairs, lacking: lacking(await layoutState(copy, definition)) });
  if (failed > 0) throw dataError(`${plural(failed, "file")} could not be cut; the rest is there. Load those videos again, or leave them: experiments pass over what is missing with missing: leave-out.`, { reason: "UNREADABLE", path: root });
}

/** What is not there and comes by loading; of a choice that is met nothing more. */
function loadable(states: readonly EntryState[]): readonly LayoutEntry[] {
  const needed = new Set(lacking(states));
  return states.filter(({ entry, there }) => !there && entry.by === "download" && (entry.need === "optional" || needed.has(entry))).map(({ entry }) => entry);
}

/** Folders that the definition puts files in. Exit 3 where they cannot be made. */
async function makeFolders(root: string, { layout, prepare }: SetDefinition): Promise<void> {
  const status = await stat(root).catch(() => null);
  if (status !== null && !status.isDirectory()) throw dataError(`${root} is a file; --root is the folder of the copy.`, { reason: "NOT_A_FOLDER", path: root });
  // Unpacked clouds get their folder whole or not at all.
  const folders = layout.filter(({ path }) => path.endsWith("/") && !path.includes("<") && !(prepare.clouds === true && path === "clouds/"));
  for (const path of [root, ...folders.map((entry) => resolve(root, entry.path))]) {
    await mkdir(path, { recursive: true }).catch((cause: unknown) => {
      throw dataError(`${path} cannot be made. Does its folder allow that?`, { reason: "UNWRITABLE", path, cause });
    });
  }
}

interface Settings {
  readonly frame: FramePlace;
  readonly sound: SoundPart;
  readonly processes: number;
}

function settingsOf({ frame, seconds, processes, from }: PrepareArguments, { name, prepare }: SetDefinition): Settings {
  if (prepare.clips === undefined) {
    const [option] = Object.entries({ frame, seconds, processes }).find(([, value]) => value !== undefined) ?? [];
    if (option !== undefined) throw badArgument(option, `nothing is cut from videos for ${name}; leave it out`);
  }
  if (from !== undefined && prepare.clouds !== true) throw badArgument("from", `nothing is unpacked for ${name}; leave it out`);
  const usual = prepare.clips?.frame ?? "middle";
  return {
    frame: frame === undefined ? (usual === "middle" ? { kind: "middle" } : { kind: "seconds", at: usual }) : frameArgument(frame),
    sound: seconds === undefined ? { start: 0, seconds: null } : secondsArgument(seconds),
    processes: processes === undefined ? availableParallelism() : countArgument("processes", processes),
  };
}

/** `middle`, `first` or a moment in seconds. Exit 2 for anything else. */
function frameArgument(text: string): FramePlace {
  if (text === "middle") return { kind: "middle" };
  if (text === "first") return { kind: "seconds", at: 0 };
  const at = Number(text);
  if (text.trim() === "" || !Number.isFinite(at) || at < 0) throw badArgument("frame", `expected middle, first or a moment in seconds; found "${text}"`);
  return { kind: "seconds", at };
}

/** `all`, a length from the beginning, or `START-END`. Exit 2 for anything else. */
function secondsArgument(text: string): SoundPart {
  if (text === "all") return { start: 0, seconds: null };
  const [, from, to] = /^(?:(\d+(?:\.\d+)?)-)?(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  const [start, end] = [Number(from ?? 0), Number(to)];
  if (to === undefined || !(end > start)) throw badArgument("seconds", `expected all, a length such as 10, or START-END such as 2-5; found "${text}"`);
  return { start, seconds: end - start };
}
