import { copyFile, link, mkdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { execa } from "execa";

import { checkFile } from "../../data/sets/files/check.js";
import { type CmcrError, dataError, systemCode } from "../../errors.js";
import { plural } from "../../plural.js";

/** A clip of ten seconds takes a second; what takes this long hangs. */
const LIMIT_MS = 10 * 60_000;

/** Where a frame is taken: in the middle, at a moment in seconds, or by its number from 0. */
export type FramePlace = { readonly kind: "middle" } | { readonly kind: "seconds"; readonly at: number } | { readonly kind: "number"; readonly number: number };

/** Which part of a sound is taken: all of it, or a run of seconds. */
export type SoundPart = { readonly start: number; readonly seconds: number | null };

/** ffmpeg, found once. */
export class Ffmpeg {
  private constructor(
    private readonly command: string,
    private readonly signal: AbortSignal,
  ) {}

  /** Null where there is none on this machine. */
  static async find(signal: AbortSignal): Promise<Ffmpeg | null> {
    const command = "ffmpeg";
    const { failed } = await execa(command, ["-version"], { reject: false, stdin: "ignore", cancelSignal: signal });
    signal.throwIfAborted();
    return failed ? null : new Ffmpeg(command, signal);
  }

  /** Writes a frame of a video as a JPEG; a file that is there is left as it is. Rejects with exit 3 where there is no such frame. */
  async frame(video: string, place: FramePlace, target: string): Promise<void> {
    const seconds = place.kind === "middle" ? (await this.#duration(video)) / 2 : place.kind === "seconds" ? place.at : null;
    const select = place.kind === "number" ? ["-vf", `select=eq(n\\,${place.number})`] : [];
    await this.#make(video, target, "image", [
      ...(seconds === null ? [] : ["-ss", seconds.toFixed(3)]),
      "-i", video, "-map", "0:v:0", ...select, "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p", "-f", "mjpeg",
    ]);
  }

  /** Writes the sound of a video as a WAV of 16 bits and one channel, at its own rate; a file that is there is left as it is. Rejects with exit 3 where it has none. */
  async sound(video: string, { start, seconds }: SoundPart, target: string): Promise<void> {
    await this.#make(video, target, "audio", [
      ...(start === 0 ? [] : ["-ss", String(start)]),
      ...(seconds === null ? [] : ["-t", String(seconds)]),
      "-i", video, "-map", "0:a:0", "-ac", "1", "-c:a", "pcm_s16le", "-f", "wav",
    ]);
  }

  /** A file appears whole or not at all. */
  async #make(video: string, target: string, kind: "image" | "audio", args: readonly string[]): Promise<void> {
    const partial = join(dirname(target), `.${basename(target)}.partial`);
    await mkdir(dirname(target), { recursive: true });
    try {
      const said = await this.#run(["-y", "-threads", "1", ...args, "-fflags", "+bitexact", "-flags", "+bitexact", partial]);
      const { problem } = await checkFile(partial, kind);
      if (said !== null || problem !== null) throw dataError(`${video}: ${why(said, kind, video)}.`, { reason: "UNREADABLE", path: video });
      await putInPlace(partial, target);
    } finally {
      await rm(partial, { force: true });
    }
  }

  /** Length of a video in seconds, as its container has it. */
  async #duration(video: string): Promise<number> {
    const { stderr } = await execa(this.command, ["-nostdin", "-hide_banner", "-i", video], { reject: false, stdin: "ignore", timeout: LIMIT_MS, cancelSignal: this.signal });
    this.signal.throwIfAborted();
    const [, h, m, s] = /Duration: (\d+):(\d+):(\d+(?:\.\d+)?)/.exec(stderr) ?? [];
    if (s === undefined) throw dataError(`${video}: it is no video that ffmpeg reads, or does not tell its length.`, { reason: "UNREADABLE", path: video });
    return 3600 * Number(h) + 60 * Number(m) + Number(s);
  }

  /** Null when it went well, else what ffmpeg said. */
  async #run(args: readonly string[]): Promise<string | null> {
    const { failed, stderr } = await execa(this.command, ["-nostdin", "-hide_banner", "-v", "error", ...args], { reject: false, stdin: "ignore", timeout: LIMIT_MS, cancelSignal: this.signal });
    this.signal.throwIfAborted();
    return failed ? stderr.trim() : null;
  }
}

function why(said: string | null, kind: "image" | "audio", video: string): string {
  if (said === null) return kind === "image" ? "it has no frame at that place" : "it has no sound in that part";
  // Newer versions say more after it.
  if (/matches no streams/.test(said)) return kind === "image" ? "it has no picture" : "it has no sound track";
  const last = said.split("\n").at(-1) ?? "";
  return `ffmpeg cannot read it (${last.replace(`${video}: `, "").slice(0, 200)})`;
}

/** Gives a finished file its name, unless one of that name has come in the meantime. */
async function putInPlace(partial: string, target: string): Promise<void> {
  try {
    await link(partial, target);
  } catch (error) {
    if (systemCode(error) === "EEXIST") return;
    // Some file systems know no links.
    await copyFile(partial, target, 1).catch((cause: unknown) => {
      if (systemCode(cause) !== "EEXIST") throw cause;
    });
  }
}

/** The error where there is no ffmpeg. */
export function noFfmpeg(count: number): CmcrError {
  return dataError(
    `${plural(count, "file")} could be cut from videos/, and there is no ffmpeg on this machine. Install it (such as apt install ffmpeg, or brew install ffmpeg), and give the command again.`,
    { reason: "NO_FFMPEG", path: "ffmpeg" },
  );
}
