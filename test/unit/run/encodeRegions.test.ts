import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it, onTestFinished } from "vitest";

import { readNpy } from "../../../src/data/npy.js";
import type { ItemList } from "../../../src/data/itemList.js";
import { openManifest } from "../../../src/data/manifest.js";
import { ManifestItems } from "../../../src/data/manifestItems.js";
import type { RegionBox } from "../../../src/data/regions.js";
import type { ItemSource } from "../../../src/data/sources/items.js";
import { encodeItems } from "../../../src/run/encodeItems.js";
import { ProgressMeter } from "../../../src/run/events.js";
import { itemsWithRegions } from "../../../src/run/regionItems.js";
import type { RegionPlan } from "../../../src/run/regionPlan.js";
import { PartialOutput } from "../../../src/store/partial.js";
import { PendingFolder } from "../../../src/store/pendingFolder.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";
import { rowOf, type ShardWorker, shardWorker } from "./shardWorker.js";

const COUNT = 40;
const BATCH = 4;

/** Item `number` has `number % 3 + 1` regions. */
const boxesOf = (item: number): readonly RegionBox[] => Array.from({ length: (item % 3) + 1 }, (_, region): RegionBox => [region / 4, item / 64, 1, 1]);
const PLAN: RegionPlan = { boxesOf, same: false, squash: true, patches: null, grid: null, identity: null };
const ITEMS = Array.from({ length: COUNT }, (_, item) => item);
const ROWS_OF = (items: readonly number[]): Float32Array => Float32Array.from(items.flatMap((item) => boxesOf(item).flatMap(([left, top]) => [...rowOf(`${item}.png@${left},${top}`)])));

async function photos(): Promise<ItemList> {
  const folder = temporaryFolder();
  const source: ItemSource = {
    identity: null,
    roots: [folder],
    attributes: [],
    fingerprint: () => Promise.resolve(""),
    async *scan() {
      for (const item of ITEMS) {
        const path = join(folder, `${item}.png`);
        writeFileSync(path, "x");
        yield await Promise.resolve({ id: `${item}.png`, content: { kind: "file" as const, path } });
      }
    },
  };
  const list = new ManifestItems(await openManifest({ folder: join(temporaryFolder(), "m"), source, place: "x", signal: undefined, onItems: () => undefined }));
  onTestFinished(() => list.close());
  return list;
}

function setting(items: ItemList) {
  const root = temporaryFolder();
  const partial = () => PartialOutput.open(join(root, "partial"), "key", null, { signal: undefined, onWait: () => expect.fail("it waits") });
  return {
    root,
    partial,
    async encode({ worker }: ShardWorker, plan = PLAN): Promise<Float32Array> {
      const opened = await partial();
      const pending = await PendingFolder.in(root);
      try {
        const job = {
          worker,
          spec: { provider: "fake", model: "", checkpoint: null, options: {} },
          modality: "image",
          items: itemsWithRegions(items, plan),
          regions: plan,
          batchSize: BATCH,
          limits: null,
          policy: { action: "skip", limit: 10 },
          output: "photos in space",
          field: "data.photos.unreadable.limit",
          list: join(root, "skipped.jsonl"),
          writeList: () => Promise.resolve(),
          report: () => undefined,
        } as const;
        const { files, facts } = await encodeItems(job, opened, pending, new ProgressMeter(() => undefined, "encode", "photos", "images"));
        const { shape, data } = await readNpy(pending.file("embeddings.npy"));
        expect(shape).toEqual([facts["rows"], 2]);
        expect(facts["items"]).toBe(COUNT);
        for (const name of files) writeFileSync(join(root, name), readFileSync(pending.file(name)));
        return data as Float32Array;
      } finally {
        await pending.discard();
        await opened.release();
      }
    },
    lines: (name: string): unknown[] => readFileSync(join(root, name), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as unknown),
  };
}

describe("encoding of regions", () => {
  it("makes a row for each region, called after its item", async () => {
    const here = setting(await photos());
    const fake = await shardWorker();
    expect(await here.encode(fake)).toEqual(ROWS_OF(ITEMS));
    expect(fake.starts).toEqual([{ squash: true, patches: 0 }]);
    expect(fake.totals).toEqual([COUNT]);
    const ids = ITEMS.flatMap((item) => boxesOf(item).map((_, region) => `${item}.png#${region}`));
    expect(here.lines("ids.jsonl")).toEqual(ids);
    expect(JSON.parse(readFileSync(join(here.root, "names.json"), "utf8"))).toEqual(ids);
  });

  it("leaves out all regions of an item that cannot be read, which is one item", async () => {
    const here = setting(await photos());
    const fake = await shardWorker({ fails: (item) => item === "5.png" || item === "30.png" });
    const kept = ITEMS.filter((item) => item !== 5 && item !== 30);
    expect(await here.encode(fake)).toEqual(ROWS_OF(kept));
    expect(here.lines("ids.jsonl")).toEqual(kept.flatMap((item) => boxesOf(item).map((_, region) => `${item}.png#${region}`)));
    expect(here.lines("skipped.jsonl")).toMatchObject([{ item: 5, id: "5.png" }, { item: 30, id: "30.png" }]);
  });

  it("goes on after the worker broke off, to the same bytes", async () => {
    const here = setting(await photos());
    const broken = await shardWorker({ fails: (item) => item === "2.png", beforeBatch: (batch) => { if (batch === 4) throw new Error("the worker broke off"); } });
    await expect(here.encode(broken)).rejects.toThrow();
    const partial = await here.partial();
    // The first shard is one batch of four items, of which one failed: 1 + 2 + 1 rows.
    expect(partial.records.map(({ from, to, rows }) => [from, to, rows])).toEqual([[0, BATCH, 4]]);
    await partial.release();
    const whole = await shardWorker({ fails: (item) => item === "2.png" });
    expect(await here.encode(whole)).toEqual(ROWS_OF(ITEMS.filter((item) => item !== 2)));
    expect(whole.totals).toEqual([COUNT - BATCH]);
  });

  it("refuses a worker that makes another number of rows", async () => {
    const here = setting(await photos());
    const fake = await shardWorker({ change: (answer) => (answer.shard === undefined ? answer : { ...answer, shard: { ...answer.shard, rows: answer.shard.rows - 1 } }) });
    const failure = await failureOf(here.encode(fake));
    expect(failure).toMatchObject({ code: 4, reason: "MALFORMED_ANSWER" });
    expect(failure.message).toContain("so that there are 7 rows");
  });

  it("refuses a worker that makes a row for each image where patches are asked for", async () => {
    const here = setting(await photos());
    const fake = await shardWorker();
    const boxes: readonly RegionBox[] = [[0, 0, 0.5, 1], [0.5, 0, 1, 1]];
    const failure = await failureOf(here.encode(fake, { ...PLAN, boxesOf: () => boxes, patches: "values", grid: { rows: 1, columns: 2 } }));
    expect(failure).toMatchObject({ code: 4, reason: "MALFORMED_ANSWER" });
    expect(fake.starts).toEqual([{ squash: true, patches: 2 }]);
  });

  it("ends a shard after as many rows as the worker can hold", async () => {
    const here = setting(await photos());
    const many = Array.from({ length: 4096 }, (_, region): RegionBox => [region / 8192, 0, 1, 1]);
    // Of 4096 rows an item, 131072 are 32 items: the shard that follows the first batch ends there, whoever fails.
    const fake = await shardWorker({ fails: (item) => item === "6.png" });
    await here.encode(fake, { ...PLAN, boxesOf: () => many, same: true });
    expect(fake.shards).toEqual([4, 32, 4]);
  });
});
