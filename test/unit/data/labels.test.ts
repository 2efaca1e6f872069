import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { CompiledCollection } from "../../../src/config/compiled.js";
import type { ItemInfo, ItemList } from "../../../src/data/itemList.js";
import { allItems, itemOfRows, keptByAll, rowsOf, valuesOfRows } from "../../../src/data/keptItems.js";
import { inOneNumbering, labelsOf, type LabelSources } from "../../../src/data/labels.js";
import { writeNpy } from "../../../src/data/npy.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

const COLLECTION: CompiledCollection = {
  name: "photos",
  modality: "image",
  source: { type: "folder", path: "/photos" },
  embeddings: {},
  labels: { kind: "attribute", attribute: "class" },
  boxes: null,
  unreadable: { action: "skip", limit: 5 },
  limits: null,
};

function sources(classes: readonly (string | undefined)[]): LabelSources {
  const list = {
    count: classes.length,
    attributes: ["class", "licence"],
    async *describe() {
      yield await Promise.resolve(
        classes.map((name, item): ItemInfo => ({ item, id: `${item}.png`, name: `${item}.png`, file: null, attributes: name === undefined ? {} : { class: name } })),
      );
    },
  } as unknown as ItemList;
  return { list: () => Promise.resolve(list), describeGenerated: () => Promise.reject(new Error("no generator was expected")) };
}

describe("labels by an attribute", () => {
  const given = ["dog", "Cat", "dog", "ant"];

  it("number the sorted values", async () => {
    expect(await labelsOf(COLLECTION, allItems(4), sources(given))).toEqual({ values: Int32Array.of(2, 0, 2, 1), names: ["Cat", "ant", "dog"] });
  });

  it("are those of the items that have a row, numbered as if all had one", async () => {
    expect(await labelsOf(COLLECTION, { count: 4, skipped: [1, 2] }, sources(given))).toEqual({ values: Int32Array.of(2, 1), names: ["Cat", "ant", "dog"] });
  });

  it.each([
    ["an attribute that the items lack", { ...COLLECTION, labels: { kind: "attribute", attribute: "klass" } }, given, 2, "UNKNOWN_NAME", "expected one of class, licence"],
    ["an item without it", COLLECTION, ["dog", undefined, "ant", "ant"], 3, "MISSING_ATTRIBUTE", "1.png"],
    ["another number of items", COLLECTION, ["dog"], 3, "SHAPE_MISMATCH", "1 items"],
  ] as const)("refuse %s", async (_what, collection, classes, code, reason, said) => {
    const error = await failureOf(labelsOf(collection, allItems(4), sources(classes)));
    expect(error).toMatchObject({ code, reason });
    expect(error.message).toContain(said);
  });

  it("of two collections compare by name, though each lacks values that the other has", () => {
    const photos = { values: Int32Array.of(0, 1, 2), names: ["bird", "cat", "dog"] };
    const sounds = { values: Int32Array.of(0, 1), names: ["cat", "dog"] };
    const [first, second] = inOneNumbering(photos, sounds);
    expect([...first.values]).toEqual([0, 1, 2]);
    expect([...second.values]).toEqual([1, 2]);
    expect(second.names).toEqual(["bird", "cat", "dog"]);
    const numbers = { values: Int32Array.of(1), names: null };
    expect(inOneNumbering(photos, numbers)).toEqual([photos, numbers]);
  });
});

describe("labels from a file", () => {
  it("are one for each item, those that could not be read among them", async () => {
    const path = join(temporaryFolder(), "labels.npy");
    await writeNpy(path, Int32Array.of(5, 6, 7, 8), [4]);
    const collection: CompiledCollection = { ...COLLECTION, labels: { kind: "file", path } };
    expect([...(await labelsOf(collection, allItems(4), sources([]))).values]).toEqual([5, 6, 7, 8]);
    expect([...(await labelsOf(collection, { count: 4, skipped: [0, 2] }, sources([]))).values]).toEqual([6, 8]);
    const error = await failureOf(labelsOf(collection, { count: 6, skipped: [0, 2] }, sources([])));
    expect(error).toMatchObject({ code: 3, reason: "SHAPE_MISMATCH", path });
    expect(error.message).toContain("the 2 that cannot be read among them");
  });
});

describe("the items that rows are of", () => {
  const view = { count: 6, skipped: [1, 4] };

  it("are all but those left out", () => {
    expect([...itemOfRows(view)]).toEqual([0, 2, 3, 5]);
    expect([...itemOfRows(allItems(3))]).toEqual([0, 1, 2]);
    expect([...valuesOfRows(Int32Array.of(10, 11, 12, 13, 14, 15), view)]).toEqual([10, 12, 13, 15]);
  });

  it("of several views are those that each has", () => {
    const kept = keptByAll([view, { count: 6, skipped: [0, 4] }]);
    expect(kept).toEqual({ count: 6, skipped: [0, 1, 4] });
    expect([...itemOfRows(kept)]).toEqual([2, 3, 5]);
    expect([...rowsOf(view, kept)]).toEqual([1, 2, 3]);
    expect([...rowsOf({ count: 6, skipped: [0, 4] }, kept)]).toEqual([1, 2, 3]);
    expect([...rowsOf(allItems(6), kept)]).toEqual([2, 3, 5]);
  });
});
