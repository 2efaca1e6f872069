import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { InterruptedError } from "../../../src/bridge/errors.js";
import { type ManifestOptions, type OpenManifest, openManifest, remakeManifest } from "../../../src/data/manifest.js";
import { HEADER_FILE, ITEMS_FILE } from "../../../src/data/manifestFile.js";
import type { ManifestRecord } from "../../../src/data/manifestRecord.js";
import type { ItemSource, SourceItem } from "../../../src/data/sources/items.js";
import { textSha256 } from "../../../src/store/checksums.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

/** Long before any manifest of these tests, so that times alone tell changes. */
const LONG_AGO = new Date("2020-01-01T00:00:00Z");

/** A source of whatever items are in `items` when it is read. */
class Listed implements ItemSource {
  readonly identity = { type: "listed" };
  readonly roots: readonly string[] = [];
  readonly attributes = ["kind"];
  reads = 0;
  stamp = "1";

  constructor(public items: readonly SourceItem[]) {}

  fingerprint(): Promise<string> {
    return Promise.resolve(this.stamp);
  }

  async *scan(onOddity: Parameters<ItemSource["scan"]>[0]): AsyncGenerator<SourceItem> {
    this.reads += 1;
    onOddity({ reason: "ODD", place: "here", message: "it is odd" });
    for (const item of this.items) yield await Promise.resolve(item);
  }
}

const text = (id: string, content = `text of ${id}`): SourceItem => ({ id, content: { kind: "text", text: content } });

function file(folder: string, id: string, content = `content of ${id}`, time = LONG_AGO): SourceItem {
  const path = join(folder, id);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  utimesSync(path, time, time);
  return { id, content: { kind: "file", path } };
}

const options = (source: ItemSource, changes: Partial<ManifestOptions> = {}): ManifestOptions => ({
  folder: join(temporaryFolder(), "manifests", "key"),
  source,
  place: "data.items.source",
  signal: undefined,
  onItems: () => undefined,
  ...changes,
});

async function records({ reader, header }: OpenManifest, from = 0, to = header.count): Promise<ManifestRecord[]> {
  const found: ManifestRecord[] = [];
  for await (const block of reader.records({ from, to })) found.push(...block);
  return found;
}

async function digestOf(items: readonly SourceItem[]): Promise<string> {
  const { header, reader } = await openManifest(options(new Listed(items)));
  await reader.close();
  return header.digest;
}

