import type { Item, ItemBatch } from "../bridge/types.js";
import type { Json } from "../store/checksums.js";
import { isUnchanged, readBytes } from "./fileState.js";
import { cut, type ItemInfo, type ItemList, type ItemRange, type ItemRun, type ItemTransport, type UnreadableItem } from "./itemList.js";
import { manifestIdentity, type OpenManifest } from "./manifest.js";
import { type FileRecord, isFile, isReadable, itemOf, type ManifestRecord } from "./manifestRecord.js";
import { prefetch } from "./prefetch.js";

/** Runs that are read before they are asked for. */
const RUNS_AHEAD = 2;
/** Where bytes are sent, a message has at most so many, or one item. */
const MESSAGE_BYTES = 16 << 20;
/** The largest item that can be sent; a message of the bridge has 64 MiB. */
const LARGEST_SENT_BYTES = 60 << 20;
const FILES_AT_ONCE = 8;

/** The items of a manifest. */
export class ManifestItems implements ItemList {
  readonly count: number;
  readonly identity: Json;
  readonly roots: readonly string[];
  readonly attributes: readonly string[];
  readonly named = true;

  constructor(private readonly manifest: OpenManifest) {
    const { header } = manifest;
    this.count = header.count;
    this.identity = manifestIdentity(header);
    this.roots = header.roots;
    this.attributes = header.attributes;
  }

  confirm(): Promise<boolean> {
    return this.manifest.confirm();
  }

  unreadableIn({ from, to }: ItemRange): number {
    const { unreadable } = this.manifest.header;
    return lowerBound(unreadable, to) - lowerBound(unreadable, from);
  }

  runs(range: ItemRange, size: number, transport: ItemTransport): AsyncIterable<ItemRun> {
    return prefetch(this.#runs(range, size, transport), RUNS_AHEAD);
  }

  async *describe(range: ItemRange): AsyncGenerator<readonly ItemInfo[]> {
    let item = range.from;
    for await (const records of this.manifest.reader.records(range)) {
      const first = item;
      item += records.length;
      yield records.map((record, index) => infoOf(record, first + index));
    }
  }

  async close(): Promise<void> {
    await this.manifest.reader.close();
  }

  async *#runs(range: ItemRange, size: number, transport: ItemTransport): AsyncGenerator<ItemRun> {
    let records: ManifestRecord[] = [];
    const blocks = this.manifest.reader.records(range)[Symbol.asyncIterator]();
    for (const { from, to } of cut(range, size)) {
      while (records.length < to - from) {
        const next = await blocks.next();
        if (next.done === true) break;
        records.push(...next.value);
      }
      const numbered = records.slice(0, to - from).map((record, index) => ({ record, item: from + index }));
      records = records.slice(to - from);
      if (transport === "paths") yield runOf({ from, to }, numbered);
      else yield* sentRuns({ from, to }, numbered);
    }
    await blocks.return(undefined);
  }
}

interface Numbered {
  readonly item: number;
  readonly record: ManifestRecord;
}

/** A run whose files the worker reads itself. */
function runOf(range: ItemRange, numbered: readonly Numbered[]): ItemRun {
  const unreadable: UnreadableItem[] = [];
  const spoilt: UnreadableItem[] = [];
  const kept: { readonly item: number; readonly wire: Item }[] = [];
  for (const { item, record } of numbered) {
    const cause = causeOf(record, item);
    if (cause !== null) unreadable.push(cause);
    else if (isFile(record) && isReadable(record.state) && !isUnchanged(record.path, record.state)) {
      spoilt.push(changed(record, item));
      kept.push({ item, wire: emptied(record) });
    } else kept.push({ item, wire: itemOf(record) });
  }
  return { ...range, batch: batchOf(kept.map(({ wire }) => wire)), items: kept.map(({ item }) => item), unreadable, spoilt };
}

/** The same with the files' bytes, in several runs where they are many. */
async function* sentRuns(range: ItemRange, numbered: readonly Numbered[]): AsyncGenerator<ItemRun> {
  let from = range.from;
  let part: Numbered[] = [];
  let bytes = 0;
  for (const next of numbered) {
    const size = isFile(next.record) && isReadable(next.record.state) ? next.record.state.bytes : 0;
    if (part.length > 0 && bytes + size > MESSAGE_BYTES) {
      yield sentRun({ from, to: next.item }, part);
      from = next.item;
      part = [];
      bytes = 0;
    }
    part.push(next);
    bytes += size;
  }
  yield sentRun({ from, to: range.to }, part);
}

async function sentRun(range: ItemRange, numbered: readonly Numbered[]): Promise<ItemRun> {
  const run = runOf(range, numbered);
  if (run.batch?.kind !== "items") return run;
  const spoilt = [...run.spoilt];
  const items = [...run.batch.items];
  const records = new Map(numbered.map(({ item, record }) => [item, record]));
  let next = 0;
  const read = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const number = run.items[index] ?? 0;
      const item = items[index];
      const record = records.get(number);
      if (item?.content.kind !== "file" || record === undefined || !isFile(record)) continue;
      const sent = await bytesOf(record, number);
      if (!(sent instanceof Uint8Array)) spoilt.push(sent);
      items[index] = sent instanceof Uint8Array ? { ...item, content: { kind: "data", data: sent } } : emptied(record);
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, read));
  return { ...run, batch: { kind: "items", items }, spoilt };
}

async function bytesOf(record: FileRecord, item: number): Promise<Uint8Array | UnreadableItem> {
  const { path, range, state } = record;
  if (!isReadable(state)) throw new Error(`${path} was to be left out`);
  if (state.bytes > LARGEST_SENT_BYTES) {
    return {
      item,
      reason: "TOO_LARGE",
      message: `${record.id} has ${state.bytes} bytes, and ${LARGEST_SENT_BYTES} at most can be sent to a worker that shares no files with us`,
    };
  }
  try {
    const bytes = await readBytes(path, range ?? { offset: 0, length: state.size });
    return bytes.length === state.bytes ? bytes : changed(record, item);
  } catch {
    return changed(record, item);
  }
}

/** Texts alone travel as such; anything else as items. Null where there are none. */
function batchOf(items: readonly Item[]): ItemBatch | null {
  if (items.length === 0) return null;
  const texts = items.flatMap(({ content }) => (content.kind === "text" ? [content.text] : []));
  return texts.length === items.length ? { kind: "texts", texts } : { kind: "items", items };
}

function causeOf(record: ManifestRecord, item: number): UnreadableItem | null {
  return isFile(record) && !isReadable(record.state) ? { item, ...record.state } : null;
}

function changed({ path }: FileRecord, item: number): UnreadableItem {
  return { item, reason: "CHANGED", message: `${path} was changed or removed since the items were listed` };
}

/** Holds an item's place in the batch; nothing can be decoded from no bytes. */
function emptied(record: FileRecord): Item {
  return { ...itemOf(record), content: { kind: "data", data: new Uint8Array(0) } };
}

function infoOf(record: ManifestRecord, item: number): ItemInfo {
  const { id, attributes = {} } = record;
  return isFile(record) ? { item, id, name: id, file: record.path, attributes } : { item, id, name: record.text, file: null, attributes };
}

/** How many values of an ascending list are below `limit`. */
function lowerBound(sorted: readonly number[], limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
