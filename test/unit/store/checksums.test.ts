import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { InterruptedError } from "../../../src/bridge/errors.js";
import { canonicalJson, fileSha256, type Json, textSha256 } from "../../../src/store/checksums.js";
import { writeFileWhole } from "../../../src/store/files.js";
import { isAlive } from "../../../src/store/processes.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

describe("canonical JSON", () => {
  const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>;

  it("is JSON that says the same", () => {
    fc.assert(fc.property(json, (value) => {
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }), { seed: 1 });
  });

  it("is a fixed point: what was read from it is written the same", () => {
    fc.assert(fc.property(json, (value) => {
      const text = canonicalJson(value);
      expect(canonicalJson(JSON.parse(text) as Json)).toBe(text);
    }), { seed: 2 });
  });

  it("does not depend on the order of fields, and does on that of items", () => {
    const fields = fc.dictionary(fc.string(), fc.integer(), { maxKeys: 6 });
    fc.assert(fc.property(fields, fc.integer(), (value, turn) => {
      const entries = Object.entries(value);
      const rotated = [...entries.slice(turn % (entries.length + 1)), ...entries.slice(0, turn % (entries.length + 1))];
      expect(canonicalJson(Object.fromEntries(rotated))).toBe(canonicalJson(value));
    }), { seed: 3 });
    expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
  });

  it("differs for different values", () => {
    fc.assert(fc.property(json, json, (a, b) => {
      let same = true;
      try {
        expect(JSON.parse(JSON.stringify(a))).toEqual(JSON.parse(JSON.stringify(b)));
      } catch {
        same = false;
      }
      expect(canonicalJson(a) === canonicalJson(b)).toBe(same);
    }), { seed: 4 });
  });

  it("has sorted keys and no spaces", () => {
    expect(canonicalJson({ b: [1, { d: null, c: "x y" }], a: true, B: 1e-7 })).toBe('{"B":1e-7,"a":true,"b":[1,{"c":"x y","d":null}]}');
  });
});

describe("checksums", () => {
  it("of a file of several reads, of a text, and of nothing", async () => {
    const path = join(temporaryFolder(), "a.bin");
    const bytes = Buffer.from(Array.from({ length: 3_000_001 }, (_, index) => index % 253));
    await writeFile(path, bytes);
    expect(await fileSha256(path)).toBe(createHash("sha256").update(bytes).digest("hex"));
    expect(textSha256("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(textSha256("ü")).toBe(createHash("sha256").update(Buffer.from([0xc3, 0xbc])).digest("hex"));
  });

  it("of what cannot be read is exit 3", async () => {
    const folder = temporaryFolder();
    expect(await failureOf(fileSha256(join(folder, "none")))).toMatchObject({ code: 3, reason: "UNREADABLE", path: join(folder, "none") });
    expect((await failureOf(fileSha256(folder))).code).toBe(3);
  });

  it("can be interrupted", async () => {
    const path = join(temporaryFolder(), "a.bin");
    await writeFile(path, "abc");
    expect((await failureOf(fileSha256(path, AbortSignal.abort(new InterruptedError())))).code).toBe(130);
  });
});

describe("a file written whole", () => {
  it("replaces the old one, and leaves nothing aside", async () => {
    const folder = temporaryFolder();
    await writeFileWhole(join(folder, "a.json"), "old");
    await writeFileWhole(join(folder, "a.json"), Buffer.from("new"));
    expect(await readFile(join(folder, "a.json"), "utf8")).toBe("new");
    expect(await readdir(folder)).toEqual(["a.json"]);
  });

  it("that cannot be written leaves the old one, and nothing aside", async () => {
    const folder = temporaryFolder();
    await mkdir(join(folder, "a.json", "inside"), { recursive: true });
    await expect(writeFileWhole(join(folder, "a.json"), "new")).rejects.toThrow();
    await chmod(folder, 0o755);
    expect(await readdir(folder)).toEqual(["a.json"]);
    expect(await readdir(join(folder, "a.json"))).toEqual(["inside"]);
  });
});

describe("a process", () => {
  it("is alive while it runs", () => {
    expect(isAlive(process.pid)).toBe(true);
    // Of another user, where we are not root.
    expect(isAlive(1)).toBe(true);
    expect(isAlive(2 ** 22 + 1)).toBe(false);
  });
});
