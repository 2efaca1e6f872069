import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it, onTestFinished, vi } from "vitest";

import { readNpy } from "../../../src/data/npy.js";
import type { ItemList } from "../../../src/data/itemList.js";
import { openManifest } from "../../../src/data/manifest.js";
import { ManifestItems } from "../../../src/data/manifestItems.js";
import type { ItemSource, SourceItem } from "../../../src/data/sources/items.js";
import { type EncodeJob, encodeItems, judgeSkipped } from "../../../src/run/encodeItems.js";
import { StaleItemsError } from "../../../src/run/encodeShards.js";
import { ProgressMeter, type RunEvent } from "../../../src/run/events.js";
import { PartialOutput, type SkippedItem } from "../../../src/store/partial.js";
import { PendingFolder } from "../../../src/store/pendingFolder.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";
import { DIM, rowOf, type ShardWorker, shardWorker } from "./shardWorker.js";

/** A first shard of one batch, two whole ones, and a bit. */
const COUNT = 20_000;
const BATCH = 100;
const SHARD = 8200;
/** Where the first, the second and the third shard end. */
const FIRST = BATCH;
const SECOND = FIRST + SHARD;
const THIRD = SECOND + SHARD;

async function listOf(items: readonly SourceItem[]): Promise<ItemList> {
  const source: ItemSource = {
    identity: null,
    roots: [],
    attributes: [],
    fingerprint: () => Promise.resolve(""),
    async *scan() {
      for (const item of items) yield await Promise.resolve(item);
    },
  };
  const list = new ManifestItems(await openManifest({ folder: join(temporaryFolder(), "m"), source, place: "x", signal: undefined, onItems: () => undefined }));
  onTestFinished(() => list.close());
  return list;
}

const texts = (count: number): SourceItem[] => Array.from({ length: count }, (_, index) => ({ id: `t:${index}`, content: { kind: "text", text: `text ${index}` } }));

interface Setting {
  readonly root: string;
  readonly events: RunEvent[];
  readonly listed: (readonly SkippedItem[])[];
  encode(fake: ShardWorker, items: ItemList, changes?: Partial<EncodeJob>): Promise<Float32Array>;
  partial(): Promise<PartialOutput>;
}

function setting(): Setting {
  const root = temporaryFolder();
  const events: RunEvent[] = [];
  const listed: (readonly SkippedItem[])[] = [];
  const partial = () => PartialOutput.open(join(root, "partial"), "key", null, { signal: undefined, onWait: () => expect.fail("it waits") });
  return {
    root,
    events,
    listed,
    partial,
    async encode({ worker }, items, changes = {}) {
      const opened = await partial();
      const pending = await PendingFolder.in(root);
      const job: EncodeJob = {
        worker,
        spec: { provider: "fake", model: "", checkpoint: null, options: {} },
        modality: "text",
        items,
        batchSize: BATCH,
        limits: null,
        policy: { action: "skip", limit: 5 },
        output: "texts in space",
        field: "data.texts.unreadable.limit",
        list: join(root, "skipped.jsonl"),
        writeList: (skipped) => {
          listed.push(skipped);
          return Promise.resolve();
        },
        report: (event) => events.push(event),
        ...changes,
      };
      try {
        const { files, facts } = await encodeItems(job, opened, pending, new ProgressMeter((event) => events.push(event), "encode", "texts", "texts"));
        const { shape, data } = await readNpy(pending.file("embeddings.npy"));
        expect(shape).toEqual([facts["rows"], facts["dim"]]);
        expect(files).toContain("embeddings.npy");
        for (const name of files) writeFileSync(join(root, name), readFileSync(pending.file(name)));
        return data as Float32Array;
      } finally {
        await pending.discard();
        await opened.release();
      }
    },
  };
}

const rowsOf = (names: readonly string[]): Float32Array => Float32Array.from(names.flatMap((name) => [...rowOf(name)]));
const ALL = Array.from({ length: COUNT }, (_, index) => `text ${index}`);

