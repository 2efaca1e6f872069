import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { InterruptedError } from "../../../../src/bridge/errors.js";
import { failureOf } from "../../../helpers/failures.js";
import { folderWith, open, read } from "./reading.js";

const lines = (content: string | Buffer) => read(folderWith({ "texts.txt": content }), { type: "lines", path: "texts.txt" }, "text");

describe("texts in the experiment file", () => {
  it("are items in their order", async () => {
    const { ids, contents, source } = await read("/", { type: "inline", items: ["a", "b", "c"] }, "text");
    expect([ids, contents, source.roots]).toEqual([["0", "1", "2"], ["a", "b", "c"], []]);
  });

  it("are other items when one changes, moves, or two are joined", async () => {
    const of = async (...items: string[]) => JSON.stringify((await open("/", { type: "inline", items }, "text")).identity);
    expect(await of("a", "b")).toBe(await of("a", "b"));
    const others = await Promise.all([of("a", "b"), of("b", "a"), of("a", "B"), of("a,b"), of('a","b'), of("a")]);
    expect(new Set(others).size).toBe(6);
  });
});

describe("a file of lines", () => {
  it.each([
    ["Unix", "a dog\nein Hündchen\n犬\n"],
    ["Windows", "a dog\r\nein Hündchen\r\n犬\r\n"],
    ["no last", "a dog\nein Hündchen\n犬"],
    ["mixed", "a dog\r\nein Hündchen\n犬"],
    ["Unix, after a byte order mark,", "\ufeffa dog\nein Hündchen\n犬\n"],
  ])("with %s line breaks has one item a line", async (_, text) => {
    const { contents, ids } = await lines(text);
    expect(contents).toEqual(["a dog", "ein Hündchen", "犬"]);
    expect(ids).toEqual(["texts.txt:1", "texts.txt:2", "texts.txt:3"]);
  });

  it("keeps spaces and other characters as they are", async () => {
    expect((await lines(" a  b \tc\u2028d\n")).contents).toEqual([" a  b \tc\u2028d"]);
  });

  it("is the same whatever pieces it is read in", async () => {
    const texts = Array.from({ length: 40_000 }, (_, index) => `line ${index} mit Hündchen und 犬`);
    expect((await lines(`${texts.join("\n")}\n`)).contents).toEqual(texts);
  });

  it.each([
    ["a\n\nb\n", 2],
    ["\na\n", 1],
    ["a\nb\n\n", 3],
    ["a\r\n \t\r\nb", 2],
  ])("refuses %j for its empty line %i", async (text, line) => {
    const folder = folderWith({ "texts.txt": text });
    const place = `${join(folder, "texts.txt")}:${line}`;
    const error = await failureOf(read(folder, { type: "lines", path: "texts.txt" }, "text"));
    expect(error).toMatchObject({ code: 3, reason: "EMPTY_ITEM", path: place });
    expect(error.message).toContain(place);
  });

  it.each([
    ["no line", Buffer.alloc(0), "NO_ITEMS"],
    ["Latin-1", Buffer.from([0x61, 0xe4, 0x0a]), "NOT_UTF8"],
    ["a character that is cut off", Buffer.from([0x61, 0x0a, 0xe7, 0x8a]), "NOT_UTF8"],
    ["UTF-16", Buffer.from("\ufeffab\n", "utf16le"), "NOT_UTF8"],
    ["gzip", Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), "COMPRESSED"],
    ["a line without an end", Buffer.alloc(1_100_000, "x"), "LINE_TOO_LONG"],
  ])("refuses %s, exit 3", async (_, content, reason) => {
    expect(await failureOf(lines(content))).toMatchObject({ code: 3, reason });
  });

  it("refuses what is not there, or is a folder", async () => {
    const folder = folderWith({ "sub/": "" });
    expect(await failureOf(read(folder, { type: "lines", path: "none.txt" }, "text"))).toMatchObject({ code: 3, reason: "DATA_MISSING" });
    expect(await failureOf(read(folder, { type: "lines", path: "sub" }, "text"))).toMatchObject({ code: 3, reason: "UNREADABLE" });
  });

  it("has another fingerprint when it is written anew, and can be interrupted", async () => {
    const folder = folderWith({ "texts.txt": "a\nb\n" });
    const source = await open(folder, { type: "lines", path: "texts.txt" }, "text");
    const before = await source.fingerprint();
    expect(await source.fingerprint()).toBe(before);
    writeFileSync(join(folder, "texts.txt"), "a\nc\n");
    utimesSync(join(folder, "texts.txt"), 1, 1);
    expect(await source.fingerprint()).not.toBe(before);
    const signal = AbortSignal.abort(new InterruptedError());
    expect((await failureOf(read(folder, { type: "lines", path: "texts.txt" }, "text", signal))).code).toBe(130);
  });
});
