import { systemCode } from "../../../errors.js";
import type { FileKind } from "../definition.js";
import { cloudPoints } from "./clouds.js";
import { type FileEnds, withEnds } from "./ends.js";
import { checkImage } from "./images.js";
import { checkSound } from "./sounds.js";
import { checkVideo } from "./videos.js";

/** What is wrong with a file. */
export interface FileProblem {
  readonly reason: string;
  /** Without the file's name: `is empty`. */
  readonly message: string;
}

/** What is wrong with a file by its ends; null where nothing is. */
export type FileCheck = (ends: FileEnds) => FileProblem | null | Promise<FileProblem | null>;

const CHECKS: Readonly<Record<Exclude<FileKind, "cloud">, FileCheck>> = { image: checkImage, audio: checkSound, video: checkVideo };

/** What a look at a file found. */
export interface FileHealth {
  readonly problem: FileProblem | null;
  /** Of a cloud. */
  readonly points?: number;
}

/**
 * Looks whether a file is whole, by its first and last bytes: a picture's end marker, the lengths
 * that a header promises, a cloud's points. Nothing is decoded.
 */
export async function checkFile(path: string, kind: FileKind): Promise<FileHealth> {
  try {
    if (kind === "cloud") {
      const found = await cloudPoints(path);
      return "points" in found ? { problem: null, points: found.points } : { problem: found };
    }
    return { problem: await withEnds(path, (ends) => (ends.size === 0 ? { reason: "EMPTY", message: "is empty" } : CHECKS[kind](ends))) };
  } catch (error) {
    const code = systemCode(error);
    if (code === "") throw error;
    return { problem: { reason: "UNREADABLE", message: `cannot be read (${code})` } };
  }
}
