import { readdir, realpath } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";

import type { Modality } from "../../config/compiled.js";
import { dataError } from "../../errors.js";
import { fileSha256 } from "../../store/checksums.js";
import { runs, type SourceReader } from "./items.js";

/** Endings of the files that are taken for items of a modality; whatever else lies there is passed over. */
const EXTENSIONS: Readonly<Record<Modality, readonly string[]>> = {
  text: [],
  image: [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"],
  audio: [".wav", ".flac", ".ogg", ".mp3"],
  pointcloud: [],
  video: [],
};

/** Every file of the modality's kinds below a folder, in the order of the relative paths' UTF-16 units. Links are passed over. */
export const readFolder: SourceReader<"folder"> = async ({ path }, { modality, place, signal }) => {
  const extensions = EXTENSIONS[modality];
  if (extensions.length === 0) {
    throw dataError(`${place}: a folder cannot be read as ${modality}; it holds images or sounds. For texts use { type: lines }.`, {
      reason: "WRONG_MODALITY",
      path: place,
    });
  }
  const root = await realpath(path).catch((cause: unknown) => {
    throw dataError(`${path} is not there.`, { reason: "DATA_MISSING", path, cause });
  });
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw dataError(`${path} is not a folder that can be read.`, { reason: "UNREADABLE", path, cause });
  });
  const names = entries
    .filter((entry) => entry.isFile() && extensions.includes(extname(entry.name).toLowerCase()))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  if (names.length === 0) {
    throw dataError(`${path} has no ${modality} files (${extensions.join(", ")}).`, { reason: "NO_ITEMS", path });
  }
  const checksums: string[] = [];
  for (const name of names) checksums.push(await fileSha256(join(root, name), signal));
  return {
    count: names.length,
    identity: { files: names.map((name, index) => [name, checksums[index] ?? ""]) },
    names,
    roots: [root],
    *batches(size) {
      for (const { start, end } of runs(names.length, size)) {
        yield { kind: "files", paths: names.slice(start, end).map((name) => join(root, name)) };
      }
    },
  };
};