describe("encoding in shards", () => {
  it("makes one matrix of all items, each batch beginning at the same items", async () => {
    const here = setting();
    const fake = await shardWorker();
    expect(await here.encode(fake, await listOf(texts(COUNT)))).toEqual(rowsOf(ALL));
    expect(fake.totals).toEqual([COUNT]);
    expect(fake.batches.map((batch) => batch[0])).toEqual(Array.from({ length: COUNT / BATCH }, (_, index) => `text ${index * BATCH}`));
    const partial = await here.partial();
    expect(partial.records.map(({ from, to }) => [from, to])).toEqual([[0, FIRST], [FIRST, SECOND], [SECOND, THIRD], [THIRD, COUNT]]);
    expect(readFileSync(join(here.root, "ids.jsonl"), "utf8").split("\n").slice(0, 2)).toEqual(['"t:0"', '"t:1"']);
    expect(JSON.parse(readFileSync(join(here.root, "names.json"), "utf8"))).toEqual(ALL);
    await partial.remove();
  });

  it("goes on after the worker broke off, doing no finished shard again", async () => {
    const here = setting();
    const broken = await shardWorker({ beforeBatch: (batch) => { if (batch === 130) throw new Error("the worker broke off"); } });
    await expect(here.encode(broken, await listOf(texts(COUNT)))).rejects.toThrow();
    const whole = await shardWorker();
    expect(await here.encode(whole, await listOf(texts(COUNT)))).toEqual(rowsOf(ALL));
    expect(whole.totals).toEqual([COUNT - SECOND]);
    expect(whole.batches[0]?.[0]).toBe(`text ${SECOND}`);
    const progress = here.events.flatMap((event) => (event.event === "progress" ? [event] : []));
    expect(progress.at(-1)).toMatchObject({ done: COUNT, total: COUNT });
    // What was there before is no part of the rate.
    expect(progress.some(({ done }) => done === SECOND)).toBe(true);
  });

  it("leaves no more than one whole shard unrecorded, however slow the recording is", async () => {
    const here = setting();
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const fake = await shardWorker({ beforeShard: (shard) => (shard === 1 ? held : undefined) });
    const encoding = here.encode(fake, await listOf(texts(COUNT)));
    await new Promise((resolve) => setTimeout(resolve, 300));
    // What follows the third shard waits for the second shard's record.
    expect(fake.batches.length).toBeLessThanOrEqual(THIRD / BATCH);
    release();
    expect(await encoding).toEqual(rowsOf(ALL));
  });

  it("keeps each batch where a batch takes longer than a shard may", async () => {
    const here = setting();
    let passed = 0;
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now() + passed);
    onTestFinished(() => {
      clock.mockRestore();
    });
    const fake = await shardWorker({
      beforeBatch: (batch) => {
        passed += 40_000;
        if (batch === 6) throw new Error("the worker broke off");
      },
    });
    await expect(here.encode(fake, await listOf(texts(8 * BATCH)))).rejects.toThrow();
    const partial = await here.partial();
    const kept = partial.records.map(({ from, to }) => [from / BATCH, to / BATCH]);
    await partial.release();
    // Of the six that were done, one at most is not kept yet.
    expect(kept.length).toBeGreaterThanOrEqual(5);
    expect(kept).toEqual(kept.map((_, index) => [index, index + 1]));
  });

  it("makes a damaged shard again, and no other", async () => {
    const here = setting();
    await here.encode(await shardWorker(), await listOf(texts(COUNT)));
    const path = join(here.root, "partial", "key", PartialOutput.fileName(FIRST, SECOND));
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(5000) ^ 1, 5000);
    writeFileSync(path, bytes);
    const fake = await shardWorker();
    expect(await here.encode(fake, await listOf(texts(COUNT)))).toEqual(rowsOf(ALL));
    expect(fake.totals).toEqual([SHARD]);
    expect(fake.batches[0]?.[0]).toBe(`text ${FIRST}`);
    expect(here.events.filter(({ event }) => event === "warning")).toEqual([{ event: "warning", message: expect.stringContaining("does not match its checksum") as string }]);
  });

  it("fetches the rows from a worker that shares no files", async () => {
    const here = setting();
    const fake = await shardWorker({ sharesFiles: false });
    expect(await here.encode(fake, await listOf(texts(SECOND + 10)))).toEqual(rowsOf(ALL.slice(0, SECOND + 10)));
    expect(fake.fake.calls.get("/cmcr.v1.TensorService/Download")).toBe(3);
  });

  it("sends such a worker the files' bytes, and gets the same rows whatever the messages", async () => {
    const folder = temporaryFolder();
    const contents = Array.from({ length: 7 }, (_, index) => String(index).repeat(5 << 20));
    const items = contents.map((content, index): SourceItem => {
      writeFileSync(join(folder, `${index}`), content);
      return { id: `${index}`, content: { kind: "file", path: join(folder, `${index}`) } };
    });
    const fake = await shardWorker({ sharesFiles: false });
    expect(await setting().encode(fake, await listOf(items), { modality: "image", batchSize: 4 })).toEqual(rowsOf(contents));
    expect(fake.batches.map((batch) => batch.length)).toEqual([3, 1, 3]);
  });

  it("refuses a worker whose count of rows is another", async () => {
    const fake = await shardWorker({ change: (answer) => (answer.shard === undefined ? answer : { ...answer, shard: { ...answer.shard, rows: answer.shard.rows - 1 } }) });
    const here = setting();
    expect(await failureOf(here.encode(fake, await listOf(texts(300))))).toMatchObject({ code: 4, reason: "MALFORMED_ANSWER" });
    expect(readdirSync(join(here.root, "partial"))).toEqual([]);
  });
});

