import { symlinkSync } from "node:fs";
import { join } from "node:path";

import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it } from "vitest";

import { failureOf } from "../../../helpers/failures.js";
import { addFiles, folderWith, open, read } from "./reading.js";

const CSV = 'name,caption,split\na.png,"a dog, and ""another"" one",train\nb.png,"two\nlines",test\nc.png,a cat,train\n';
const table = (content: string | Buffer, options: object, name = "t.csv") => read(folderWith({ [name]: content }), { type: name.slice(name.lastIndexOf(".") + 1), path: name, ...options }, "text");

describe("a table of comma-separated values", () => {
  it("has a text in each row, quoted ones with their commas, quotes and line breaks", async () => {
    const { contents, ids } = await table(CSV, { text: "caption" });
    expect(contents).toEqual(['a dog, and "another" one', "two\nlines", "a cat"]);
    expect(ids).toEqual(["0", "1", "2"]);
  });

  it.each([
    ["Windows line breaks", CSV.replaceAll("\n", "\r\n"), 3],
    ["a byte order mark", `\ufeff${CSV}`, 3],
    ["both line breaks", "caption\r\na\nb\r\nc", 3],
    ["empty lines between and after", `${CSV.replace("c.png", "\n\nc.png")}\n\n`, 3],
  ])("may have %s", async (_, content, count) => {
    const { contents, ids, reasons } = await table(content, { text: "caption" });
    expect(contents).toHaveLength(count);
    expect([ids, reasons]).toEqual([["0", "1", "2"], []]);
    expect(contents.some((text) => text.includes("\ufeff") || text.endsWith("\r"))).toBe(false);
  });

  it("has its own ids, made unique, attributes, and the rows that are asked for", async () => {
    const rows = "id,text,split,class\nx,one,train,a\nx,two,test,b\ny,three,val,c\n";
    const { ids, items, reasons } = await table(rows, { text: "text", id: "id", attributes: ["class"], where: { split: ["train", "test"] } });
    expect(ids).toEqual(["x", "x~2"]);
    expect(reasons).toEqual(["DUPLICATE_ID"]);
    expect(items.map(({ attributes }) => attributes)).toEqual([{ class: "a" }, { class: "b" }]);
  });

  it("has an item for each of several columns, named after row and column", async () => {
    const rows = `file_name,${[1, 2, 3, 4, 5].map((k) => `caption_${k}`).join()}\na.wav,a,b,c,d,e\nb.wav,f,,h,i,j\n`;
    const { ids, contents, oddities } = await table(rows, { text: ["caption_1", "caption_2", "caption_3", "caption_4", "caption_5"] });
    expect(ids).toEqual(["0#1", "0#2", "0#3", "0#4", "0#5", "1#1", "1#3", "1#4", "1#5"]);
    expect(contents.join("")).toBe("abcdefhij");
    expect(oddities).toEqual([{ reason: "EMPTY_CAPTION", place: expect.stringMatching(/t\.csv:3$/) as string, message: expect.stringContaining("caption_2") as string }]);
  });

  it("leaves out empty captions and says so, with the line", async () => {
    const { contents, oddities } = await table('id,caption\n1,a\n2,\n3,"  "\n4\n5,b\n', { text: "caption" });
    expect(contents).toEqual(["a", "b"]);
    expect(oddities.map(({ reason, place }) => `${reason} ${place.replace(/.*:/, "")}`)).toEqual(["EMPTY_CAPTION 3", "EMPTY_CAPTION 4", "EMPTY_CAPTION 5"]);
  });

  it("may have no header: columns are named, and the first row is data", async () => {
    const options = { text: "caption", columns: ["id", "caption"] };
    expect((await table("1,a\n2,b\n", options)).contents).toEqual(["a", "b"]);
    expect((await table("id,caption\n1,a\n", options)).contents).toEqual(["a"]);
  });

  it("may have other delimiters and no quoting; stray quotes are text", async () => {
    expect((await table('id;caption\n1;a "b", c\n', { text: "caption", delimiter: ";" })).contents).toEqual(['a "b", c']);
    expect((await table('id,caption\n1,"a\n2,b"\n', { text: "caption", quotes: false })).contents).toEqual(['"a', 'b"']);
    expect((await table('id\tcaption\n1\ta, b\n', { text: "caption" }, "t.tsv")).contents).toEqual(["a, b"]);
  });

  it.each<[string, string | Buffer, object, string, RegExp]>([
    ["has no such column", CSV, { text: "captoin" }, "MISSING_COLUMN", /expected a column "captoin", found name, caption, split\. Did you mean "caption"\?/],
    ["has no such column to ask for", CSV, { text: "caption", where: { spilt: "a" } }, "MISSING_COLUMN", /"spilt"/],
    ["has two columns of one name", "a,a\n1,2\n", { text: "a" }, "BAD_TABLE", /t\.csv:1: two columns are named "a"/],
    ["has an open quote", 'a\n"b\nc\n', { text: "a" }, "BAD_TABLE", /t\.csv:\d+: a quote is opened and never closed/],
    ["has a row without an end", `a\n"${"x".repeat(1_200_000)}"\n`, { text: "a" }, "BAD_TABLE", /t\.csv:2: the row has more than/],
    ["has a header alone", "a,b\n", { text: "a" }, "NO_ITEMS", /no rows/],
    ["has nothing that is asked for", CSV, { text: "caption", where: { split: "val" } }, "NO_ITEMS", /where split: val/],
    ["is not UTF-8", Buffer.from("a\n\xe4\n", "latin1"), { text: "a" }, "NOT_UTF8", /iconv/],
    ["is compressed", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]), { text: "a" }, "COMPRESSED", /unzstd/],
  ])("that %s is exit 3", async (_, content, options, reason, message) => {
    const error = await failureOf(table(content, options));
    expect(error).toMatchObject({ code: 3, reason });
    expect(error.message).toMatch(message);
  });
});

