import type { FileCheck, FileProblem } from "./check.js";
import type { FileEnds } from "./ends.js";

/** Whether a video is whole as far as its parts' lengths tell. */

const MATROSKA = Buffer.from([0x1a, 0x45, 0xdf, 0xa3]);
const MOST_BOXES = 10_000;

export const checkVideo: FileCheck = (ends) => {
  const { head, size } = ends;
  if (head.subarray(4, 8).toString("latin1") === "ftyp") return boxes(ends);
  if (head.subarray(0, 4).equals(MATROSKA)) return null;
  const start = head.subarray(0, 12).toString("latin1");
  if (/^RIFF[^]{4}AVI /.test(start)) return head.readUInt32LE(4) + 8 > size ? { reason: "TRUNCATED", message: `is an AVI of ${head.readUInt32LE(4) + 8} bytes by its header, and ${size} are there` } : null;
  return { reason: "NOT_A_VIDEO", message: `is no video that is known: it begins with ${start.startsWith("<") ? "a web page's <" : head.subarray(0, 8).toString("hex")}` };
};

/** MP4 and QuickTime: a row of boxes with their lengths, one of which, moov, says where all else is. */
async function boxes({ size, read }: FileEnds): Promise<FileProblem | null> {
  let at = 0;
  let index = false;
  for (let box = 0; box < MOST_BOXES && at + 8 <= size; box += 1) {
    const header = await read(at, 16);
    if (header.length < 8) break;
    const name = header.subarray(4, 8).toString("latin1");
    const short = header.readUInt32BE(0);
    const length = short === 1 && header.length === 16 ? Number(header.readBigUInt64BE(8)) : short === 0 ? size - at : short;
    if (name === "moov") index = true;
    if (length < 8) return { reason: "BAD_VIDEO", message: `is a damaged MP4: its part at ${at} has an impossible length` };
    if (at + length > size) return { reason: "TRUNCATED", message: `is an MP4 whose part "${name}" promises ${length} bytes, and ${size - at} are there` };
    at += length;
  }
  return index ? null : { reason: "TRUNCATED", message: "is an MP4 without its index (moov), as one whose writing was broken off" };
}
