import { readdir, realpath, stat } from "node:fs/promises";
import { extname, join } from "node:path";

import type { Modality } from "../../config/compiled.js";
import { dataError } from "../../errors.js";
import { textSha256 } from "../../store/checksums.js";
import type { SourceReader } from "./items.js";

/** Endings of the files that are taken for items of a modality; whatever else lies there is passed over. */
const EXTENSIONS: Readonly<Record<Modality, readonly string[]>> = {
  text: [],
  image: [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"],
  audio: [".wav", ".flac", ".ogg", ".mp3"],
  pointcloud: [],
  video: [],
};

/** Every file of the modality's kinds below a folder, in the order of the relative paths' UTF-16 units. Links are passed over. */
export const readFolder: SourceReader<"folder"> = async ({ path }, { modality, place }) => {
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
  return {
    identity: { type: "folder" },
    roots: [root],
    attributes: [],
    async fingerprint() {
      const times: string[] = [];
      for await (const { folder } of foldersBelow(root)) times.push(`${folder} ${(await stat(join(root, folder))).mtimeMs}`);
      return textSha256(times.join("\n"));
    },
    async *scan() {
      const names: string[] = [];
      for await (const { folder, files } of foldersBelow(root)) {
        for (const file of files) if (extensions.includes(extname(file).toLowerCase())) names.push(folder === "" ? file : `${folder}/${file}`);
      }
      if (names.length === 0) throw dataError(`${path} has no ${modality} files (${extensions.join(", ")}).`, { reason: "NO_ITEMS", path });
      for (const id of names.sort()) yield { id, content: { kind: "file", path: join(root, id) } };
    },
  };
};

async function* foldersBelow(root: string, folder = ""): AsyncGenerator<{ folder: string; files: readonly string[] }> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch((cause: unknown) => {
    throw dataError(`${join(root, folder)} is not a folder that can be read.`, { reason: "UNREADABLE", path: join(root, folder), cause });
  });
  yield { folder, files: entries.filter((entry) => entry.isFile()).map(({ name }) => name) };
  for (const entry of entries) if (entry.isDirectory()) yield* foldersBelow(root, folder === "" ? entry.name : `${folder}/${entry.name}`);
}