describe("a table of files", () => {
  const folder = (rows: string) => folderWith({ "list/t.csv": rows, "media/a.png": "a", "media/sub/b.png": "b", "secret.png": "s" });
  const files = (path: string, options: object = {}, modality: "image" | "audio" = "image") => read(path, { type: "csv", path: "list/t.csv", root: "media", file: "path", ...options }, modality);

  it("has the files below the root", async () => {
    const path = folder("path\na.png\nsub/b.png\n");
    const { ids, items, source } = await files(path);
    expect(ids).toEqual(["a.png", "sub/b.png"]);
    expect(items[1]?.content).toEqual({ kind: "file", path: join(path, "media/sub/b.png") });
    expect(source.roots).toEqual([join(path, "media")]);
  });

  it("takes the list's own folder for the root, and whole paths below it", async () => {
    const path = folder("");
    addFiles(path, { "list/t.csv": `path\nx.png\n${join(path, "list/x.png")}\n`, "list/x.png": "x" });
    const { ids, reasons } = await read(path, { type: "csv", path: "list/t.csv", file: "path" }, "image");
    expect([ids, reasons]).toEqual([["x.png", "x~2.png"], ["DUPLICATE_ID"]]);
  });

  it.each(["../secret.png", "../nowhere/x.png", "sub/../../secret.png", "/etc/passwd", "link.png", "links/secret.png", "."])("refuses %s, which leads out of the root, and names the line", async (name) => {
    const path = folder(`path\na.png\n${name}\n`);
    symlinkSync("../secret.png", join(path, "media/link.png"));
    symlinkSync("..", join(path, "media/links"));
    const error = await failureOf(files(path));
    expect(error).toMatchObject({ code: 3, reason: "PATH_LEADS_OUT", path: `${join(path, "list/t.csv")}:3` });
    expect(error.message).toContain(`${join(path, "list/t.csv")}:3`);
  });

  it("follows a link that stays below the root", async () => {
    const path = folder("path\nlink.png\n");
    symlinkSync("sub/b.png", join(path, "media/link.png"));
    expect((await files(path)).items[0]?.content).toEqual({ kind: "file", path: join(path, "media/sub/b.png") });
  });

  it("keeps or leaves out what is not there, and says so either way", async () => {
    const path = folder("path\na.png\nnone.png\nsub/none.png\nnowhere/x.png\n");
    const kept = await files(path);
    expect(kept.ids).toEqual(["a.png", "none.png", "sub/none.png", "nowhere/x.png"]);
    expect(kept.reasons).toEqual(["MISSING_FILE", "MISSING_FILE", "MISSING_FILE"]);
    const left = await files(path, { missing: "leave-out" });
    expect([left.ids, left.reasons]).toEqual([["a.png"], ["MISSING_FILE", "MISSING_FILE", "MISSING_FILE"]]);
    expect(left.oddities[0]?.place).toMatch(/t\.csv:3$/);
  });

  it("names files by a pattern of its columns, with padded numbers and whichever ending is there", async () => {
    const path = folder("id,number\na,7\nb,30.000\nc,x\n");
    addFiles(path, { "media/a_000007.wav": "", "media/b_000030.flac": "", "media/a_000007.txt": "" });
    const { ids, reasons } = await files(path, { file: "{id}_{number:06}.*" }, "audio");
    expect(ids).toEqual(["a_000007.wav", "b_000030.flac"]);
    expect(reasons).toEqual(["NO_FILE_NAME"]);
    addFiles(path, { "media/000000.wav": "", "media/000001.wav": "", "media/000002.wav": "" });
    expect((await files(path, { file: "{row:06}.wav" }, "audio")).ids).toEqual(["000000.wav", "000001.wav", "000002.wav"]);
  });

  it("looks for files again where what is there decides which items there are", async () => {
    const path = folder("path\na.png\nnone.png\n");
    const source = (options: object) => open(path, { type: "csv", path: "list/t.csv", root: "media", file: "path", ...options }, "image");
    const [kept, left] = [await source({}), await source({ missing: "leave-out" })];
    const before = [await kept.fingerprint(), await left.fingerprint()];
    addFiles(path, { "media/none.png": "now" });
    expect(await kept.fingerprint()).toBe(before[0]);
    expect(await left.fingerprint()).not.toBe(before[1]);
  });

  it("takes the middle frame of a video for an image", async () => {
    const path = folder("path\na.png\nv.mp4\n");
    addFiles(path, { "media/v.mp4": "" });
    expect((await files(path)).items.map(({ part }) => part)).toEqual([undefined, { position: 0.5 }]);
  });

  it("without a column of texts or files is refused with what to name", async () => {
    expect(await failureOf(read(folder("path\na.png\n"), { type: "csv", path: "list/t.csv", file: "path" }, "text"))).toMatchObject({ reason: "WRONG_MODALITY", message: expect.stringContaining("text") as string });
  });
});

