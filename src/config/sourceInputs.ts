import { dirname } from "node:path";

import type { CompiledSource, CompiledTexts, SourceInput } from "./compiledSource.js";
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
    case "vgg-ss":
    case "flickr-soundnet":
    case "music-solo":
      return [
        { path: source.path, field: "path", expected: "file" },
        ...optional(source.list, "list", "file"),
        ...(source.type === "flickr-soundnet" ? optional(source.annotations, "annotations", "folder") : []),
        ...optional(source.root, "root", "folder"),
      ];
    case "extended":
      return [
        { path: source.path, field: "path", expected: "file" },
        ...sourceInputs(source.positives).map((input) => ({ ...input, field: `positives.${input.field}` })),
        ...optional(source.root, "root", "folder"),
      ];
    case "prompts":
      return [...textInputs(source.labels, "label"), ...textInputs(source.templates, "template")];
    case "modelnet40":
      return [{ path: source.root, field: "root", expected: "folder" }, ...optional(source.clouds, "clouds", "folder")];
  }
}

/** Folders that the worker must be allowed to read for a source's files. */
export function sourceRoots(source: CompiledSource): readonly string[] {
  switch (source.type) {
    case "builtin":
    case "inline":
    case "lines":
    case "prompts":
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
    case "vgg-ss":
    case "flickr-soundnet":
    case "music-solo":
      return [source.root ?? dirname(source.path)];
    case "extended":
      return [...new Set([source.root ?? dirname(source.path), ...sourceRoots(source.positives)])];
    case "modelnet40":
      return [source.clouds ?? source.root];
  }
}

function optional(path: string | null, field: string, expected: SourceInput["expected"]): readonly SourceInput[] {
  return path === null ? [] : [{ path, field, expected }];
}

function textInputs(texts: CompiledTexts, are: "label" | "template"): readonly SourceInput[] {
  if (texts.kind === "inline") return [];
  const { path, key } = texts;
  return [{ path, field: key === null ? `${are}s` : `${are}s.path`, expected: "file", texts: { key, are } }];
}

function tarInputs({ path, pattern }: Extract<CompiledSource, { readonly type: "webdataset" }>["paths"][number]): readonly SourceInput[] {
  if (pattern === null) return [{ path, field: "path", expected: "file or folder" }];
  const names = expandBraces(pattern);
  if (names === null || names.length > MOST_TARS || names.some((name) => /[*?[]/.test(name))) return [{ path, field: "path", expected: "folder" }];
  return names.map((name) => ({ path: `${path}/${name}`, field: "path", expected: "file" }));
}
