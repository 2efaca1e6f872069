import { appendFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { sources, sourceSchema } from "../../../../src/config/sources/registry.js";
import { folderWith, open, read } from "./reading.js";

const files = { "a.txt": "a dog\na cat\n", "b.csv": "caption,kind\nhello,x\nthere,y\n", "c.csv": "caption,kind,more\nso,z,1\n" };
const first = { type: "lines", path: "a.txt" };
const second = { type: "csv", path: "b.csv", text: "caption", attributes: ["kind"] };
const third = { type: "csv", path: "c.csv", text: "caption", attributes: ["kind", "more"] };
const joined = (...parts: object[]) => ({ type: "joined", sources: parts });

describe("several sources as one", () => {
  it("have their items one after the other, under ids that stay apart", async () => {
    const { ids, contents } = await read(folderWith(files), joined(first, second, first), "text");
    expect(contents).toEqual(["a dog", "a cat", "hello", "there", "a dog", "a cat"]);
    expect(ids).toEqual(["0:a.txt:1", "0:a.txt:2", "1:0", "1:1", "2:a.txt:1", "2:a.txt:2"]);
  });

  it("have the attributes that each of them has", async () => {
    const { source } = await read(folderWith(files), joined(second, third), "text");
    expect(source.attributes).toEqual(["kind"]);
    expect((await read(folderWith(files), joined(first, second), "text")).source.attributes).toEqual([]);
    const parsed = sourceSchema.parse(joined(second, third));
    expect(sources.get("joined").attributes(parsed)).toEqual(["kind"]);
  });

  it("are others when one is, or their order", async () => {
    const folder = folderWith(files);
    const identity = async (...parts: object[]) => JSON.stringify((await open(folder, joined(...parts), "text")).identity);
    expect(await identity(first, second)).toBe(await identity(first, second));
    expect(new Set([await identity(first, second), await identity(second, first), await identity(first)]).size).toBe(3);
    const source = await open(folder, joined(first, second), "text");
    const before = await source.fingerprint();
    appendFileSync(join(folder, "b.csv"), "more,z\n");
    expect(await source.fingerprint()).not.toBe(before);
  });

  it("deliver what all of them deliver", () => {
    expect(sources.get("joined").delivers(sourceSchema.parse(joined(first)))).toEqual(["text"]);
    const clips = { type: "vggsound", path: "vggsound.csv" };
    expect(sources.get("joined").delivers(sourceSchema.parse(joined(clips)))).toEqual(["image", "audio", "video"]);
    expect(sources.get("joined").delivers(sourceSchema.parse(joined(clips, first)))).toEqual([]);
  });

  it.each([
    ["a generator", { type: "builtin", generator: "scenes", split: "test" }],
    ["another joined one", joined(first)],
  ])("are not %s", (_, part) => {
    expect(sourceSchema.safeParse(joined(part)).success).toBe(false);
  });
});
