import { z } from "zod";

import { indexByName } from "../registry.js";
import { coco, msrVtt } from "./annotationFiles.js";
import { builtin } from "./builtin.js";
import { audiocaps, cc3m, clotho, flickr30k } from "./captionLists.js";
import { audioset, ave, clips, vggsound } from "./clipLists.js";
import { csv, tsv } from "./csv.js";
import { classFolder, folder, glob } from "./folder.js";
import { inline } from "./inline.js";
import { joinedSource } from "./joined.js";
import { json, jsonl } from "./json.js";
import { lines } from "./lines.js";
import { modelNet40 } from "./modelNet40.js";
import { parquet } from "./parquet.js";
import { prompts } from "./prompts.js";
import { extended, flickrSoundnet, musicSolo, vggSs } from "./soundingLists.js";
import { webdataset } from "./webdataset.js";

/** Every kind of source whose items can follow those of another. A new one is a definition and a line here. */
const LISTED = [
  inline,
  lines,
  folder,
  glob,
  classFolder,
  webdataset,
  csv,
  tsv,
  jsonl,
  json,
  parquet,
  coco,
  flickr30k,
  cc3m,
  msrVtt,
  audiocaps,
  clotho,
  audioset,
  vggsound,
  ave,
  clips,
  vggSs,
  flickrSoundnet,
  musicSolo,
  extended,
  prompts,
  modelNet40,
] as const;

const listedSchema = z.discriminatedUnion("type", [LISTED[0].schema, ...LISTED.slice(1).map(({ schema }) => schema)]);
const joined = joinedSource(listedSchema, indexByName("source", LISTED));

/** Every kind of source. */
const SOURCES = [builtin, ...LISTED, joined] as const;

export const sources = indexByName("source", SOURCES);

/** What a user writes below `data.NAME.source`. */
export const sourceSchema = z
  .discriminatedUnion("type", [SOURCES[0].schema, ...SOURCES.slice(1).map(({ schema }) => schema)])
  .describe("Where the items come from that are to be encoded.");

export type UserSource = z.output<typeof sourceSchema>;
