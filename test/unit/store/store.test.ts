import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { InterruptedError } from "../../../src/bridge/errors.js";
import { canonicalJson, type Json } from "../../../src/store/checksums.js";
import { entryKey, ENTRY_FILE, PendingFolder } from "../../../src/store/pendingFolder.js";
import { type DamagedEntry, Store, type StoreEntry } from "../../../src/store/store.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

const INPUTS: Json = { weights: "ab", items: ["x", 1, null, true] };
const FILES = { "embeddings.npy": "some rows", "names.json": '["x"]' };

const neverDamaged = (entry: DamagedEntry): never => {
  throw new Error(`${entry.folder}: ${entry.problem}`);
};

async function put(store: Store, inputs: Json = INPUTS, files: Readonly<Record<string, string>> = FILES): Promise<StoreEntry> {
  const pending = await store.begin();
  for (const [name, text] of Object.entries(files)) await writeFile(pending.file(name), text);
  return store.commit(pending, "encode", inputs, Object.keys(files), { rows: 3 });
}

async function newStore(): Promise<Store> {
  return Store.open(join(temporaryFolder(), "store"));
}

describe("the key of an output", () => {
  const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;

  it("is the same for equal inputs, whatever the order of their fields", () => {
    const reversed = (value: Json): Json => {
      if (Array.isArray(value)) return value.map((item: Json) => reversed(item));
      if (value === null || typeof value !== "object") return value;
      return Object.fromEntries(Object.entries(value).reverse().map(([key, item]) => [key, reversed(item as Json)]));
    };
    fc.assert(
      fc.property(json, (inputs) => {
        expect(entryKey("encode", reversed(inputs))).toBe(entryKey("encode", inputs));
        expect(entryKey("encode", JSON.parse(JSON.stringify(inputs)) as Json)).toBe(entryKey("encode", inputs));
      }),
      { seed: 1 },
    );
  });

  it("is another for other inputs and for another stage", () => {
    const all: Json[] = [null, false, 0, "0", "", [], {}, [0], [[0]], { a: 0 }, { b: 0 }, { a: 0, b: 0 }, { a: [0] }, ["a", 0], "[]", "null", { a: "0" }];
    const keys = all.flatMap((inputs) => [entryKey("encode", inputs), entryKey("enhance", inputs)]);
    expect(new Set(keys).size).toBe(2 * all.length);
    expect(keys.every((key) => /^[0-9a-f]{40}$/.test(key))).toBe(true);
  });
});

describe("an output in the store", () => {
  it("is found by its inputs, with its files and facts", async () => {
    const store = await newStore();
    expect(await store.find("encode", INPUTS, neverDamaged)).toBeNull();
    const put1 = await put(store);
    const found = await store.find("encode", { items: ["x", 1, null, true], weights: "ab" }, neverDamaged);
    expect(found?.manifest).toEqual(put1.manifest);
    expect(found?.manifest).toMatchObject({ stage: "encode", inputs: INPUTS, facts: { rows: 3 }, files: { "embeddings.npy": { bytes: 9 } } });
    expect(await readFile(found?.path("names.json") ?? "", "utf8")).toBe('["x"]');
    expect(await store.find("enhance", INPUTS, neverDamaged)).toBeNull();
    expect(await store.find("encode", { ...(INPUTS as object), weights: "ac" }, neverDamaged)).toBeNull();
  });

  it("is found by another process's store of the same folder", async () => {
    const store = await newStore();
    await put(store);
    const other = await Store.open(store.root);
    expect(await other.find("encode", INPUTS, neverDamaged)).not.toBeNull();
  });

  it("is not there before it is committed, and leaves nothing aside once it is", async () => {
    const store = await newStore();
    const pending = await store.begin();
    await writeFile(pending.file("embeddings.npy"), "half");
    expect(await store.find("encode", INPUTS, neverDamaged)).toBeNull();
    expect(await readdir(store.root)).toEqual(["pending"]);
    await pending.discard();
    await put(store);
    expect(await readdir(join(store.root, "pending"))).toEqual([]);
  });

  it("cannot be committed without a file that it names", async () => {
    const store = await newStore();
    const pending = await store.begin();
    await expect(store.commit(pending, "encode", INPUTS, ["embeddings.npy"], {})).rejects.toMatchObject({ code: "ENOENT" });
    expect(await store.find("encode", INPUTS, neverDamaged)).toBeNull();
  });

  it("without its description does not exist", async () => {
    const store = await newStore();
    const entry = await put(store);
    await rm(entry.path(ENTRY_FILE));
    expect(await store.find("encode", INPUTS, neverDamaged)).toBeNull();
    // And is written over.
    await put(store);
    expect(await store.find("encode", INPUTS, neverDamaged)).not.toBeNull();
  });
});

