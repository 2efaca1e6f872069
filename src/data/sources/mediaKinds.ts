import { extname } from "node:path";

import type { MediaPart } from "../../bridge/types.js";
import type { Modality } from "../../config/compiled.js";
import type { CompiledPart } from "../../config/compiledSource.js";

const VIDEOS = [".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v"] as const;

/** Endings of files that are items of a modality as they are. */
const KINDS: Readonly<Record<Modality, readonly string[]>> = {
  text: [],
  image: [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"],
  audio: [".wav", ".flac", ".ogg", ".mp3"],
  pointcloud: [".npy", ".npz", ".ply", ".off", ".obj", ".txt"],
  video: VIDEOS,
};

/** Endings of files of which a part is an item: a frame of a video, or its sound. */
const CONTAINERS: Readonly<Record<Modality, readonly string[]>> = {
  text: [],
  image: VIDEOS,
  audio: [...VIDEOS, ".m4a"],
  pointcloud: [],
  video: [],
};

/** The endings that files of a modality have, those of videos last. */
export function endingsOf(modality: Modality): readonly string[] {
  return [...KINDS[modality], ...CONTAINERS[modality]];
}

/**
 * The endings that a folder is searched for. Videos count as images where a frame is asked
 * for, and as sounds where a segment is: otherwise they are passed over.
 */
export function searchedEndings(modality: Modality, part: CompiledPart | null): readonly string[] {
  const videos = modality === "image" ? part?.frame : modality === "audio" ? part?.segment : null;
  return videos === null || videos === undefined ? KINDS[modality] : endingsOf(modality);
}

/** A path's ending in lower case, such as `.jpg`; empty where it has none. */
export function endingOf(path: string): string {
  return extname(path).toLowerCase();
}

/** Whether a file is an image itself, and no video of which a frame is taken. */
export function isStill(path: string): boolean {
  return !CONTAINERS.image.includes(endingOf(path));
}

const MIDDLE = { kind: "fraction", at: 0.5 } as const;

/** Which part of the file at `path` is the item, or undefined for all of it: a frame of a video (the middle one unless said otherwise), or a run of seconds. */
export function partOf(path: string, modality: Modality, part: CompiledPart | null): Partial<MediaPart> | undefined {
  if (modality === "image") {
    if (!CONTAINERS.image.includes(endingOf(path))) return undefined;
    const { kind, at } = part?.frame ?? MIDDLE;
    return kind === "seconds" ? { startSeconds: at } : { position: at };
  }
  const segment = part?.segment ?? null;
  if (segment === null || (modality !== "audio" && modality !== "video")) return undefined;
  return { startSeconds: segment.start, ...(segment.seconds === null ? {} : { durationSeconds: segment.seconds }) };
}