describe("a manifest", () => {
  it("holds every item with its place, part, attributes, bytes and checksum", async () => {
    const folder = temporaryFolder();
    const whole = file(folder, "a.bin", "0123456789");
    const path = join(folder, "a.bin");
    const source = new Listed([
      { ...text("t", "ä dog"), attributes: { kind: "animal" } },
      { ...whole, part: { startSeconds: 2 } },
      { id: "member", content: { kind: "file", path, range: { offset: 3, length: 4 } } },
    ]);
    const manifest = await openManifest(options(source));
    expect(manifest.made).toBe(true);
    const { mtimeMs } = statSync(path);
    expect(await records(manifest)).toEqual([
      { id: "t", text: "ä dog", bytes: 6, sha256: textSha256("ä dog"), attributes: { kind: "animal" } },
      { id: "a.bin", path, part: { startSeconds: 2 }, state: { bytes: 10, sha256: textSha256("0123456789"), size: 10, mtimeMs } },
      { id: "member", path, range: { offset: 3, length: 4 }, state: { bytes: 4, sha256: textSha256("3456"), size: 10, mtimeMs } },
    ]);
    expect(manifest.header).toMatchObject({ count: 3, unreadable: [], attributes: ["kind"], files: true });
    expect(manifest.header.oddities).toEqual({ count: 1, reasons: { ODD: 1 }, first: [{ reason: "ODD", place: "here", message: "it is odd" }] });
    await manifest.reader.close();
  });

  it("gives any range of many items without what is before it", async () => {
    const source = new Listed(Array.from({ length: 5000 }, (_, index) => text(`${index}`)));
    const manifest = await openManifest(options(source));
    for (const [from, to] of [[0, 1], [1023, 1025], [1024, 2048], [2047, 2048], [4999, 5000], [3000, 3000], [0, 5000]] as const) {
      expect((await records(manifest, from, to)).map(({ id }) => Number(id))).toEqual(Array.from({ length: to - from }, (_, index) => from + index));
    }
    await manifest.reader.close();
  });

  it("keeps an item that cannot be read, with the cause", async () => {
    const folder = temporaryFolder();
    const short = file(folder, "short", "12345");
    mkdirSync(join(folder, "folder"));
    const at = (id: string): SourceItem => ({ id, content: { kind: "file", path: join(folder, id) } });
    const path = join(folder, "short");
    const manifest = await openManifest(options(new Listed([short, at("gone"), at("folder"), { id: "beyond", content: { kind: "file", path, range: { offset: 2, length: 4 } } }, text("t")])));
    expect(manifest.header.unreadable).toEqual([1, 2, 3]);
    expect((await records(manifest)).slice(1, 4).map((record) => ("state" in record ? record.state : null))).toEqual([
      { reason: "DATA_MISSING", message: `${join(folder, "gone")} is not there` },
      { reason: "NOT_A_FILE", message: `${join(folder, "folder")} is a folder` },
      { reason: "TRUNCATED", message: `${path} ends before byte 6, where the item ends` },
    ]);
    await manifest.reader.close();
  });

  it("has a digest that follows ids, contents, parts and order, and not the place", async () => {
    const [here, there] = [temporaryFolder(), temporaryFolder()];
    const items = (folder: string, b = "b"): SourceItem[] => [file(folder, "a"), file(folder, "b", b), text("t")];
    const digest = await digestOf(items(here));
    expect(await digestOf(items(there))).toBe(digest);
    const [a, b, t] = items(here);
    if (a === undefined || b === undefined || t === undefined) throw new Error("three items");
    const others = [
      [b, a, t],
      [a, b],
      [a, { ...b, id: "c" }, t],
      [a, { ...b, part: { startSeconds: 1 } }, t],
      [a, { ...b, part: { durationSeconds: 1 } }, t],
      [a, b, text("t", "another")],
      items(there, "B"),
    ];
    const digests = await Promise.all(others.map(digestOf));
    expect(new Set([digest, ...digests]).size).toBe(others.length + 1);
    expect(await digestOf([a, b, { ...t, attributes: { kind: "x" } }])).toBe(digest);
  });

  it("is not made of nothing, of a source that changes meanwhile, nor after an interruption", async () => {
    const made = options(new Listed([]));
    expect(await failureOf(openManifest(made))).toMatchObject({ code: 3, reason: "NO_ITEMS" });
    const restless = new Listed([text("a")]);
    restless.fingerprint = () => Promise.resolve(`${restless.reads}`);
    expect(await failureOf(openManifest(options(restless)))).toMatchObject({ code: 3, reason: "CHANGED" });
    const signal = AbortSignal.abort(new InterruptedError());
    expect((await failureOf(openManifest(options(new Listed([text("a")]), { signal })))).code).toBe(130);
    expect(readdirSync(join(made.folder, ".."))).toEqual([]);
  });
});