describe("items that cannot be read", () => {
  const fails = (item: string): boolean => /^text (5|8300|19999)$/.test(item);

  it("are left out and listed, and only the others have rows", async () => {
    const here = setting();
    const fake = await shardWorker({ fails });
    expect(await here.encode(fake, await listOf(texts(COUNT)))).toEqual(rowsOf(ALL.filter((item) => !fails(item))));
    const lines = readFileSync(join(here.root, "skipped.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as SkippedItem);
    expect(lines).toEqual([5, 8300, 19_999].map((item) => ({ item, id: `t:${item}`, file: null, reason: "DATA_CORRUPT", message: `text ${item} is broken` })));
    const ids = readFileSync(join(here.root, "ids.jsonl"), "utf8").trimEnd().split("\n");
    expect([ids.length, ids[4], ids[5]]).toEqual([COUNT - 3, '"t:4"', '"t:6"']);
  });

  it("are known from finished shards after an interruption", async () => {
    const here = setting();
    const broken = await shardWorker({ fails, beforeBatch: (batch) => { if (batch === 180) throw new Error("the worker broke off"); } });
    await expect(here.encode(broken, await listOf(texts(COUNT)))).rejects.toThrow();
    const fake = await shardWorker({ fails });
    await here.encode(fake, await listOf(texts(COUNT)));
    expect(fake.totals).toEqual([COUNT - THIRD]);
    expect(readFileSync(join(here.root, "skipped.jsonl"), "utf8").match(/"item":\d+/g)).toEqual(['"item":5', '"item":8300', '"item":19999']);
  });

  it("end the encoding as soon as they are certainly too many, naming the first, and keep what is finished", async () => {
    const here = setting();
    // 1 % of 20 000 are 200: the 201st, item 8600, is one too many.
    const fake = await shardWorker({ fails: (item) => Number(item.slice(5)) >= 8400 });
    const error = await failureOf(here.encode(fake, await listOf(texts(COUNT)), { policy: { action: "skip", limit: 1 } }));
    expect(error).toMatchObject({ code: 3, reason: "UNREADABLE_ITEMS" });
    expect(error.message).toContain("t:8400: text 8400 is broken; t:8401: text 8401 is broken");
    expect(error.message).toContain(join(here.root, "skipped.jsonl"));
    expect(error.message).toContain("data.texts.unreadable.limit");
    expect(here.listed.at(-1)?.length).toBe(300);
    const partial = await here.partial();
    expect(partial.records.map(({ from, to }) => [from, to])).toEqual([[0, FIRST], [FIRST, SECOND]]);
    await partial.release();
    // With a larger limit it goes on from there.
    const more = await shardWorker({ fails: (item) => Number(item.slice(5)) >= 8400 });
    await here.encode(more, await listOf(texts(COUNT)), { policy: { action: "skip", limit: 100 } });
    expect(more.totals).toEqual([COUNT - SECOND]);
  });

  it("end it at the first one where that is asked for", async () => {
    const here = setting();
    const error = await failureOf(here.encode(await shardWorker({ fails }), await listOf(texts(COUNT)), { policy: { action: "fail", limit: 5 }, field: "data.texts.unreadable.action" }));
    expect(error).toMatchObject({ code: 3, reason: "UNREADABLE_ITEMS", path: "t:5" });
    expect(error.message).toContain("data.texts.unreadable.action to skip");
  });

  it("that were known from the start are not even sent", async () => {
    const here = setting();
    const items = texts(400);
    for (const index of [0, 100, 101, 399]) items[index] = { id: `t:${index}`, content: { kind: "file", path: `/no/such/${index}` } };
    const fake = await shardWorker();
    const rows = await here.encode(fake, await listOf(items));
    expect(fake.totals).toEqual([396]);
    expect(fake.batches.map((batch) => batch.length)).toEqual([99, 98, 100, 99]);
    expect(rows).toEqual(rowsOf(ALL.slice(0, 400).filter((_, index) => ![0, 100, 101, 399].includes(index))));
    expect(readFileSync(join(here.root, "skipped.jsonl"), "utf8")).toContain('{"item":100,"id":"t:100","file":"/no/such/100","reason":"DATA_MISSING","message":"/no/such/100 is not there"}');
  });

  it("are too many where there is no other", async () => {
    const here = setting();
    const items = Array.from({ length: 30 }, (_, index): SourceItem => ({ id: `${index}`, content: { kind: "file", path: `/no/such/${index}` } }));
    const error = await failureOf(here.encode(await shardWorker(), await listOf(items), { policy: { action: "skip", limit: 100 } }));
    expect(error).toMatchObject({ code: 3, reason: "UNREADABLE_ITEMS" });
    expect(here.listed.at(-1)).toHaveLength(30);
  });

  it("that changed since they were listed say so, whatever the worker says", async () => {
    const folder = temporaryFolder();
    const items = Array.from({ length: 40 }, (_, index): SourceItem => {
      writeFileSync(join(folder, `${index}`), `bytes ${index}`);
      return { id: `${index}`, content: { kind: "file", path: join(folder, `${index}`) } };
    });
    const list = await listOf(items);
    writeFileSync(join(folder, "7"), "other bytes");
    utimesSync(join(folder, "7"), 1, 1);
    const here = setting();
    const rows = await here.encode(await shardWorker(), list, { modality: "image" });
    expect(rows.length).toBe(39 * DIM);
    expect(JSON.parse(readFileSync(join(here.root, "skipped.jsonl"), "utf8"))).toMatchObject({ item: 7, reason: "CHANGED" });
  });

  it("of an output that was made by other rules are judged by the present ones", async () => {
    const items = await listOf(texts(10));
    const skipped = [{ item: 3, id: "t:3", file: null, reason: "DATA_CORRUPT", message: "it is broken" }];
    const job = (action: "skip" | "fail", limit: number) => ({ policy: { action, limit }, items, modality: "text", output: "texts in space", field: "f", list: "/list", writeList: () => Promise.resolve() }) as const;
    await judgeSkipped(skipped, job("skip", 10));
    for (const refused of [job("skip", 9), job("fail", 100)]) expect((await failureOf(judgeSkipped(skipped, refused))).code).toBe(3);
  });
});

describe("items that turn out to have changed", () => {
  it("leave no shard behind that was made of them", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "a");
    writeFileSync(path, "before");
    const place = join(temporaryFolder(), "m");
    const source: ItemSource = {
      identity: null,
      roots: [],
      attributes: [],
      fingerprint: () => Promise.resolve(""),
      async *scan() {
        yield await Promise.resolve<SourceItem>({ id: "a", content: { kind: "file", path } });
        for (const item of texts(50)) yield item;
      },
    };
    const options = { folder: place, source, place: "x", signal: undefined, onItems: () => undefined };
    await (await openManifest(options)).reader.close();
    rmSync(path);
    const list = new ManifestItems(await openManifest(options));
    const here = setting();
    await expect(here.encode(await shardWorker(), list)).rejects.toBeInstanceOf(StaleItemsError);
    expect(readdirSync(join(here.root, "partial"))).toEqual([]);
    await list.close();
  });
});