describe("a damaged output", () => {
  /** What the store says of the entry after `damage`, which must make it unfindable. */
  async function problemAfter(damage: (entry: StoreEntry) => Promise<void>): Promise<string> {
    const store = await newStore();
    const entry = await put(store);
    await damage(entry);
    const damaged: DamagedEntry[] = [];
    expect(await store.find("encode", INPUTS, (found) => damaged.push(found))).toBeNull();
    expect(damaged.map(({ folder }) => folder)).toEqual([entry.folder]);
    expect(existsSync(entry.folder)).toBe(false);
    expect(await readdir(join(store.root, "pending"))).toEqual([]);
    // Made again, it is found.
    await put(store);
    expect(await store.find("encode", INPUTS, neverDamaged)).not.toBeNull();
    return damaged[0]?.problem ?? "";
  }

  it.each(Object.entries(FILES).flatMap(([name, text]) => [0, text.length - 1].map((at) => [name, at] as const)))("by a bit of %s at %i is reported and removed", async (name, at) => {
    const problem = await problemAfter(async (entry) => {
      const bytes = await readFile(entry.path(name));
      bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
      await writeFile(entry.path(name), bytes);
    });
    expect(problem).toContain(name);
  });

  it("by a missing, a shorter or a longer file is reported and removed", async () => {
    expect(await problemAfter((entry) => rm(entry.path("names.json")))).toContain("names.json");
    expect(await problemAfter((entry) => writeFile(entry.path("names.json"), "[]"))).toContain("2 bytes in place of 5");
    expect(await problemAfter((entry) => writeFile(entry.path("names.json"), '["x"]\n'))).toContain("6 bytes in place of 5");
  });

  it("by an empty, a foreign or a broken description is reported and removed", async () => {
    for (const text of ["", "null", "{", "[]", "{}", '{"files":{}}']) {
      expect(await problemAfter((entry) => writeFile(entry.path(ENTRY_FILE), text))).not.toBe("");
    }
  });

  it("under another key than its own is reported and removed", async () => {
    const problem = await problemAfter(async (entry) => {
      const other = await put(await Store.open(join(entry.folder, "..", "..")), { weights: "other" });
      await rm(entry.folder, { recursive: true });
      await rename(other.folder, entry.folder);
    });
    expect(problem).toContain(ENTRY_FILE);
  });

  it("by any changed byte of its description is noticed, unless the description still says the same", async () => {
    const store = await newStore();
    const entry = await put(store);
    const whole = await readFile(entry.path(ENTRY_FILE));
    const said = canonicalJson(JSON.parse(whole.toString("utf8")) as Json);
    const means = (bytes: Buffer): string | null => {
      try {
        return canonicalJson(JSON.parse(bytes.toString("utf8")) as Json);
      } catch {
        return null;
      }
    };
    let noticed = 0;
    for (let at = 0; at < whole.length; at += 1) {
      const bytes = Buffer.from(whole);
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << at % 7), at);
      await mkdir(entry.folder, { recursive: true });
      for (const [name, text] of Object.entries(FILES)) await writeFile(entry.path(name), text);
      await writeFile(entry.path(ENTRY_FILE), bytes);
      const found = await store.find("encode", INPUTS, () => (noticed += 1));
      expect(found === null, `byte ${at}`).toBe(means(bytes) !== said);
    }
    expect(noticed).toBeGreaterThan(whole.length / 2);
  });

  it("is no damage when the user interrupts the look at it", async () => {
    const store = await newStore();
    const entry = await put(store);
    const error = await failureOf(store.find("encode", INPUTS, neverDamaged, AbortSignal.abort(new InterruptedError())));
    expect(error.code).toBe(130);
    expect(existsSync(entry.folder)).toBe(true);
  });
});

