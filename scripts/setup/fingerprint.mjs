// @ts-check
/**
 * Fingerprints of source files: what a build was made from. Shared by the
 * bootstrap, which runs before anything is compiled, and by src/setup.
 */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** All files at or below `path`, in a fixed order; none when it does not exist. */
export function filesBelow(path, accept = () => true) {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info === undefined) return [];
  if (info.isFile()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => accept(file))
    .sort();
}

/**
 * SHA-256 in hex over the names (relative to `root`) and contents of `files`.
 * A renamed, added or removed file changes it; a changed time stamp does not.
 */
export function fingerprint(root, files) {
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(relative(root, file).split(sep).join("/"));
    hash.update("\0");
    hash.update(readFileSync(file));
    hash.update("\0");
  }
  return hash.digest("hex");
}

/** The text of a stamp file, or undefined where there is none. */
export function readStamp(path) {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
