import type { FileCheck, FileProblem } from "./check.js";
import type { FileEnds } from "./ends.js";
import { checkVideo } from "./videos.js";

/** Whether the ends of a sound are those of a whole one; what it is, its content tells. */

/** A writer that cannot go back, as ffmpeg into a pipe, leaves this as the length. */
const UNKNOWN_LENGTH = 0xffffffff;
const MOST_CHUNKS = 100;
/** Flag of the last page of a stream in Ogg. */
const LAST_PAGE = 4;

export const checkSound: FileCheck = (ends) => {
  const { head } = ends;
  const start = head.subarray(0, 12).toString("latin1");
  if (/^RIFF[^]{4}WAVE/.test(start)) return wav(ends);
  if (start.startsWith("fLaC")) return null;
  if (start.startsWith("OggS")) return ogg(ends);
  if (start.startsWith("ID3") || (head[0] === 0xff && ((head[1] ?? 0) & 0xe0) === 0xe0)) return null;
  // .m4a, and videos that sounds are taken from.
  const video = checkVideo(ends);
  if (!(video instanceof Promise) && video?.reason === "NOT_A_VIDEO") return { reason: "NOT_A_SOUND", message: `is no sound that is read: it begins with ${start.startsWith("<") ? "a web page's <" : head.subarray(0, 8).toString("hex")}` };
  return video;
};

async function wav({ head, size, read }: FileEnds): Promise<FileProblem | null> {
  let at = 12;
  let format = false;
  for (let chunk = 0; chunk < MOST_CHUNKS && at + 8 <= size; chunk += 1) {
    const header = at + 8 <= head.length ? head.subarray(at, at + 8) : await read(at, 8);
    if (header.length < 8) break;
    const [name, length] = [header.subarray(0, 4).toString("latin1"), header.readUInt32LE(4)];
    if (name === "fmt ") format = true;
    if (name === "data") {
      if (!format) return { reason: "BAD_WAV", message: "is a WAV that does not tell its format before its data" };
      const there = size - at - 8;
      if (length === UNKNOWN_LENGTH) return there === 0 ? { reason: "EMPTY", message: "is a WAV without a sample" } : null;
      if (length > there) return { reason: "TRUNCATED", message: `is a WAV whose header promises ${length} bytes of sound, and ${there} are there` };
      return length === 0 ? { reason: "EMPTY", message: "is a WAV without a sample" } : null;
    }
    // Chunks begin at even places.
    at += 8 + length + (length % 2);
  }
  return { reason: "TRUNCATED", message: "is a WAV that ends before its data" };
}

function ogg({ tail }: FileEnds): ReturnType<FileCheck> {
  const page = tail.lastIndexOf("OggS", undefined, "latin1");
  // A page has up to 65,307 bytes: where none begins in the tail nothing is known.
  if (page < 0 || page + 6 > tail.length) return null;
  return ((tail[page + 5] ?? 0) & LAST_PAGE) === 0 ? { reason: "TRUNCATED", message: "is an Ogg without its last page" } : null;
}
