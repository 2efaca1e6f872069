import { readFile, readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

import picomatch from "picomatch";

import { expandBraces, type PathPattern } from "../../config/sources/patterns.js";
import { dataError } from "../../errors.js";
import { filesBelow } from "./walk.js";

/** A tar, and what its items' ids begin with. */
export interface TarFile {
  /** Absolute, without links. */
  readonly path: string;
  readonly label: string;
  readonly size: number;
  readonly mtimeMs: number;
}

/**
 * The tars that a list of paths stands for, in the list's order: files, patterns in the order of
 * their names, and folders of tars. In a folder with `nshards.txt`, as CLIP_benchmark writes them,
 * they are `0.tar` to `N-1.tar` in the order of the numbers. Rejects with exit 3 when one is not there.
 */
export async function listTars(paths: readonly PathPattern[], signal?: AbortSignal): Promise<readonly TarFile[]> {
  const found: { readonly path: string; readonly base: string }[] = [];
  for (const path of paths) {
    const tars = await expand(path, signal);
    const single = path.pattern === null && tars.length === 1 && tars[0] === path.path;
    found.push(...tars.map((tar) => ({ path: tar, base: single ? dirname(path.path) : path.path })));
  }
  if (found.length === 0) throw dataError(`${paths.map(written).join(", ")}: there is no tar.`, { reason: "NO_ITEMS", path: written(paths[0]) });
  const tars = await Promise.all(
    found.map(async ({ path, base }) => {
      const real = await realpath(path).catch((cause: unknown) => {
        throw dataError(`${path} is not there.`, { reason: "DATA_MISSING", path, cause });
      });
      if (!real.startsWith(`${await realpath(base)}/`)) {
        throw dataError(`${path} is a link that leads out of ${base}. Name the tar itself, or the folder that it lies in.`, { reason: "PATH_LEADS_OUT", path });
      }
      const status = await stat(real);
      if (!status.isFile()) throw dataError(`${path} is no file; a tar was expected.`, { reason: "UNREADABLE", path });
      return { path: real, named: path, size: status.size, mtimeMs: status.mtimeMs };
    }),
  );
  const folder = commonFolder(tars.map(({ named }) => named));
  return tars.map(({ path, named, size, mtimeMs }) => ({ path, label: relative(folder, named), size, mtimeMs }));
}

function written(path: PathPattern | undefined): string {
  if (path === undefined) return "";
  return path.pattern === null ? path.path : join(path.path, path.pattern);
}

async function expand({ path, pattern }: PathPattern, signal: AbortSignal | undefined): Promise<readonly string[]> {
  if (pattern === null) {
    const status = await stat(path).catch((cause: unknown) => {
      throw dataError(`${path} is not there.`, { reason: "DATA_MISSING", path, cause });
    });
    return status.isDirectory() ? tarsIn(path) : [path];
  }
  const names = expandBraces(pattern);
  if (names === null) throw dataError(`${join(path, pattern)} stands for more than 100,000 names. Is a number too large?`, { reason: "IMPOSSIBLE_VALUE", path });
  const found: string[] = [];
  for (const name of names) {
    if (!/[*?[]/.test(name)) found.push(join(path, name));
    else {
      const match = picomatch(name);
      for await (const file of filesBelow(path, { accept: (last) => last.endsWith(".tar"), signal, onOddity: () => undefined })) if (match(file)) found.push(join(path, file));
    }
  }
  return found;
}

async function tarsIn(folder: string): Promise<readonly string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".tar") && !name.startsWith("."));
  const count = await readFile(join(folder, "nshards.txt"), "utf8").then(
    (text) => Number(text.trim()),
    () => null,
  );
  if (count === null) return names.sort().map((name) => join(folder, name));
  if (!Number.isSafeInteger(count) || count < 1 || count > 1e6) throw dataError(`${join(folder, "nshards.txt")}: expected the number of tars.`, { reason: "BAD_TABLE", path: join(folder, "nshards.txt") });
  return Array.from({ length: count }, (_, index) => join(folder, `${index}.tar`));
}

function commonFolder(paths: readonly string[]): string {
  let common = dirname(paths[0] ?? "");
  for (const path of paths) while (!dirname(path).startsWith(common === "/" ? "/" : `${common}/`) && dirname(path) !== common) common = dirname(common);
  return common;
}