describe("what was left half-written", () => {
  it("by a process that is gone is cleared when the store is opened, that of a living one is not", async () => {
    const store = await newStore();
    const pending = join(store.root, "pending");
    const mine = await store.begin();
    // Numbers of processes end at 2^22.
    const dead = `${2 ** 22 + 1}-abc`;
    for (const name of [dead, `${process.ppid}-abc`, "nonsense"]) {
      await mkdir(join(pending, name));
      await writeFile(join(pending, name, "embeddings.npy"), "half");
    }
    await Store.open(store.root);
    expect((await readdir(pending)).sort()).toEqual([mine.path.slice(pending.length + 1), `${process.ppid}-abc`].sort());
  });
});

describe("the same output made twice at once", () => {
  it("is whole whoever comes last, and nothing is left aside", async () => {
    const store = await newStore();
    const other = await Store.open(store.root);
    const made = await Promise.all(Array.from({ length: 8 }, (_, index) => put(index % 2 === 0 ? store : other)));
    expect(new Set(made.map(({ folder }) => folder)).size).toBe(1);
    expect(await store.find("encode", INPUTS, neverDamaged)).not.toBeNull();
    expect(await readdir(join(store.root, "pending"))).toEqual([]);
    expect(await readdir(join(store.root, "encode"))).toHaveLength(1);
  });

  it("replaces what was there: made anew, it is the new one that is found", async () => {
    const store = await newStore();
    await put(store, INPUTS, { "embeddings.npy": "old rows" });
    await put(store, INPUTS, { "embeddings.npy": "new rows" });
    const found = await store.find("encode", INPUTS, neverDamaged);
    expect(await readFile(found?.path("embeddings.npy") ?? "", "utf8")).toBe("new rows");
  });
});

describe("a file in the place of a store", () => {
  it("stands for the store that it names", async () => {
    const store = await newStore();
    await put(store);
    const path = join(temporaryFolder(), ".store");
    await Store.link(path, store.root);
    const linked = await Store.open(path);
    expect(linked.root).toBe(store.root);
    expect(await linked.find("encode", INPUTS, neverDamaged)).not.toBeNull();
  });

  it("that is none of ours is left as it is, and is in the way", async () => {
    const path = join(temporaryFolder(), ".store");
    await writeFile(path, "a diary\n");
    await expect(Store.open(path)).rejects.toMatchObject({ code: expect.stringMatching(/EEXIST|ENOTDIR/) });
    expect(await readFile(path, "utf8")).toBe("a diary\n");
  });

  it("is found when both have moved, and gives way to a store of its own when only it has", async () => {
    const place = temporaryFolder();
    await Store.open(join(place, "before", "runs", ".store"));
    await mkdir(join(place, "before", "sweep"));
    await Store.link(join(place, "before", "sweep", ".store"), join(place, "before", "runs", ".store"));
    await rename(join(place, "before"), join(place, "after"));
    expect((await Store.open(join(place, "after", "sweep", ".store"))).root).toBe(join(place, "after", "runs", ".store"));
    await rename(join(place, "after", "sweep"), join(place, "sweep"));
    const alone = await Store.open(join(place, "sweep", ".store"));
    expect(alone.root).toBe(join(place, "sweep", ".store"));
    await put(alone);
    expect(await alone.find("encode", INPUTS, neverDamaged)).not.toBeNull();
  });
});

describe("a folder written beside its target", () => {
  it("has a name of its own until it is renamed", async () => {
    const target = join(temporaryFolder(), "out");
    const pending = await PendingFolder.beside(target);
    await writeFile(pending.file("a"), "1");
    const manifest = await pending.describe("encode", INPUTS, ["a"], {});
    expect(manifest.key).toBe(entryKey("encode", INPUTS));
    expect(existsSync(target)).toBe(false);
    await pending.discard();
    expect(await readdir(join(target, ".."))).toEqual([]);
  });

  it("needs a place, exit 3", async () => {
    const error = await failureOf(PendingFolder.beside(join(temporaryFolder(), "none", "out")));
    expect(error).toMatchObject({ code: 3, reason: "UNWRITABLE" });
    expect(error.message).toContain("--out");
  });
});
