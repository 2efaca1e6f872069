/** Where a collection's items come from when they are to be encoded, as compiled: paths absolute, options complete. */

import type { PathPattern } from "./sources/patterns.js";

/** Which part of a recording each item is. */
export interface CompiledPart {
  /** Of a video that is read as an image: a moment in seconds, or a fraction of its length. Null: none was asked for. */
  readonly frame: { readonly kind: "seconds" | "fraction"; readonly at: number } | null;
  /** Of a sound, or of a video's: from `start` for `seconds`, or to its end where those are null. */
  readonly segment: { readonly start: number; readonly seconds: number | null } | null;
}

/** Several pairs of a sound and a frame of each recording: parts of equal length, and a frame of each part. */
export interface CompiledPairs {
  /** At least 2. */
  readonly count: number;
  /** What is divided, in seconds of the recording. Null: what the list gives for each. */
  readonly of: { readonly start: number; readonly seconds: number } | null;
}

/** How the rows of a table lie in its file. */
export type TableFormat =
  | {
      readonly kind: "csv";
      readonly delimiter: string;
      /** Null: quotes are characters like any other. */
      readonly quote: string | null;
      /** Names of the columns where the file has no header; a first row that repeats them is one. Null: the first row has them. */
      readonly columns: readonly string[] | null;
      /** Lines that begin with it are passed over. */
      readonly comment: string | null;
      /** Whether spaces between a delimiter and a field are no part of the field. */
      readonly skipSpace: boolean;
    }
  /** One JSON object a line. */
  | { readonly kind: "jsonl" }
  /** A JSON document; the rows are the objects of the list under `key`, or of the document itself where that is null. */
  | { readonly kind: "json"; readonly key: string | null }
  | { readonly kind: "parquet" }
  /** A header line, then `name.jpg,caption` without quotes, as Flickr30k's Karpathy splits have it. */
  | { readonly kind: "name-caption" };

/**
 * What the columns of a table mean. A template is text with `{column}` in it, `{column:06}`
 * for a number padded with zeros to six digits, and `{row}` for the row's number from 0.
 */
export interface TableLayout {
  /** Columns by which this layout is known; the first one whose columns are all there is taken. */
  readonly needs: readonly string[];
  /** Columns of captions, each of which is an item; empty where the table has no texts. */
  readonly texts: readonly string[];
  /** Template of a file below the root; one that ends in `.*` takes the first ending of the modality that is there. Null: none. */
  readonly file: string | null;
  /** Template of a text's id. Null: the row's number from 0. */
  readonly id: string | null;
  /** Template of a file's id, without its ending. Null: its path below the root. */
  readonly fileId: string | null;
  /** Templates of the items' attributes. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Columns with the seconds at which an item begins and ends in its file, or its length where there is no end. Null: all of it. */
  readonly cut: { readonly start: string; readonly end: string | null; readonly seconds: number | null } | null;
  /** Whether a file that several rows name is one item. */
  readonly oncePerFile: boolean;
}

export interface CompiledTable {
  readonly type: "table";
  /** The source's type as the user writes it, such as `audiocaps`. */
  readonly origin: string;
  readonly path: string;
  readonly format: TableFormat;
  readonly layouts: readonly TableLayout[];
  /** Folder of the files that the table names. Null: the table's own. */
  readonly root: string | null;
  /** Only rows whose columns have these values. */
  readonly where: Readonly<Record<string, readonly string[]>>;
  /** Only these rows, in this order: a file of row numbers from 0. */
  readonly rows: string | null;
  /**
   * A column with several labels, which gives the columns `label` (the first) and `labels` (all, with `; `
   * between them); `names` is AudioSet's class_labels_indices.csv, which has their names. Null: no such column.
   */
  readonly labels: { readonly column: string; readonly names: string | null } | null;
  /** What becomes of an item whose file is not there: it counts as unreadable, or is left out. */
  readonly missing: "unreadable" | "leave-out";
  readonly part: CompiledPart | null;
  /** Null: one item of each row. */
  readonly pairs: CompiledPairs | null;
}

/** Images with sounds, and boxes around what sounds. */
export interface CompiledSounding<Type extends "vgg-ss" | "flickr-soundnet" | "music-solo" = "vgg-ss" | "flickr-soundnet" | "music-solo"> {
  readonly type: Type;
  /** vggss.json or music_solo.json; flickr_test.csv. */
  readonly path: string;
  /** Only these items, in this order. */
  readonly list: string | null;
  /** Of Flickr-SoundNet alone: the folder of the XML files. */
  readonly annotations: string | null;
  readonly root: string | null;
  /** Templates of the files below the root. Null: as the layout has them. */
  readonly image: string | null;
  readonly audio: string | null;
  /** Of MUSIC-Solo alone: so many seconds around the frame are the sound. Null: all of the recording. */
  readonly around: number | null;
  readonly missing: CompiledTable["missing"];
  readonly part: CompiledPart | null;
  readonly pairs: CompiledPairs | null;
}

