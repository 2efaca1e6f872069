import { SetCopy } from "../../data/sets/copy.js";
import type { Claim, SetDefinition } from "../../data/sets/definition.js";
import { Presence } from "../../data/sets/presence.js";
import { mapInOrder } from "../../data/sources/inOrder.js";
import { SeenTexts } from "../../data/sources/uniqueIds.js";
import { CmcrError } from "../../errors.js";
import { COUNTING, SetPace, type SetProgress } from "../setPace.js";
import { Ffmpeg, type FramePlace, noFfmpeg, type SoundPart } from "./ffmpeg.js";

/** Files that could not be cut and are named at the end. */
const MOST_FAILURES = 3;
/** Names that are looked for together. */
const LOOKED_FOR = 32;

export interface CutRequest {
  readonly definition: SetDefinition;
  /** Absolute. */
  readonly root: string;
  readonly frame: FramePlace;
  readonly sound: SoundPart;
  /** How many ffmpegs run at the same time. */
  readonly processes: number;
}

export interface CutHearer {
  readonly onProgress: (progress: SetProgress) => void;
  /** Hears of a file that could not be made. */
  readonly onFailure: (file: string, error: CmcrError) => void;
}

/** What became of the files of one folder. */
export interface CutFolder {
  readonly folder: string;
  readonly named: number;
  /** Those that were there before among them. */
  readonly there: number;
}

/** What was cut. */
export interface Cut {
  readonly made: number;
  readonly failed: number;
  /** The first of those that could not be cut, by their names. */
  readonly failures: readonly string[];
  /** Files that are neither there nor have a video. */
  readonly withoutVideo: number;
  readonly folders: readonly CutFolder[];
}

/**
 * Cuts the frames and sounds that a data set's annotations name from `videos/`. What is there is
 * left as it is, and each file is whole once it has its name, so that the same call goes on where
 * it was broken off. Rejects with exit 3 where there is something to cut and no ffmpeg.
 */
export async function cutClips(request: CutRequest, hearer: CutHearer, signal: AbortSignal): Promise<Cut> {
  const cutter = new Cutter(request, hearer, signal);
  const { total } = await cutter.survey();
  if (total === 0) return cutter.result();
  const ffmpeg = await Ffmpeg.find(signal);
  if (ffmpeg === null) throw noFfmpeg(total);
  await cutter.cut(ffmpeg, total);
  return cutter.result();
}

/** A file that a video is there for. */
interface Job {
  readonly claim: Claim;
  readonly video: string;
}

class Cutter {
  readonly #folders = new Map<string, { named: number; there: number }>();
  #withoutVideo = 0;
  #made = 0;
  #failed = 0;
  readonly #failures: string[] = [];

  constructor(
    private readonly request: CutRequest,
    private readonly hearer: CutHearer,
    private readonly signal: AbortSignal,
  ) {}

  result(): Cut {
    return { made: this.#made, failed: this.#failed, failures: this.#failures, withoutVideo: this.#withoutVideo, folders: [...this.#folders].map(([folder, state]) => ({ folder, ...state })) };
  }

  /** Counts what is there, and how much there is to do. */
  async survey(): Promise<{ readonly total: number }> {
    let total = 0;
    this.hearer.onProgress(COUNTING);
    for await (const { claim, state } of this.#states()) {
      const folder = this.#folder(claim.folder);
      folder.named += 1;
      if (state === "there") folder.there += 1;
      else if (state === "no video") this.#withoutVideo += 1;
      else total += 1;
    }
    return { total };
  }

  async cut(ffmpeg: Ffmpeg, total: number): Promise<void> {
    const pace = new SetPace(total);
    let done = 0;
    for await (const claim of mapInOrder(this.#jobs(), this.request.processes, (job) => this.#make(ffmpeg, job))) {
      done += 1;
      if (claim !== null) {
        this.#made += 1;
        this.#folder(claim.folder).there += 1;
      }
      this.hearer.onProgress(pace.reached(done));
    }
  }

  /** The claim of the file that was made; null where it could not be. */
  async #make(ffmpeg: Ffmpeg, { claim, video }: Job): Promise<Claim | null> {
    const path = claim.path.replace(/\.\*$/, claim.kind === "image" ? ".jpg" : ".wav");
    const target = new SetCopy(this.request.root, { report: () => undefined }).path(path);
    try {
      if (claim.kind === "audio") await ffmpeg.sound(video, this.request.sound, target);
      else await ffmpeg.frame(video, claim.cut?.frame === undefined ? this.request.frame : { kind: "number", number: claim.cut.frame }, target);
      return claim;
    } catch (error) {
      this.signal.throwIfAborted();
      if (!(error instanceof CmcrError)) throw error;
      this.#failed += 1;
      if (this.#failures.length < MOST_FAILURES) this.#failures.push(path);
      this.hearer.onFailure(path, error);
      return null;
    }
  }

  async *#jobs(): AsyncGenerator<Job> {
    for await (const { claim, state, video } of this.#states()) if (state === "to do" && video !== null) yield { claim, video };
  }

  /** Each file that a video could be cut to, once. */
  async *#states(): AsyncGenerator<{ readonly claim: Claim; readonly state: "there" | "to do" | "no video"; readonly video: string | null }> {
    const copy = new SetCopy(this.request.root, { signal: this.signal, report: () => undefined });
    const presence = new Presence(copy);
    for await (const found of mapInOrder(this.#claims(copy), LOOKED_FOR, async (claim) => {
      if ((await presence.find(claim.path, claim.kind)) !== null) return { claim, state: "there" as const, video: null };
      const video = await presence.find(`videos/${claim.cut?.video ?? ""}.*`, "video");
      return { claim, state: video === null ? ("no video" as const) : ("to do" as const), video: video === null ? null : copy.path(video.path) };
    })) {
      this.signal.throwIfAborted();
      yield found;
    }
  }

  async *#claims(copy: SetCopy): AsyncGenerator<Claim> {
    const seen = new SeenTexts();
    for await (const { claims } of this.request.definition.read(copy)) for (const claim of claims) if (claim.cut !== undefined && !seen.add(claim.path)) yield claim;
  }

  #folder(name: string): { named: number; there: number } {
    const folder = this.#folders.get(name) ?? { named: 0, there: 0 };
    this.#folders.set(name, folder);
    return folder;
  }
}
