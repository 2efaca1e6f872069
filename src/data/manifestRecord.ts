import { createHash, type Hash } from "node:crypto";
import { extname } from "node:path";

import type { Item, MediaPart } from "../bridge/types.js";
import type { SourceItem } from "./sources/items.js";

/** An item as a line of a manifest has it. */
export type ManifestRecord = TextRecord | FileRecord;

interface RecordBase {
  readonly id: string;
  readonly part?: Partial<MediaPart>;
  readonly attributes?: Readonly<Record<string, string>>;
}

export interface TextRecord extends RecordBase {
  readonly text: string;
  /** Of its UTF-8. */
  readonly bytes: number;
  readonly sha256: string;
}

export interface FileRecord extends RecordBase {
  /** Absolute. */
  readonly path: string;
  readonly range?: { readonly offset: number; readonly length: number };
  readonly state: FileState;
}

/** What was found when a file was read, or why it could not be. */
export type FileState =
  | {
      /** Of the item: the file's, or the range's. */
      readonly bytes: number;
      readonly sha256: string;
      /** Of the whole file, by which a change is noticed. */
      readonly size: number;
      readonly mtimeMs: number;
    }
  | { readonly reason: string; readonly message: string };

/** Whether a file could be read. */
export function isReadable(state: FileState): state is Extract<FileState, { readonly sha256: string }> {
  return "sha256" in state;
}

/** Whether an item of a manifest lies in a file. */
export function isFile(record: ManifestRecord): record is FileRecord {
  return "path" in record;
}

/** The record of a text; its checksum is given. */
export function textRecord(item: SourceItem, text: string, sha256: string): TextRecord {
  return { ...base(item), text, bytes: Buffer.byteLength(text), sha256 };
}

/** The record of an item that lies in a file. */
export function fileRecord(item: SourceItem, content: Extract<SourceItem["content"], { readonly kind: "file" }>, state: FileState): FileRecord {
  const { path, range } = content;
  return { ...base(item), path, ...(range === undefined ? {} : { range }), state };
}

function base({ id, part, attributes }: SourceItem): RecordBase {
  return { id, ...(part === undefined ? {} : { part }), ...(attributes === undefined ? {} : { attributes }) };
}

/** Sums up who the items are, in their order: ids, checksums and parts, and not where they lie. */
export class ItemsDigest {
  readonly #hash: Hash = createHash("sha256");

  add(record: ManifestRecord): void {
    const sha256 = isFile(record) ? (isReadable(record.state) ? record.state.sha256 : null) : record.sha256;
    const { startSeconds = null, durationSeconds = null, position = null } = record.part ?? {};
    const part = record.part === undefined ? null : [startSeconds, durationSeconds, position];
    this.#hash.update(`${JSON.stringify([record.id, sha256, part])}\n`);
  }

  /** Lower-case hexadecimal; nothing can be added after it. */
  finish(): string {
    return this.#hash.digest("hex");
  }
}

/** A record as the worker is asked for it, its bytes left where they are. */
export function itemOf(record: ManifestRecord): Item {
  const part: MediaPart | null = record.part === undefined ? null : { startSeconds: null, durationSeconds: null, position: null, ...record.part };
  const content: Item["content"] = isFile(record) ? { kind: "file", path: record.path, range: record.range ?? null } : { kind: "text", text: record.text };
  return { name: nameOf(record), content, part };
}

/** What messages call an item: its id, or its path where the id does not end as the file does, which may be all that tells its format. */
function nameOf(record: ManifestRecord): string {
  if (!isFile(record) || record.range !== undefined) return record.id;
  return extname(record.id).toLowerCase() === extname(record.path).toLowerCase() ? record.id : record.path;
}