/** Images with sounds, some of which sound nowhere in them. */
export interface CompiledExtended {
  readonly type: "extended";
  /** Rows of `video, audio, label`: the pairs that do not sound. */
  readonly path: string;
  /** What does sound. */
  readonly positives: CompiledSounding<"vgg-ss"> | CompiledSounding<"flickr-soundnet">;
  readonly root: string | null;
  readonly image: string;
  readonly audio: string;
  readonly missing: CompiledTable["missing"];
  readonly part: CompiledPart | null;
}

/** Texts that are written in the experiment, or stand in a file: a line each, or a list of a JSON document under `key`. */
export type CompiledTexts =
  | { readonly kind: "inline"; readonly texts: readonly string[] }
  /** `key` null: the document is the list. */
  | { readonly kind: "file"; readonly path: string; readonly key: string | null };

export type CompiledSource =
  /** The items of several sources, one after the other. */
  | { readonly type: "joined"; readonly sources: readonly Exclude<CompiledSource, { readonly type: "builtin" | "joined" }>[] }
  | { readonly type: "builtin"; readonly generator: string; readonly split: string; readonly count: number | null; readonly seed: number }
  | { readonly type: "inline"; readonly items: readonly string[] }
  /** One item a line of a UTF-8 text file. */
  | { readonly type: "lines"; readonly path: string }
  /** Every file of the modality's kinds below a folder, in the order of their relative paths. Videos count where `part` says what of them. */
  | { readonly type: "folder"; readonly path: string; readonly part?: CompiledPart | null }
  /** The files below `path` whose relative paths match `pattern`. */
  | { readonly type: "glob"; readonly path: string; readonly pattern: string; readonly part: CompiledPart | null }
  /** A folder with a folder for each class. */
  | { readonly type: "class-folder"; readonly path: string; readonly part: CompiledPart | null }
  | {
      readonly type: "webdataset";
      /** Tars, patterns with braces or wildcards, or folders of tars. */
      readonly paths: readonly PathPattern[];
      /** Endings of the members to take, such as `seg.png`, the best first. Null: those of the modality. */
      readonly members: readonly string[] | null;
      /** Keys of a .json member that may hold the caption, the best first. */
      readonly fields: readonly string[];
      /** Whether a .txt is one caption and a list's first entry the only one, or each line and each entry is an item. */
      readonly captions: "one" | "all";
      readonly part: CompiledPart | null;
    }
  | CompiledTable
  | {
      /** COCO's captions: `images` and `annotations`; or Karpathy's own file, whose images hold their sentences. */
      readonly type: "coco";
      readonly path: string;
      readonly root: string | null;
      /** Of Karpathy's own file alone. */
      readonly split: string | null;
      /** At most so many captions of each image, the first ones. Null: all. */
      readonly captions: number | null;
      readonly missing: CompiledTable["missing"];
    }
  | {
      readonly type: "msr-vtt";
      /** MSRVTT_data.json, or a list such as MSRVTT_JSFUSION_test.csv. */
      readonly path: string;
      /** A list of `video_id` that says which videos, and in which order. */
      readonly list: string | null;
      readonly root: string | null;
      /** Template of a video's file below the root. */
      readonly file: string;
      readonly missing: CompiledTable["missing"];
      readonly part: CompiledPart | null;
    }
  | CompiledSounding<"vgg-ss">
  | CompiledSounding<"flickr-soundnet">
  | CompiledSounding<"music-solo">
  | CompiledExtended
  /** Every template for every label. */
  | { readonly type: "prompts"; readonly labels: CompiledTexts; readonly templates: CompiledTexts }
  | {
      readonly type: "modelnet40";
      /** The folder modelnet40_normal_resampled. */
      readonly root: string;
      readonly split: "train" | "test";
      /** The folder of unpacked clouds. Null: the text files below the root. */
      readonly clouds: string | null;
      readonly missing: CompiledTable["missing"];
    };

/** A file or folder that a source names, and the field of the source that names it. */
export interface SourceInput {
  readonly path: string;
  readonly field: string;
  readonly expected: "file" | "folder" | "file or folder";
  /** Where it is a short list of texts that is read whole: what of it, and what the texts are. */
  readonly texts?: { readonly key: string | null; readonly are: "label" | "template" };
}
