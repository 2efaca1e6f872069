import { stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";

import { MODALITIES, type Modality } from "../../config/compiled.js";
import type { CompiledSource, TableFormat } from "../../config/compiledSource.js";
import { splitPattern } from "../../config/sources/patterns.js";
import { sources, sourceSchema } from "../../config/sources/registry.js";
import { dataError, usageError } from "../../errors.js";
import { linesOf } from "../tables/lines.js";
import { openTable } from "../tables/table.js";
import { textOf, unreadableFile } from "../tables/textStream.js";
import { endingOf, endingsOf } from "./mediaKinds.js";
import { fileColumn, TABLES, textColumns } from "./usualColumns.js";
import { filesBelow } from "./walk.js";

/** So many lines tell what a list holds. */
const LOOKED_AT = 20;
/** The first entry of an annotation file lies in so many characters. */
const ANNOTATION_START = 4096;

/** What a user may write below `source`. */
export type SourceFields = Readonly<Record<string, unknown>> & { readonly type: string };

/**
 * The source that a path alone most likely means, as an experiment file would have it: a folder,
 * a list of texts, a table of which the columns have usual names, tars, a dataset's list. Exit 3 when there is
 * nothing at the path; exit 2 when it could be anything, with what would say it.
 */
export async function guessSourceFields(path: string, modality: Modality): Promise<SourceFields> {
  const status = await stat(path).catch((cause: unknown) => {
    if (splitPattern(path, resolve).pattern !== null) return null;
    throw unreadableFile(path, cause);
  });
  if (status === null) return path.endsWith(".tar") ? { type: "webdataset", path } : { type: "glob", path };
  if (status.isDirectory()) return (await guessClouds(path, modality)) ?? { type: (await hasTars(path)) ? "webdataset" : "folder", path };
  if (!status.isFile()) throw dataError(`${path} is neither a file nor a folder.`, { reason: "UNREADABLE", path });
  const ending = endingOf(path);
  if (ending === ".tar") return { type: "webdataset", path };
  const table = TABLES[ending];
  if (table !== undefined) return (await knownDataset(path, ending)) ?? guessTable(path, table, modality);
  if (ending === ".json") return guessJson(path, modality);
  if (ending !== ".txt" && MODALITIES.some((one) => endingsOf(one).includes(ending))) throw singleFile(path, modality);
  const known = await knownDataset(path, ending);
  if (known !== null) return known;
  if (modality === "text") return { type: "lines", path };
  if (modality !== "pointcloud" && (await isIdList(path))) return { type: "clips", path };
  throw cannotTell(path, `a file that ends in ${ending === "" ? "nothing" : ending} is no list of ${modality} items that is known`);
}

/** The same, compiled: paths absolute. */
export async function guessSource(path: string, modality: Modality): Promise<CompiledSource> {
  return compileFields(await guessSourceFields(path, modality));
}

/** What an experiment file would have of a path whose type is known: its columns are guessed where the type is a table's. */
export async function fieldsOfType(type: string, path: string, modality: Modality): Promise<SourceFields> {
  if (type === "modelnet40") return cloudsBelow(path);
  if (type === "extended") return (await guessExtended(path)) ?? { type, path };
  const table = Object.values(TABLES).find((known) => known.type === type);
  if (table !== undefined) return guessTable(path, table, modality);
  return type === "json" ? guessJson(path, modality, { onlyTable: true }) : { type, path };
}

/** Compiles what a user would write below `source`; relative paths start from here. Exit 2 when a field is missing or wrong. */
export function compileFields(fields: SourceFields): CompiledSource {
  const parsed = sourceSchema.safeParse(fields);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.map(String).join(".") ?? "";
    throw usageError(`a source of the type ${fields.type} needs more than a path (${field}: ${issue?.message ?? "wrong"}). Write it into an experiment file, and name FILE.yaml#COLLECTION.`, {
      reason: "BAD_COMMAND_LINE",
      path: "--type",
    });
  }
  return sources.get(parsed.data.type).compile(parsed.data, (path) => resolve(path));
}

/** Whether tars lie in a folder itself. */
export async function hasTars(folder: string): Promise<boolean> {
  const tars = filesBelow(folder, { accept: (name) => name.endsWith(".tar"), depth: 0, onOddity: () => undefined });
  for await (const name of tars) return name !== "";
  return false;
}

/** Lists that say by their first line what they are, since they have no usual header. */
async function knownDataset(path: string, ending: string): Promise<SourceFields | null> {
  if (ending === ".parquet" || ending === ".jsonl" || ending === ".ndjson") return null;
  const first = await firstLine(path);
  if (ending === ".csv" && first.startsWith("# Segments csv")) return { type: "audioset", path };
  if (ending === ".csv" && first.startsWith("audiocap_id,youtube_id,")) return { type: "audiocaps", path };
  if (ending === ".csv" && first === "key,vid_key,video_id,sentence") return { type: "msr-vtt", path };
  if (ending === ".csv" && /^vggsound.*\.csv$/i.test(basename(path)) && /^[\w-]{11},\d+,/.test(first)) return { type: "vggsound", path };
  if (ending === ".csv" && first === "video,audio,label") return guessExtended(path);
  if (ending === ".csv" && /^\d{6,},\d+$/.test(first) && (await isThere(join(dirname(path), "Annotations")))) return { type: "flickr-soundnet", path };
  if (ending === ".tsv" && /^[^\t]+\t(https?:\/\/\S+|url)$/.test(first)) return { type: "cc3m", path };
  if (ending === ".txt" && /^[^&]+&[^&]+&[^&]+&[^&]+&[^&]+$/.test(first)) return { type: "ave", path };
  if (/^modelnet40_(train|test)\.txt$/.test(basename(path))) return cloudsBelow(path);
  if (ending === ".txt" && /karpathy\.txt$/.test(path)) return { type: "flickr30k", path };
  return null;
}

