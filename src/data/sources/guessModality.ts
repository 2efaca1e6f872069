import { stat } from "node:fs/promises";
import { resolve } from "node:path";

import { MODALITIES, type Modality } from "../../config/compiled.js";
import { splitPattern } from "../../config/sources/patterns.js";
import { usageError } from "../../errors.js";
import { fieldText } from "../tables/row.js";
import { openTable } from "../tables/table.js";
import { hasTars } from "./guess.js";
import { endingOf, endingsOf } from "./mediaKinds.js";
import { listTars } from "./tarList.js";
import { tarMembers } from "./tarMembers.js";
import { fileColumn, TABLES, textColumns } from "./usualColumns.js";
import { filesBelow } from "./walk.js";
import { splitName } from "./webdataset.js";

/** So many files or members tell what the rest are. */
const LOOKED_AT = 1000;
/** Kinds of files are looked for in this order. */
const ORDER: readonly Modality[] = ["image", "audio", "pointcloud", "video"];

/** The modality that most of the first files at a path have; text for lists. Exit 2 when nothing tells. */
export async function guessModality(path: string): Promise<Modality> {
  const { path: base, pattern } = splitPattern(path, resolve);
  const status = await stat(path).catch(() => null);
  if (path.endsWith(".tar") || (status?.isDirectory() === true && (await hasTars(path)))) return ofTars(path);
  if (status?.isDirectory() === true || (status === null && pattern !== null)) return ofFolder(status === null ? base : path);
  return ofList(path);
}

async function ofFolder(folder: string): Promise<Modality> {
  const endings: string[] = [];
  for await (const name of filesBelow(folder, { accept: () => true, onOddity: () => undefined })) {
    endings.push(endingOf(name));
    if (endings.length === LOOKED_AT) break;
  }
  return mostOf(folder, endings);
}

async function ofTars(path: string): Promise<Modality> {
  const [tar] = await listTars([splitPattern(path, resolve)]);
  const endings: string[] = [];
  for await (const { name } of tarMembers(tar?.path ?? path, () => undefined)) {
    const kind = splitName(name)?.kind;
    // Beside other members it is a caption.
    if (kind !== undefined && kind !== "txt") endings.push(`.${kind}`);
    else if (kind === "txt") endings.push(".caption");
    if (endings.length === LOOKED_AT) break;
  }
  return endings.length > 0 && endings.every((ending) => ending === ".caption" || ending === ".json") ? "text" : mostOf(path, endings);
}

function mostOf(path: string, endings: readonly string[]): Modality {
  const counts = ORDER.map((modality) => ({ modality, count: endings.filter((ending) => endingsOf(modality).includes(ending)).length }));
  const best = counts.reduce((most, one) => (one.count > most.count ? one : most));
  if (best.count > 0) return best.modality;
  throw usageError(`${path}: none of its files tells what they are (${[...new Set(endings)].slice(0, 10).join(", ")}). Give --modality ${MODALITIES.join("|")}.`, {
    reason: "UNKNOWN_SOURCE",
    path: "--modality",
  });
}

/** A list with captions is one of texts; otherwise the files that it names tell. */
async function ofList(path: string): Promise<Modality> {
  const table = TABLES[endingOf(path)];
  if (table === undefined) return "text";
  const { columns, rows } = await openTable(path, table.format);
  // The extended sets' names of files have no endings.
  if (columns.join() === "video,audio,label") return "image";
  const column = textColumns(columns) === null ? fileColumn(columns) : null;
  if (column === null) return "text";
  const endings: string[] = [];
  for await (const { values } of rows([column])) {
    endings.push(endingOf(fieldText(values.get(column)) ?? ""));
    if (endings.length === LOOKED_AT) break;
  }
  return mostOf(path, endings);
}