describe("JSON", () => {
  it("has an object in each line; lists are several items", async () => {
    const { ids, contents, reasons } = await table('{"caption":"a","n":1}\n\n{"caption":["b","c"]}\n{"caption":null}\n{"caption":7}\n', { text: "caption" }, "t.jsonl");
    expect([ids, contents, reasons]).toEqual([["0", "1#1", "1#2", "3"], ["a", "b", "c", "7"], ["EMPTY_CAPTION"]]);
  });

  it.each([
    ['{"caption":"a"}\n{"caption":\n', /t\.jsonl:2: this is no JSON/],
    ['{"caption":"a"}\n[1]\n', /t\.jsonl:2: expected a JSON object.*found a list/],
  ])("line that is none is exit 3 with its number", async (content, message) => {
    const error = await failureOf(table(content, { text: "caption" }, "t.jsonl"));
    expect(error).toMatchObject({ code: 3, reason: "BAD_TABLE" });
    expect(error.message).toMatch(message);
  });

  it("has a list of objects in a document, which is never held whole", async () => {
    const tricky = { meta: { data: [{ caption: "no" }] }, other: [["data"], "data"], data: [{ caption: 'a "}]" \\', deep: { list: [1, [2]] } }, { caption: "b" }], after: [] };
    const options = { text: "caption", list: "data" };
    for (const text of [JSON.stringify(tricky), JSON.stringify(tricky, null, 2)]) expect((await table(text, options, "t.json")).contents).toEqual(['a "}]" \\', "b"]);
    expect((await table('[{"caption":"a"},{"caption":"b"}]', { text: "caption" }, "t.json")).contents).toEqual(["a", "b"]);
    const many = Array.from({ length: 30_000 }, (_, index) => ({ caption: `caption ${index} "{[` }));
    expect((await table(JSON.stringify({ data: many }), options, "t.json")).contents).toEqual(many.map(({ caption }) => caption));
  });

  it.each([
    ['{"data":[{"caption":"a"}', /cut off/],
    ['{"data":[{"caption":"a"}]', /cut off/],
    ['{"other":[{"caption":"a"}]}', /expected a map with the list "data", found a map with the lists other/],
    ['[{"caption":"a"}]', /expected a map with the list "data", found a list/],
    ['{"data":["a"]}', /expected objects in the list "data"/],
    ['{"data":[[1]]}', /expected objects in the list "data"/],
    ['{"data":[1]}', /expected objects in the list "data"/],
    ["hello", /expected a JSON document/],
    ["", /expected a JSON document/],
    ['{"data":[{"caption":tru}]}', /data 0: this is no JSON/],
  ])("document %s is exit 3", async (content, message) => {
    const error = await failureOf(table(content, { text: "caption", list: "data" }, "t.json"));
    expect(error).toMatchObject({ code: 3, reason: "BAD_TABLE" });
    expect(error.message).toMatch(message);
  });
});