describe("a second start", () => {
  it("takes the manifest as it is, and confirms it", async () => {
    const folder = temporaryFolder();
    const source = new Listed([file(folder, "a"), text("t")]);
    const given = options(source);
    const first = await openManifest(given);
    const second = await openManifest(given);
    expect([second.made, source.reads, await second.confirm()]).toEqual([false, 1, true]);
    expect(second.header).toEqual(first.header);
    await Promise.all([first.reader.close(), second.reader.close()]);
  });

  it("reads a source again that has changed, though not the files that have not", async () => {
    const folder = temporaryFolder();
    const source = new Listed([file(folder, "a"), file(folder, "b")]);
    const given = options(source);
    const first = await openManifest(given);
    // Of the same size and time: only who reads it would notice.
    writeFileSync(join(folder, "a"), "CONTENT OF a");
    utimesSync(join(folder, "a"), LONG_AGO, LONG_AGO);
    source.items = [file(folder, "c"), ...source.items];
    source.stamp = "2";
    const second = await openManifest(given);
    expect([second.made, second.header.count]).toEqual([true, 3]);
    const sums = async (manifest: OpenManifest) => new Map((await records(manifest)).map((record) => [record.id, "state" in record && "sha256" in record.state ? record.state.sha256 : ""]));
    expect((await sums(second)).get("a")).toBe((await sums(first)).get("a"));
    expect((await sums(second)).get("c")).toBe(textSha256("content of c"));
    await Promise.all([first.reader.close(), second.reader.close()]);
  });

  it.each([
    ["longer", (path: string) => appendFile(path, "!")],
    ["newer", (path: string) => { utimesSync(path, LONG_AGO, new Date("2021-01-01")); }],
    ["gone", (path: string) => { rmSync(path); }],
  ])("does not confirm a file that is %s", async (_what, change) => {
    const folder = temporaryFolder();
    const source = new Listed([...Array.from({ length: 300 }, (_, index) => file(folder, `${index}`)), text("t")]);
    const given = options(source);
    await (await openManifest(given)).reader.close();
    await change(join(folder, "250"));
    const manifest = await openManifest(given);
    expect([manifest.made, await manifest.confirm()]).toEqual([false, false]);
    await manifest.reader.close();
    const anew = await remakeManifest(given);
    expect([anew.made, anew.header.digest === manifest.header.digest]).toEqual([true, _what === "newer"]);
    await anew.reader.close();
    const after = await openManifest(given);
    expect([after.made, await after.confirm()]).toEqual([false, true]);
    await after.reader.close();
  });

  it("reads a file again that had changed just before its checksum was made", async () => {
    const folder = temporaryFolder();
    const source = new Listed([file(folder, "a", "before", new Date())]);
    const given = options(source);
    await (await openManifest(given)).reader.close();
    const { mtime } = statSync(join(folder, "a"));
    writeFileSync(join(folder, "a"), "behind");
    utimesSync(join(folder, "a"), mtime, mtime);
    const stale = await openManifest(given);
    expect(await stale.confirm()).toBe(false);
    await stale.reader.close();
  });

  it("finds out when what could not be read now can", async () => {
    const folder = temporaryFolder();
    const source = new Listed([text("t"), { id: "late", content: { kind: "file", path: join(folder, "late") } }]);
    const given = options(source);
    const before = await openManifest(given);
    expect(await before.confirm()).toBe(true);
    await before.reader.close();
    file(folder, "late");
    const after = await openManifest(given);
    expect(await after.confirm()).toBe(false);
    await after.reader.close();
    const anew = await remakeManifest(given);
    expect(anew.header.unreadable).toEqual([]);
    expect(anew.header.digest).not.toBe(before.header.digest);
    await anew.reader.close();
  });

  it.each([
    ["a changed character", (folder: string) => { writeFileSync(join(folder, ITEMS_FILE), readFileSync(join(folder, ITEMS_FILE), "utf8").replace("text of b", "text of c")); }],
    ["a missing line", (folder: string) => { writeFileSync(join(folder, ITEMS_FILE), readFileSync(join(folder, ITEMS_FILE), "utf8").split("\n").slice(1).join("\n")); }],
    ["a changed description", (folder: string) => { writeFileSync(join(folder, HEADER_FILE), readFileSync(join(folder, HEADER_FILE), "utf8").replace('"count":3', '"count":2')); }],
    ["half a description", (folder: string) => { writeFileSync(join(folder, HEADER_FILE), readFileSync(join(folder, HEADER_FILE), "utf8").slice(0, 40)); }],
    ["no items", (folder: string) => { rmSync(join(folder, ITEMS_FILE)); }],
  ])("does not believe a manifest with %s, and makes it again", async (_what, damage) => {
    const source = new Listed([text("a"), text("b"), text("d")]);
    const given = options(source);
    const first = await openManifest(given);
    await first.reader.close();
    damage(given.folder);
    const second = await openManifest(given);
    expect([second.made, source.reads]).toEqual([true, 2]);
    expect(second.header.digest).toBe(first.header.digest);
    expect((await records(second)).map(({ id }) => id)).toEqual(["a", "b", "d"]);
    await second.reader.close();
    expect(readdirSync(join(given.folder, ".."))).toEqual(["key"]);
  });

  it("goes on reading a manifest that another process has replaced", async () => {
    const source = new Listed([text("a"), text("b")]);
    const given = options(source);
    const old = await openManifest(given);
    source.items = [text("c")];
    source.stamp = "2";
    await (await openManifest(given)).reader.close();
    expect((await records(old)).map(({ id }) => id)).toEqual(["a", "b"]);
    await old.reader.close();
  });

  it("removes what a process that is gone left half-written, and not what a living one writes", async () => {
    const given = options(new Listed([text("a")]));
    const parent = join(given.folder, "..");
    mkdirSync(parent, { recursive: true });
    mkdirSync(join(parent, "key.999999999-abc"));
    mkdirSync(join(parent, `key.${process.pid}-abc`));
    await (await openManifest(given)).reader.close();
    expect(readdirSync(parent).sort()).toEqual(["key", `key.${process.pid}-abc`]);
  });

  it("is the same wherever the folder was moved to", async () => {
    const folder = temporaryFolder();
    const source = new Listed([file(join(folder, "old"), "a")]);
    const before = await openManifest(options(source));
    renameSync(join(folder, "old"), join(folder, "new"));
    const after = await openManifest(options(new Listed([{ id: "a", content: { kind: "file", path: join(folder, "new", "a") } }])));
    expect(after.header.digest).toBe(before.header.digest);
    await Promise.all([before.reader.close(), after.reader.close()]);
  });
});

it("keeps a file that may not be read among the unreadable ones", async () => {
  const folder = temporaryFolder();
  const source = new Listed([file(folder, "a"), text("t")]);
  chmodSync(join(folder, "a"), 0);
  const manifest = await openManifest(options(source));
  // Root may read everything.
  expect(manifest.header.unreadable).toEqual(process.getuid?.() === 0 ? [] : [0]);
  await manifest.reader.close();
});
