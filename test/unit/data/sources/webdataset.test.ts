import { readFileSync, symlinkSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { describe, expect, it } from "vitest";

import { InterruptedError } from "../../../../src/bridge/errors.js";
import type { Modality } from "../../../../src/config/compiled.js";
import { expandBraces } from "../../../../src/config/sources/patterns.js";
import type { SourceItem } from "../../../../src/data/sources/items.js";
import { splitName } from "../../../../src/data/sources/webdataset.js";
import { failureOf } from "../../../helpers/failures.js";
import { addFiles, folderWith, open, read } from "./reading.js";
import { longName, member, pax, tar } from "./tarBytes.js";

const files = (...names: readonly string[]) => names.map((name) => ({ name, content: `content of ${name}` }));
const webdataset = (path: string, modality: Modality, options: object = {}) => read(path, { type: "webdataset", path: "a.tar", ...options }, modality);
const one = (...entries: Parameters<typeof tar>) => folderWith({ "a.tar": tar(...entries) });

/** The bytes that an item's place holds. */
function bytesOf({ content }: SourceItem): string {
  if (content.kind !== "file" || content.range === undefined) throw new Error("the item is no range of a file");
  const { offset, length } = content.range;
  return readFileSync(content.path).subarray(offset, offset + length).toString();
}

describe("the members of a tar", () => {
  it("are found where they lie: nothing is extracted", async () => {
    const path = one(...files("0001.jpg", "0001.txt", "0002.jpg", "0002.txt"), { name: "0003.jpg", content: "" }, { name: "0004.jpg", content: "x".repeat(512) }, { name: "0005.jpg", content: "y".repeat(70_000) }, ...files("0006.jpg"));
    const { items, ids, source } = await webdataset(path, "image");
    expect(ids).toEqual(["0001", "0002", "0003", "0004", "0005", "0006"].map((key) => `a.tar/${key}.jpg`));
    expect(items.map(bytesOf)).toEqual(["content of 0001.jpg", "content of 0002.jpg", "", "x".repeat(512), "y".repeat(70_000), "content of 0006.jpg"]);
    expect([source.roots, source.attributes, items[1]?.attributes]).toEqual([[path], ["key"], { key: "0002" }]);
  });

  it("of one key are one sample: the key ends at the first dot of the name, not of a folder's", async () => {
    const path = one(...files("v1.0/a.jpg", "v1.0/a.seg.png", "v1.0/a.txt", "v1.0/b.seg.png", "v1.0/b.txt", "v1.0/c.JPG"));
    const { ids, oddities } = await webdataset(path, "image");
    // `seg.png` is a kind of its own, not a .png.
    expect(ids).toEqual(["a.tar/v1.0/a.jpg", "a.tar/v1.0/c.JPG"]);
    expect(oddities).toEqual([{ reason: "NO_MEMBER", place: "a.tar/v1.0/b", message: expect.stringContaining("only seg.png, txt") as string }]);
    const masks = await webdataset(path, "image", { members: [".seg.png"] });
    expect(masks.ids).toEqual(["a.tar/v1.0/a.seg.png", "a.tar/v1.0/b.seg.png"]);
    expect(masks.items[0]?.attributes).toEqual({ key: "v1.0/a" });
  });

  it.each([
    ["a/b.c.d", { key: "a/b", kind: "c.d" }],
    ["a.x/b.JPG", { key: "a.x/b", kind: "jpg" }],
    ["a.x/b", null],
    [".hidden", null],
    ["a/.hidden.jpg", null],
    ["__index__", null],
    ["__meta__/a.json", null],
  ])("of the name %s", (name, expected) => {
    expect(splitName(name)).toEqual(expected);
  });

  it("that follow a sample of the same key in another tar, or after others, are another sample", async () => {
    const path = folderWith({ "a.tar": tar(...files("x.jpg", "y.jpg", "x.png")), "b.tar": tar(...files("x.jpg")) });
    const { ids, reasons } = await webdataset(path, "image", { path: ["a.tar", "b.tar"] });
    expect(ids).toEqual(["a.tar/x.jpg", "a.tar/y.jpg", "a.tar/x.png", "b.tar/x.jpg"]);
    expect(reasons).toEqual([]);
    const again = await webdataset(one(...files("x.jpg", "y.jpg", "x.jpg", "z.jpg", "z.jpg")), "image");
    expect(again.ids).toEqual(["a.tar/x.jpg", "a.tar/y.jpg", "a.tar/x.jpg~2", "a.tar/z.jpg"]);
    expect(again.reasons.sort()).toEqual(["DUPLICATE_ID", "DUPLICATE_MEMBER"]);
  });

  it("have long names in each of the three ways, and sizes in each of two", async () => {
    const [deep, deeper] = [`${"folder/".repeat(30)}0002.jpg`, `${"ordner/".repeat(40)}ä.jpg`];
    const path = one({ name: "0001.jpg", content: "one", prefix: "far/away" }, longName(deep), { name: deep.slice(0, 100), content: "two", magic: "gnu" }, pax({ path: deeper, mtime: "1.5" }), { name: "short.jpg", content: "three" }, {
      name: "0004.jpg",
      content: "four",
      binarySize: true,
    }, pax({ size: "4" }), { name: "0005.jpg", content: "five", size: 0 }, { name: "./0006.jpg", content: "six", magic: "none" });
    const { ids, items, reasons } = await webdataset(path, "image");
    expect(ids).toEqual(["far/away/0001.jpg", deep, deeper, "0004.jpg", "0005.jpg", "0006.jpg"].map((name) => `a.tar/${name}`));
    expect(items.map(bytesOf)).toEqual(["one", "two", "three", "four", "five", "six"]);
    expect(reasons).toEqual([]);
  });

  it("may be of every modality", async () => {
    const path = one(...files("1.jpg", "1.flac", "1.npy", "1.txt", "1.mp4", "2.txt"));
    const kinds = async (modality: Modality, options: object = {}) => (await webdataset(path, modality, options)).ids;
    expect(await kinds("image")).toEqual(["a.tar/1.jpg"]);
    expect(await kinds("audio")).toEqual(["a.tar/1.flac"]);
    // A .txt is a caption here, and a cloud only in folders.
    expect(await kinds("pointcloud")).toEqual(["a.tar/1.npy"]);
    expect(await kinds("video")).toEqual(["a.tar/1.mp4"]);
    expect((await webdataset(one(...files("1.mp4")), "image", { frame: "middle" })).items[0]?.part).toEqual({ position: 0.5 });
  });
});

describe("what is wrong in a tar", () => {
  it("is passed over and named: folders, links, gaps, names that lead out", async () => {
    const path = one({ name: "sub/", type: "5" }, { name: "link.jpg", type: "2" }, { name: "hard.jpg", type: "1", size: 600 }, ...files("../up.jpg", "/abs.jpg", "a/../../up.jpg"), pax({ "GNU.sparse.major": "1" }), ...files("gap.jpg"), {
      name: "old.jpg",
      type: "S",
      content: "gappy",
      magic: "gnu",
    }, { name: "pipe.jpg", type: "6" }, ...files("good.jpg"));
    const { ids, reasons } = await webdataset(path, "image");
    expect(ids).toEqual(["a.tar/good.jpg"]);
    expect(reasons).toEqual(["NOT_A_FILE", "NOT_A_FILE", "PATH_LEADS_OUT", "PATH_LEADS_OUT", "PATH_LEADS_OUT", "SPARSE_MEMBER", "SPARSE_MEMBER", "NOT_A_FILE"]);
  });

  it("a damaged header does not hide what comes after it", async () => {
    const path = one(...files("1.jpg"), member({ name: "2.jpg", content: "lost".repeat(300), damaged: true }), ...files("3.jpg", "4.jpg"));
    const { ids, oddities } = await webdataset(path, "image");
    expect(ids).toEqual(["a.tar/1.jpg", "a.tar/3.jpg", "a.tar/4.jpg"]);
    expect(oddities).toEqual([{ reason: "DAMAGED_HEADER", place: join(path, "a.tar"), message: expect.stringMatching(/byte 1024 is damaged; 2048 bytes up to the next one/) as string }]);
  });

  it("a member that is cut off is an item that cannot be read, and a text that is cut off is none", async () => {
    const path = one(...files("1.txt", "1.jpg"), { name: "2.txt", content: "t".repeat(900) }, { name: "2.jpg", content: "x".repeat(900) });
    truncateSync(join(path, "a.tar"), 6 * 512 + 1024 + 100);
    const { items, reasons } = await webdataset(path, "image");
    const { content } = items[1] ?? {};
    expect(content?.kind === "file" && (content.range?.offset ?? 0) + (content.range?.length ?? 0) > readFileSync(join(path, "a.tar")).length).toBe(true);
    expect([items.length, reasons]).toEqual([2, ["CUT_OFF"]]);
    truncateSync(join(path, "a.tar"), 5 * 512 + 100);
    const texts = await webdataset(path, "text");
    expect([texts.contents, texts.reasons]).toEqual([["content of 1.txt"], ["CUT_OFF", "UNREADABLE_TEXT"]]);
  });

  it("a huge size that is announced takes no memory, and a size that is no number no item", async () => {
    const huge = await webdataset(one(...files("1.jpg"), member({ name: "2.jpg", content: "x", size: 8 ** 11 - 1 })), "image");
    expect([huge.ids, huge.reasons]).toEqual([["a.tar/1.jpg", "a.tar/2.jpg"], ["CUT_OFF"]]);
    expect((await webdataset(one(...files("1.txt"), member({ name: "2.txt", content: "x", size: 2 ** 40, binarySize: true })), "text")).contents).toEqual(["content of 1.txt"]);
    const many = Array.from({ length: 20 }, () => longName("x.jpg"));
    expect(await failureOf(webdataset(one(...files("1.jpg"), ...many), "image"))).toMatchObject({ code: 3, reason: "BAD_TAR" });
    const long = await webdataset(one(...files("1.jpg"), member({ name: "L", type: "L", content: "x", size: 2 ** 30 })), "image");
    expect([long.ids, long.reasons]).toEqual([["a.tar/1.jpg"], ["DAMAGED_HEADER"]]);
  });

  it.each<[string, Buffer, string, RegExp]>([
    ["compressed", gzipSync(tar(...files("1.jpg"))), "COMPRESSED", /a\.tar is compressed \(gzip\).*gunzip/],
    ["no tar", Buffer.alloc(2048, "hello"), "BAD_TAR", /is no tar/],
    ["empty", Buffer.alloc(0), "BAD_TAR", /is empty/],
    ["short", Buffer.alloc(100, 1), "BAD_TAR", /100 bytes/],
    ["without samples", tar(), "NO_ITEMS", /no sample of the 1 tars has image/],
    ["of others' samples", tar(...files("1.wav")), "NO_ITEMS", /jpg, jpeg, png/],
  ])("a file that is %s is exit 3", async (_, bytes, reason, message) => {
    const error = await failureOf(webdataset(folderWith({ "a.tar": bytes }), "image"));
    expect(error).toMatchObject({ code: 3, reason });
    expect(error.message).toMatch(message);
  });

  it("a tar cut at any byte, or with any byte changed, is read or refused, and never breaks", async () => {
    const whole = tar(...files("1.jpg", "1.txt"), longName("2.jpg"), ...files("2.jpg"), pax({ path: "3.jpg" }), ...files("3.jpg"));
    for (let at = 0; at < whole.length; at += 97) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      for (const bytes of [whole.subarray(0, at), changed]) {
        const result = await webdataset(folderWith({ "a.tar": bytes }), "image").catch((error: unknown) => error);
        if (result instanceof Error) expect(result).toMatchObject({ code: 3 });
      }
    }
  });
});