describe("Parquet", () => {
  const parquet = (columnData: Parameters<typeof parquetWriteBuffer>[0]["columnData"], rowGroupSize = 2) => Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize }));
  const bytes = parquet([
    { name: "url", data: ["u0", "u1", "u2", "u3", "u4"], type: "STRING" },
    { name: "caption", data: ["a", null, "c", "", "e"], type: "STRING" },
    { name: "n", data: [1n, 2n, 3n, 4n, 5n], type: "INT64" },
  ]);

  it("has the columns that are named, over several row groups", async () => {
    const { ids, contents, items, oddities } = await table(bytes, { text: "caption", attributes: ["n"] }, "t.parquet");
    expect([ids, contents]).toEqual([["0", "2", "4"], ["a", "c", "e"]]);
    expect(items.map(({ attributes }) => attributes)).toEqual([{ n: "1" }, { n: "3" }, { n: "5" }]);
    expect(oddities.map(({ reason, place }) => `${reason} ${place.replace(/.*, /, "")}`)).toEqual(["EMPTY_CAPTION row 1", "EMPTY_CAPTION row 3"]);
  });

  it("may hold lists of captions", async () => {
    const lists = parquet([{ name: "captions", data: [["a", "b"], ["c"]], type: "JSON" }]);
    expect((await table(lists, { text: "captions" }, "t.parquet")).contents).toEqual(["a", "b", "c"]);
  });

  it.each<[string, () => Buffer, string]>([
    ["of another format", () => Buffer.from("hello, this is text"), "BAD_TABLE"],
    ["cut off", () => bytes.subarray(0, bytes.length - 20), "BAD_TABLE"],
    ["damaged within", () => Buffer.concat([bytes.subarray(0, 4), Buffer.alloc(60, 0xff), bytes.subarray(64)]), "BAD_TABLE"],
    ["with a huge footer announced", () => { const copy = Buffer.from(bytes); copy.writeUInt32LE(0xfffffff0, copy.length - 8); return copy; }, "BAD_TABLE"],
    ["that is empty", () => Buffer.alloc(0), "BAD_TABLE"],
  ])("%s is exit 3", async (_, content, reason) => {
    expect(await failureOf(table(content(), { text: "caption" }, "t.parquet"))).toMatchObject({ code: 3, reason });
  });

  it("without such a column names those that it has", async () => {
    expect((await failureOf(table(bytes, { text: "Caption" }, "t.parquet"))).message).toContain("found url, caption, n");
  });
});
