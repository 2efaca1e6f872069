import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { InterruptedError } from "../../../src/bridge/errors.js";
import type { ItemBatch } from "../../../src/bridge/types.js";
import type { CompiledSource, Modality } from "../../../src/config/compiled.js";
import type { ItemList, SourceContext } from "../../../src/data/sources/items.js";
import { listItems } from "../../../src/data/sources/registry.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

const context = (modality: Modality, changes: Partial<SourceContext> = {}): SourceContext => ({
  modality,
  place: "data.items.source",
  describeGenerated: () => Promise.reject(new Error("no generator was expected")),
  signal: undefined,
  ...changes,
});

const list = (source: CompiledSource, modality: Modality = "text", changes: Partial<SourceContext> = {}): Promise<ItemList> => listItems(source, context(modality, changes));

async function linesFile(content: string | Buffer): Promise<string> {
  const path = join(temporaryFolder(), "texts.txt");
  await writeFile(path, content);
  return path;
}

const lines = async (content: string | Buffer): Promise<ItemList> => list({ type: "lines", path: await linesFile(content) });
const identityOf = async (items: Promise<ItemList>): Promise<string> => JSON.stringify((await items).identity);

describe("texts in the experiment file", () => {
  it("are items in their order, in batches", async () => {
    const items = await list({ type: "inline", items: ["a", "b", "c"] });
    expect([items.count, items.names, items.roots]).toEqual([3, ["a", "b", "c"], []]);
    const batches: ItemBatch[] = [{ kind: "texts", texts: ["a", "b"] }, { kind: "texts", texts: ["c"] }];
    expect([...items.batches(2)]).toEqual(batches);
    // Each call begins anew.
    expect([...items.batches(2)]).toEqual(batches);
    expect([...items.batches(3)]).toHaveLength(1);
    expect([...items.batches(100)]).toHaveLength(1);
  });

  it("are other items when one changes, moves, or two are joined", async () => {
    const of = (...items: string[]) => identityOf(list({ type: "inline", items }));
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
    const items = await lines(text);
    expect(items.names).toEqual(["a dog", "ein Hündchen", "犬"]);
    expect(items.identity).toEqual((await list({ type: "inline", items: ["a dog", "ein Hündchen", "犬"] })).identity);
  });

  it("keeps spaces and other characters as they are", async () => {
    expect((await lines(" a  b \tc\u2028d\n")).names).toEqual([" a  b \tc\u2028d"]);
  });

  it.each([
    ["a\n\nb\n", 2],
    ["\na\n", 1],
    ["a\nb\n\n", 3],
    ["a\r\n \t\r\nb", 2],
  ])("refuses %j for its empty line %i", async (text, line) => {
    const path = await linesFile(text);
    const error = await failureOf(list({ type: "lines", path }));
    expect(error).toMatchObject({ code: 3, reason: "EMPTY_ITEM", path: `${path}:${line}` });
    expect(error.message).toContain(`${path}:${line}`);
  });

  it.each([
    ["no line", Buffer.alloc(0), "NO_ITEMS"],
    ["Latin-1", Buffer.from([0x61, 0xe4, 0x0a]), "NOT_UTF8"],
    ["a character that is cut off", Buffer.from([0x61, 0x0a, 0xe7, 0x8a]), "NOT_UTF8"],
    ["UTF-16", Buffer.from("\ufeffab\n", "utf16le"), "NOT_UTF8"],
  ])("refuses %s, exit 3", async (_, content, reason) => {
    expect(await failureOf(lines(content))).toMatchObject({ code: 3, reason });
  });

  it("refuses what is not there, or is a folder", async () => {
    const folder = temporaryFolder();
    for (const path of [join(folder, "none.txt"), folder]) {
      expect(await failureOf(list({ type: "lines", path }))).toMatchObject({ code: 3, reason: "UNREADABLE", path });
    }
  });
});