describe("captions in tars", () => {
  const JSON_FILE = { text: ["first", "second"], caption: "own", tag: ["x"] };
  const path = () => one({ name: "1.txt", content: "one\ntwo\n" }, ...files("1.jpg"), { name: "2.json", content: JSON.stringify(JSON_FILE) }, { name: "3.txt", content: " \n" }, { name: "4.json", content: "{" }, { name: "5.json", content: "{}" }, {
    name: "6.txt",
    content: Buffer.from([0xe4, 0x0a]),
  }, { name: "7.json", content: "[1]" }, { name: "8.txt", content: "x".repeat(2 << 20) });

  it("are one of each sample: a whole .txt, a field of a .json", async () => {
    const { ids, contents, reasons } = await webdataset(path(), "text");
    expect([ids, contents]).toEqual([["a.tar/1.txt", "a.tar/2.json"], ["one\ntwo", "own"]]);
    expect(reasons).toEqual(["EMPTY_CAPTION", "BAD_JSON", "NO_CAPTION", "NOT_UTF8", "BAD_JSON", "UNREADABLE_TEXT"]);
  });

  it("are all of each sample where that is asked for: lines as CLIP_benchmark writes them, lists as CLAP does", async () => {
    const { ids, contents } = await webdataset(path(), "text", { captions: "all", fields: ["text"] });
    expect([ids, contents]).toEqual([["a.tar/1.txt#1", "a.tar/1.txt#2", "a.tar/2.json#1", "a.tar/2.json#2"], ["one", "two", "first", "second"]]);
    expect((await webdataset(path(), "text", { fields: ["text"] })).contents).toEqual(["one\ntwo", "first"]);
  });
});

