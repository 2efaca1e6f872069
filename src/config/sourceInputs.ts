import { dirname } from "node:path";

import type { CompiledSource, SourceInput } from "./compiledSource.js";
import { expandBraces } from "./sources/patterns.js";

/** So many tars of a pattern are looked at one by one; of more, the folder alone. */
const MOST_TARS = 1000;

/** The files and folders that a source names, each with its field. */
export function sourceInputs(source: CompiledSource): readonly SourceInput[] {
  switch (source.type) {
    case "builtin":
    case "inline":
      return [];
    case "joined":
      return source.sources.flatMap((part, index) => sourceInputs(part).map((input) => ({ ...input, field: `sources.${index}.${input.field}` })));
    case "lines":
      return [{ path: source.path, field: "path", expected: "file" }];
    case "folder":
    case "glob":
    case "class-folder":
      return [{ path: source.path, field: "path", expected: "folder" }];
    case "webdataset":
      return source.paths.flatMap((path) => tarInputs(path));
    case "table":
      return [
        { path: source.path, field: "path", expected: "file" },
        ...optional(source.root, "root", "folder"),
        ...optional(source.rows, "rows", "file"),
        ...optional(source.labels?.names ?? null, "labels", "file"),
      ];
    case "coco":
      return [{ path: source.path, field: "path", expected: "file" }, ...optional(source.root, "root", "folder")];
    case "msr-vtt":
      return [{ path: source.path, field: "path", expected: "file" }, ...optional(source.list, "list", "file"), ...optional(source.root, "root", "folder")];
  }
}

/** Folders that the worker must be allowed to read for a source's files. */
export function sourceRoots(source: CompiledSource): readonly string[] {
  switch (source.type) {
    case "builtin":
    case "inline":
    case "lines":
      return [];
    case "joined":
      return [...new Set(source.sources.flatMap(sourceRoots))];
    case "folder":
    case "glob":
    case "class-folder":
      return [source.path];
    case "webdataset":
      return source.paths.map(({ path, pattern }) => (pattern === null && path.endsWith(".tar") ? dirname(path) : path));
    case "table":
    case "coco":
    case "msr-vtt":
      return [source.root ?? dirname(source.path)];
  }
}

function optional(path: string | null, field: string, expected: SourceInput["expected"]): readonly SourceInput[] {
  return path === null ? [] : [{ path, field, expected }];
}

function tarInputs({ path, pattern }: Extract<CompiledSource, { readonly type: "webdataset" }>["paths"][number]): readonly SourceInput[] {
  if (pattern === null) return [{ path, field: "path", expected: "file or folder" }];
  const names = expandBraces(pattern);
  if (names === null || names.length > MOST_TARS || names.some((name) => /[*?[]/.test(name))) return [{ path, field: "path", expected: "folder" }];
  return names.map((name) => ({ path: `${path}/${name}`, field: "path", expected: "file" }));
}