/** The folder of ModelNet40, by its list; unpacked where a folder of clouds lies in it and no text files do. */
async function guessClouds(folder: string, modality: Modality): Promise<SourceFields | null> {
  return modality === "pointcloud" && (await isThere(join(folder, "modelnet40_test.txt"))) ? cloudsBelow(folder) : null;
}

/** ModelNet40 of its folder, or of one of its two lists. */
async function cloudsBelow(path: string): Promise<SourceFields> {
  const list = /^modelnet40_(train|test)\.txt$/.exec(basename(path));
  const root = list === null ? path : dirname(path);
  const unpacked = (await isThere(join(root, "clouds"))) && !(await isThere(join(root, "airplane")));
  return { type: "modelnet40", root, split: list?.[1] ?? "test", format: unpacked ? "unpacked" : "text" };
}

/** An extended set whose positives lie beside it under their usual names; null where they do not. */
async function guessExtended(path: string): Promise<SourceFields | null> {
  const [boxes, flickr] = ["vggss.json", "flickr_test.csv"].map((name) => join(dirname(path), name));
  const named = /flickr/i.test(basename(path)) ? [flickr, boxes] : [boxes, flickr];
  for (const positives of named) {
    if (positives === undefined || !(await isThere(positives))) continue;
    return { type: "extended", path, positives: { type: positives === flickr ? "flickr-soundnet" : "vgg-ss", path: positives } };
  }
  return null;
}

/** Whether the first lines of a text file could be ids: no spaces, and no paths. */
async function isIdList(path: string): Promise<boolean> {
  let lines = 0;
  for await (const { text } of linesOf(path)) {
    if (!/^[\w-]{4,}(,.*)?$/.test(text)) return false;
    lines += 1;
    if (lines === LOOKED_AT) break;
  }
  return lines > 0;
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

async function firstLine(path: string): Promise<string> {
  for await (const { text } of linesOf(path)) return text;
  return "";
}

async function guessTable(path: string, { type, format }: { readonly type: string; readonly format: TableFormat }, modality: Modality): Promise<SourceFields> {
  const { columns } = await openTable(path, format);
  return { type, path, ...columnFields(path, columns, modality) };
}

function columnFields(path: string, columns: readonly string[], modality: Modality): Readonly<Record<string, unknown>> {
  const found = modality === "text" ? textColumns(columns) : fileColumn(columns);
  if (found !== null) return modality === "text" ? { text: found } : { file: found };
  throw cannotTell(path, `none of its columns (${columns.join(", ")}) has a usual name for ${modality === "text" ? "texts, such as caption" : "files, such as path"}`);
}

/** The lists that JSON annotations come with, the surest first. */
async function guessJson(path: string, modality: Modality, { onlyTable = false } = {}): Promise<SourceFields> {
  const has = async (key: string | null): Promise<readonly string[] | null> =>
    openTable(path, { kind: "json", key }).then(
      ({ columns }) => columns,
      () => null,
    );
  const annotated = onlyTable ? null : await annotatedDataset(path);
  if (annotated !== null) return { type: annotated, path };
  if (!onlyTable && (await has("images")) !== null) return { type: "coco", path };
  if (!onlyTable && (await has("sentences")) !== null) return { type: "msr-vtt", path };
  const data = await has("data");
  if (!onlyTable && data?.some((column) => column === "caption" || column === "caption_1") === true) return { type: "audiocaps", path };
  const columns = data ?? (await has(null));
  if (columns === null) throw cannotTell(path, "it has no list of objects under images, sentences or data, nor is it one");
  return { type: "json", path, ...(data === null ? {} : { list: "data" }), ...columnFields(path, columns, modality) };
}

/** Boxes around what sounds: VGG-SS has lists of them, MUSIC-Solo one of each frame; solotest.json is a map of frames. */
async function annotatedDataset(path: string): Promise<"vgg-ss" | "music-solo" | null> {
  let start = "";
  for await (const piece of textOf(path)) {
    start += piece;
    if (start.length >= ANNOTATION_START) break;
  }
  const head = start.slice(0, ANNOTATION_START);
  if (/^\s*\{\s*"[^"]+\/frame_\d+\/\d+\.\w+"\s*:\s*\{\s*"bbox"/.test(head)) return "music-solo";
  const entry = /^\s*\[\s*\{(?=[^}]*"file")(?=[^}]*"class")[^}]*"bbox"\s*:\s*\[\s*(\[?)/.exec(head);
  return entry === null ? null : entry[1] === "[" ? "vgg-ss" : "music-solo";
}

/** One file of a kind that is an item itself, where a list or a folder of such is asked for. */
function singleFile(path: string, modality: Modality): Error {
  return usageError(`${path} is a single file, not a folder or a list of ${modality} items. Give the folder that it lies in, or a pattern such as ${join(dirname(path), `*${extname(path)}`)}.`, { reason: "UNKNOWN_SOURCE", path });
}

function cannotTell(path: string, why: string): Error {
  return usageError(`${path}: ${why}. Say what it is in an experiment file (data.NAME.source), or with --type.`, { reason: "UNKNOWN_SOURCE", path });
}