describe("a folder", () => {
  async function folderOf(...files: readonly string[]): Promise<string> {
    const folder = temporaryFolder();
    for (const file of files) {
      await mkdir(join(folder, file, ".."), { recursive: true });
      await writeFile(join(folder, file), `content of ${file}`);
    }
    return folder;
  }
  const folder = (path: string, modality: Modality = "image", changes: Partial<SourceContext> = {}) => list({ type: "folder", path }, modality, changes);

  it("has the files of the modality's kinds, in the order of their relative paths", async () => {
    const path = await folderOf("b.png", "a/z.JPG", "a.png", "B.jpeg", "a/10.webp", "a/9.webp", "ä.gif", "notes.txt", "sound.wav", "png", ".hidden.png", "c.png.bak");
    const items = await folder(path);
    const names = [".hidden.png", "B.jpeg", "a.png", "a/10.webp", "a/9.webp", "a/z.JPG", "b.png", "ä.gif"];
    expect(items.names).toEqual(names);
    expect(items.roots).toEqual([path]);
    expect([...items.batches(5)]).toEqual([
      { kind: "files", paths: names.slice(0, 5).map((name) => join(path, name)) },
      { kind: "files", paths: names.slice(5).map((name) => join(path, name)) },
    ]);
    expect((await folder(path, "audio")).names).toEqual(["sound.wav"]);
  });

  it("passes over folders that are named like files", async () => {
    const path = await folderOf("a.png", "b.png/readme.txt");
    expect((await folder(path)).names).toEqual(["a.png"]);
  });

  it("is the same items wherever it lies, and others when a byte or a name changes", async () => {
    const path = await folderOf("a.png", "b.png");
    const moved = await folderOf("a.png", "b.png");
    const before = await identityOf(folder(path));
    expect(await identityOf(folder(moved))).toBe(before);
    await writeFile(join(path, "b.png"), "content of B.png");
    expect(await identityOf(folder(path))).not.toBe(before);
    expect(await identityOf(folder(await folderOf("a.png", "c.png")))).not.toBe(before);
  });

  it("may be reached by a link; its items then lie where the link leads", async () => {
    const path = await folderOf("a.png");
    const link = join(temporaryFolder(), "link");
    await symlink(path, link);
    const items = await folder(link);
    expect([...items.batches(9)]).toEqual([{ kind: "files", paths: [join(path, "a.png")] }]);
  });

  it("without such files, missing, or of a modality that it cannot hold is exit 3", async () => {
    const path = await folderOf("a.txt");
    expect(await failureOf(folder(path))).toMatchObject({ code: 3, reason: "NO_ITEMS", path });
    expect(await failureOf(folder(join(path, "none")))).toMatchObject({ code: 3, reason: "DATA_MISSING" });
    expect(await failureOf(folder(join(path, "a.txt")))).toMatchObject({ code: 3, reason: "UNREADABLE" });
    expect(await failureOf(folder(path, "text"))).toMatchObject({ code: 3, reason: "WRONG_MODALITY", path: "data.items.source" });
  });

  it("can be interrupted while it is looked through", async () => {
    const path = await folderOf("a.png");
    expect((await failureOf(folder(path, "image", { signal: AbortSignal.abort(new InterruptedError()) }))).code).toBe(130);
  });
});

describe("a generator's items", () => {
  const source = (count: number | null): CompiledSource => ({ type: "builtin", generator: "scenes", split: "test", seed: 5, count });
  const describing = (available: number | null): Partial<SourceContext> => ({
    describeGenerated: (asked, count) => {
      expect([asked, count]).toEqual([{ generator: "scenes", split: "test", seed: 5 }, 0]);
      return Promise.resolve({ available, revision: "7", captions: [], attributes: [] });
    },
  });

  it("are runs of consecutive numbers", async () => {
    const items = await list(source(5), "image", describing(1000));
    expect([items.count, items.names]).toEqual([5, null]);
    expect(items.identity).toEqual({ generator: "scenes", split: "test", seed: 5, count: 5, revision: "7" });
    const wire = { generator: "scenes", split: "test", seed: 5 };
    expect([...items.batches(2)]).toEqual([
      { kind: "generated", source: wire, start: 0, count: 2 },
      { kind: "generated", source: wire, start: 2, count: 2 },
      { kind: "generated", source: wire, start: 4, count: 1 },
    ]);
  });

  it("are all that the split has, where no number is given", async () => {
    expect((await list(source(null), "image", describing(1000))).count).toBe(1000);
    expect(await failureOf(list(source(null), "image", describing(null)))).toMatchObject({ code: 2, reason: "MISSING_FIELD", path: "data.items.source.count" });
  });

  it("are no more than the split has", async () => {
    expect((await list(source(1000), "image", describing(1000))).count).toBe(1000);
    expect(await failureOf(list(source(1001), "image", describing(1000)))).toMatchObject({ code: 2, reason: "IMPOSSIBLE_VALUE", path: "data.items.source.count" });
    expect((await list(source(10 ** 9), "image", describing(null))).count).toBe(10 ** 9);
  });
});
