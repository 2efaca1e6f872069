import type { FileEnds } from "./ends.js";
import type { FileCheck } from "./check.js";

/** Whether the ends of an image are those of a whole one; what it is, its content tells. */

const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const END_OF_IMAGE = Buffer.from([0xff, 0xd9]);

export const checkImage: FileCheck = (ends) => {
  const { head } = ends;
  if (head[0] === 0xff && head[1] === 0xd8) return jpeg(ends);
  if (head.subarray(0, 8).equals(PNG)) return png(ends);
  const start = head.subarray(0, 12).toString("latin1");
  if (start.startsWith("RIFF") && start.endsWith("WEBP")) return declared("WebP", head.readUInt32LE(4) + 8, ends);
  if (start.startsWith("BM") && head.length >= 6) return declared("BMP", head.readUInt32LE(2), ends);
  if (/^GIF8[79]a/.test(start)) return ends.tail.includes(0x3b) ? null : { reason: "TRUNCATED", message: "is a GIF without its end" };
  return { reason: "NOT_AN_IMAGE", message: `is no image that is read: it begins with ${start.startsWith("<") ? "a web page's <" : head.subarray(0, 8).toString("hex")}` };
};

/** A JPEG's data hold no end marker, so that one near the file's end is its own; some writers put bytes behind it. */
function jpeg({ tail, size }: FileEnds): ReturnType<FileCheck> {
  const end = tail.lastIndexOf(END_OF_IMAGE);
  return end < 0 || size < 100 ? { reason: "TRUNCATED", message: `is a JPEG without its end (${size} bytes)` } : null;
}

function png({ tail, size }: FileEnds): ReturnType<FileCheck> {
  const end = tail.lastIndexOf("IEND", undefined, "latin1");
  return end < 0 || tail.length - end < 8 ? { reason: "TRUNCATED", message: `is a PNG without its end, IEND (${size} bytes)` } : null;
}

function declared(name: string, bytes: number, { size }: FileEnds): ReturnType<FileCheck> {
  return size < bytes ? { reason: "TRUNCATED", message: `is a ${name} of ${bytes} bytes by its header, and ${size} are there` } : null;
}