describe("a list of tars", () => {
  const shards = () => folderWith(Object.fromEntries([0, 1, 2, 9, 10].map((n) => [`s/${n}.tar`, tar(...files(`k${n}.jpg`))])));

  it("is a pattern of numbers, whose zeros are kept", () => {
    expect(expandBraces("cc3m/{00008..00011}.tar")).toEqual(["00008", "00009", "00010", "00011"].map((n) => `cc3m/${n}.tar`));
    expect(expandBraces("{a,b{1..2}}-{x}.tar")).toEqual(["a-x.tar", "b1-x.tar", "b2-x.tar"]);
    expect(expandBraces("{3..1}")).toEqual(["3", "2", "1"]);
    expect(expandBraces("{8..10}")).toEqual(["8", "9", "10"]);
    expect(expandBraces("plain{.tar")).toEqual(["plain{.tar"]);
    expect(expandBraces("{0..999999999}")).toBeNull();
    expect(expandBraces("{0..999}{0..999}")).toBeNull();
  });

  it("comes in the order of its pattern's numbers", async () => {
    const { ids } = await webdataset(shards(), "image", { path: "s/{0..2}.tar" });
    expect(ids).toEqual(["0.tar/k0.jpg", "1.tar/k1.jpg", "2.tar/k2.jpg"]);
    expect((await webdataset(shards(), "image", { path: ["s/9.tar", "s/{1,0}.tar"] })).ids).toEqual(["9.tar/k9.jpg", "1.tar/k1.jpg", "0.tar/k0.jpg"]);
  });

  it("that is a folder comes in the order of the names, and with nshards.txt in that of the numbers", async () => {
    const path = shards();
    expect((await webdataset(path, "image", { path: "s" })).ids.map((id) => id.split("/")[0])).toEqual(["0.tar", "1.tar", "10.tar", "2.tar", "9.tar"]);
    expect((await webdataset(path, "image", { path: "s/*.tar" })).ids).toHaveLength(5);
    addFiles(path, Object.fromEntries([3, 4, 5, 6, 7, 8].map((n) => [`s/${n}.tar`, tar(...files(`k${n}.jpg`))])));
    addFiles(path, { "s/nshards.txt": "11\n" });
    expect((await webdataset(path, "image", { path: "s" })).ids.map((id) => id.split("/")[0])).toEqual(Array.from({ length: 11 }, (_, n) => `${n}.tar`));
    addFiles(path, { "s/nshards.txt": "12\n" });
    expect(await failureOf(webdataset(path, "image", { path: "s" }))).toMatchObject({ code: 3, reason: "DATA_MISSING", message: expect.stringContaining("11.tar") as string });
  });

  it("names tars by what they do not share", async () => {
    const path = folderWith({ "x/train/0.tar": tar(...files("k.jpg")), "x/val/0.tar": tar(...files("k.jpg")) });
    expect((await webdataset(path, "image", { path: ["x/train/0.tar", "x/val/0.tar"] })).ids).toEqual(["train/0.tar/k.jpg", "val/0.tar/k.jpg"]);
  });

  it("without one of them, or with a link that leads out, is exit 3", async () => {
    const path = shards();
    expect(await failureOf(webdataset(path, "image", { path: "s/{0..3}.tar" }))).toMatchObject({ code: 3, reason: "DATA_MISSING" });
    expect(await failureOf(webdataset(path, "image", { path: "s/x*.tar" }))).toMatchObject({ code: 3, reason: "NO_ITEMS" });
    symlinkSync("../elsewhere.tar", join(path, "s/3.tar"));
    addFiles(path, { "elsewhere.tar": tar(...files("k.jpg")) });
    expect(await failureOf(webdataset(path, "image", { path: "s" }))).toMatchObject({ code: 3, reason: "PATH_LEADS_OUT" });
  });

  it("has another fingerprint when a tar is written anew, and can be interrupted", async () => {
    const path = shards();
    const source = await open(path, { type: "webdataset", path: "s" }, "image");
    const before = await source.fingerprint();
    expect(await source.fingerprint()).toBe(before);
    addFiles(path, { "s/1.tar": tar(...files("k1.jpg", "k2.jpg")) });
    expect(await source.fingerprint()).not.toBe(before);
    expect((await failureOf(read(path, { type: "webdataset", path: "s" }, "image", AbortSignal.abort(new InterruptedError())))).code).toBe(130);
  });
});
