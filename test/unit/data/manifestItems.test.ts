import { rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { describeItems, type ItemRun, type ItemTransport } from "../../../src/data/itemList.js";
import { openManifest } from "../../../src/data/manifest.js";
import { ManifestItems } from "../../../src/data/manifestItems.js";
import { prefetch } from "../../../src/data/prefetch.js";
import type { ItemSource, SourceItem } from "../../../src/data/sources/items.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

async function itemsOf(...items: readonly SourceItem[]): Promise<ManifestItems> {
  const source: ItemSource = {
    identity: null,
    roots: ["/root"],
    attributes: [],
    fingerprint: () => Promise.resolve(""),
    async *scan() {
      for (const item of items) yield await Promise.resolve(item);
    },
  };
  return new ManifestItems(await openManifest({ folder: join(temporaryFolder(), "m"), source, place: "x", signal: undefined, onItems: () => undefined }));
}

const text = (id: string): SourceItem => ({ id, content: { kind: "text", text: `text ${id}` } });
const missing = (id: string): SourceItem => ({ id, content: { kind: "file", path: `/no/such/${id}` } });

function file(folder: string, id: string, content = `bytes of ${id}`): SourceItem {
  writeFileSync(join(folder, id), content);
  return { id, content: { kind: "file", path: join(folder, id) } };
}

async function runs(list: ManifestItems, size: number, range = { from: 0, to: list.count }, transport: ItemTransport = "paths"): Promise<ItemRun[]> {
  const found: ItemRun[] = [];
  for await (const run of list.runs(range, size, transport)) found.push(run);
  await list.close();
  return found;
}

describe("items of a manifest", () => {
  it("come in runs that begin at the same items, with the unreadable ones left out", async () => {
    const list = await itemsOf(text("a"), text("b"), missing("c"), text("d"), missing("e"), missing("f"), text("g"));
    expect([list.count, list.unreadableIn({ from: 0, to: 7 }), list.unreadableIn({ from: 2, to: 4 }), list.unreadableIn({ from: 3, to: 4 })]).toEqual([7, 3, 1, 0]);
    const [first, second, third, fourth] = await runs(list, 2);
    expect(first).toEqual({ from: 0, to: 2, batch: { kind: "texts", texts: ["text a", "text b"] }, items: [0, 1], unreadable: [], spoilt: [] });
    expect(second).toEqual({
      from: 2,
      to: 4,
      batch: { kind: "texts", texts: ["text d"] },
      items: [3],
      unreadable: [{ item: 2, reason: "DATA_MISSING", message: "/no/such/c is not there" }],
      spoilt: [],
    });
    expect(third).toMatchObject({ from: 4, to: 6, batch: null, items: [], unreadable: [{ item: 4 }, { item: 5 }] });
    expect(fourth).toMatchObject({ from: 6, to: 7, items: [6] });
  });

  it("of a range begin at its first", async () => {
    const list = await itemsOf(...Array.from({ length: 3000 }, (_, index) => text(`${index}`)));
    const found = await runs(list, 500, { from: 1100, to: 2350 });
    expect(found.map(({ from, to }) => [from, to])).toEqual([[1100, 1600], [1600, 2100], [2100, 2350]]);
    expect(found.flatMap(({ items }) => items)).toEqual(Array.from({ length: 1250 }, (_, index) => 1100 + index));
    expect(found[1]?.batch).toMatchObject({ kind: "texts", texts: expect.arrayContaining(["text 1600", "text 2099"]) as string[] });
  });

  it("travel as paths with their range and part, or as bytes", async () => {
    const folder = temporaryFolder();
    const whole = file(folder, "a.wav", "0123456789");
    const path = join(folder, "a.wav");
    const items: SourceItem[] = [
      { ...whole, part: { startSeconds: 1, durationSeconds: 2 } },
      { id: "tar/b.wav", content: { kind: "file", path, range: { offset: 2, length: 3 } } },
    ];
    const [named] = await runs(await itemsOf(...items), 9);
    const part = { startSeconds: 1, durationSeconds: 2, position: null };
    expect(named?.batch).toEqual({
      kind: "items",
      items: [
        { name: "a.wav", content: { kind: "file", path, range: null }, part },
        { name: "tar/b.wav", content: { kind: "file", path, range: { offset: 2, length: 3 } }, part: null },
      ],
    });
    const list = await itemsOf(...items);
    const [sent] = await runs(list, 9, { from: 0, to: 2 }, "bytes");
    expect(sent?.batch).toEqual({
      kind: "items",
      items: [
        { name: "a.wav", content: { kind: "data", data: Buffer.from("0123456789") }, part },
        { name: "tar/b.wav", content: { kind: "data", data: Buffer.from("234") }, part: null },
      ],
    });
  });

  it("are called by their ids, but by their files where these alone tell the format", async () => {
    const folder = temporaryFolder();
    const called = async (id: string) => {
      const [run] = await runs(await itemsOf({ ...file(folder, "cloud.OFF"), id }), 1);
      return run?.batch?.kind === "items" ? run.batch.items[0]?.name : "";
    };
    expect(await called("chairs/1.off")).toBe("chairs/1.off");
    expect(await called("17")).toBe(join(folder, "cloud.OFF"));
    expect(await called("17#1.5")).toBe(join(folder, "cloud.OFF"));
  });

  it("that are many bytes travel in several messages, cut at the same items each time", async () => {
    const folder = temporaryFolder();
    const megabytes = (id: string, count: number) => file(folder, id, "x".repeat(count << 20));
    const items = [megabytes("a", 7), megabytes("b", 8), megabytes("c", 2), megabytes("d", 20), megabytes("e", 1)];
    const found = await runs(await itemsOf(...items), 4, { from: 0, to: 5 }, "bytes");
    expect(found.map(({ from, to }) => [from, to])).toEqual([[0, 2], [2, 3], [3, 4], [4, 5]]);
  });

  it.each(["paths", "bytes"] as const)("that changed since they were listed are sent without bytes, and it is said why (%s)", async (transport) => {
    const folder = temporaryFolder();
    const list = await itemsOf(file(folder, "a"), file(folder, "b"), file(folder, "c"));
    writeFileSync(join(folder, "a"), "longer than it was before");
    utimesSync(join(folder, "a"), 1, 1);
    rmSync(join(folder, "b"));
    const [run] = await runs(list, 9, { from: 0, to: 3 }, transport);
    expect(run?.items).toEqual([0, 1, 2]);
    const contents = run?.batch?.kind === "items" ? run.batch.items.map(({ content }) => content) : [];
    expect(contents.slice(0, 2)).toEqual([{ kind: "data", data: new Uint8Array(0) }, { kind: "data", data: new Uint8Array(0) }]);
    expect(run?.spoilt).toMatchObject([{ item: 0, reason: "CHANGED" }, { item: 1, reason: "CHANGED" }]);
    expect(run?.spoilt[0]?.message).toContain(join(folder, "a"));
  });

  it("say who they are, near to one another and far apart", async () => {
    const list = await itemsOf(...Array.from({ length: 6000 }, (_, index) => text(`${index}`)), { ...missing("m.png"), attributes: { class: "cat" } });
    const numbers = [0, 3, 1500, 5000, 6000];
    const infos = await describeItems(list, numbers);
    expect(infos.map(({ item }) => item)).toEqual(numbers);
    expect(infos[1]).toEqual({ item: 3, id: "3", name: "text 3", file: null, attributes: {} });
    expect(infos[4]).toEqual({ item: 6000, id: "m.png", name: "m.png", file: "/no/such/m.png", attributes: { class: "cat" } });
    await list.close();
  });
});

describe("reading ahead", () => {
  it("keeps the order, goes no further than it should, and ends its source", async () => {
    let given = 0;
    let ended = false;
    async function* numbers(): AsyncGenerator<number> {
      try {
        for (; given < 100; ) {
          given += 1;
          yield await Promise.resolve(given);
        }
      } finally {
        ended = true;
      }
    }
    const seen: number[] = [];
    for await (const number of prefetch(numbers(), 3)) {
      seen.push(number);
      await new Promise((resolve) => setImmediate(resolve));
      expect(given).toBeLessThanOrEqual(number + 4);
      if (number === 10) break;
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(ended).toBe(true);
  });

  it("passes on what its source fails with, after what came before", async () => {
    const gone = new Error("gone");
    async function* failing(): AsyncGenerator<number> {
      yield 1;
      await Promise.reject(gone);
    }
    const seen: number[] = [];
    await expect(
      (async () => {
        for await (const number of prefetch(failing(), 5)) seen.push(number);
      })(),
    ).rejects.toBe(gone);
    expect(seen).toEqual([1]);
  });
});
