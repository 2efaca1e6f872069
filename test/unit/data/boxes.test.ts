import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { GeneratedDescription } from "../../../src/bridge/types.js";
import type { CompiledCollection } from "../../../src/config/compiled.js";
import { boxesOf, parseBoxes } from "../../../src/data/boxes.js";
import type { ItemInfo, ItemList } from "../../../src/data/itemList.js";
import type { LabelSources } from "../../../src/data/labels.js";
import { EXIT } from "../../../src/errors.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

const COLLECTION: CompiledCollection = {
  name: "frames",
  modality: "image",
  source: { type: "folder", path: "/frames" },
  embeddings: {},
  labels: null,
  boxes: { kind: "attribute", attribute: "bbox" },
  unreadable: { action: "skip", limit: 5 },
  limits: null,
};

function sources(texts: readonly (string | undefined)[], generated: GeneratedDescription["boxes"] = null): LabelSources {
  const list = {
    count: texts.length,
    attributes: ["bbox", "class"],
    async *describe() {
      yield await Promise.resolve(
        texts.map((text, item): ItemInfo => ({ item, id: `${item}.png`, name: `${item}.png`, file: null, attributes: text === undefined ? {} : { bbox: text } })),
      );
    },
  } as unknown as ItemList;
  return { list: () => Promise.resolve(list), describeGenerated: () => Promise.resolve({ boxes: generated } as GeneratedDescription) };
}

const file = (content: string): CompiledCollection => {
  const path = join(temporaryFolder(), "boxes.json");
  writeFileSync(path, content);
  return { ...COLLECTION, boxes: { kind: "file", path } };
};

const GENERATED: CompiledCollection = {
  ...COLLECTION,
  source: { type: "builtin", generator: "scenes", split: "duets", count: 2, seed: 0 },
  boxes: { kind: "attribute", attribute: "boxes" },
};

describe("lists of boxes", () => {
  it.each([
    [{}, /a list that holds/],
    [[[]], /1 items, and 2 maps/],
    [[[], "x"], /row 1 is not a list/],
    [[[[0, 0, 1, 1]], [[0, 0, 1]]], /row 1, box 0 is \[0,0,1\]/],
    [[[], [[0, 0, 1, 1], [0, 0, null, 1]]], /row 1, box 1 is \[0,0,null,1\]/],
    [[[0, 0, 1, 1], []], /row 0, box 0 is 0/],
  ])("are refused as %j", (content, message) => {
    expect(() => parseBoxes(content, 2, "boxes.json")).toThrow(message);
    expect(() => parseBoxes(content, 2, "boxes.json")).toThrow(expect.objectContaining({ code: EXIT.data, path: "boxes.json" }));
  });

  it("are refused where most boxes are in pixels, with the file, the first such item and what to do", () => {
    const pixels = [[], [[0, 0, 1, 1]], [[10, 10, 100, 100]], [[20, 20, 60, 60]]];
    expect(() => parseBoxes(pixels, 4, "boxes.json")).toThrow(expect.objectContaining({ code: EXIT.data, path: "boxes.json" }));
    expect(() => parseBoxes(pixels, 4, "boxes.json")).toThrow(/^boxes\.json: 2 of 3 boxes lie far outside the frame, the first of them \[10,10,100,100\] in item 2 \(counted from 0\).*divide by width and height/);
  });

  it("are taken where no more than half of the boxes lie far outside, or all reach beyond by less than the frame", () => {
    const few = [[[-2.9e16, 0, 1, 1]], [[0, 0, 1, 1]]];
    expect(parseBoxes(few, 2, "boxes.json")).toEqual(few);
    const near = [[[-1, 0, 2, 1]], [[-0.5, -0.5, 1.5, 1.5]]];
    expect(parseBoxes(near, 2, "boxes.json")).toEqual(near);
  });
});

describe("boxes of a collection", () => {
  it("come from a file, corners beyond the frame and boxes turned round as they are", async () => {
    expect(await boxesOf(file("[[[-2.9e16, 0, 1, 1]], [], [[0.8, 0, 0.2, 1], [0, 0, 1, 0.5]]]"), 3, sources([]))).toEqual([
      [[-2.9e16, 0, 1, 1]],
      [],
      [
        [0.8, 0, 0.2, 1],
        [0, 0, 1, 0.5],
      ],
    ]);
  });

  it("come from an attribute, as JSON text", async () => {
    expect(await boxesOf(COLLECTION, 3, sources(["[[0, 0.5, 1, 1]]", "[]", " [[0,0,1,1],[0,0,.5,1]]".replace(".5", "0.5")]))).toEqual([
      [[0, 0.5, 1, 1]],
      [],
      [
        [0, 0, 1, 1],
        [0, 0, 0.5, 1],
      ],
    ]);
  });

  it("come from a generator", async () => {
    expect(await boxesOf(GENERATED, 2, sources([], [[[0, 0, 0.5, 0.5]], []]))).toEqual([[[0, 0, 0.5, 0.5]], []]);
  });

  it.each([
    ["fewer lists than items", () => file("[[]]"), [], null, 3, "SHAPE_MISMATCH", "boxes for 1 items of 2"],
    ["a file that is no JSON", () => file("[[0, 0, 1, 1"), [], null, 3, "CORRUPT", "is not JSON"],
    ["a file that is not there", { ...COLLECTION, boxes: { kind: "file", path: "/none/boxes.json" } }, [], null, 3, "DATA_MISSING", "/none/boxes.json cannot be read"],
    ["a number without end", () => file("[[], [[0, 0, 1e999, 1]]]"), [], null, 3, "LOCALIZATION_INVALID", "row 1, box 0 is [0,0,null,1]"],
    ["three numbers", () => file("[[], [[0, 0, 1]]]"), [], null, 3, "LOCALIZATION_INVALID", "row 1, box 0 is [0,0,1]"],
    ["an attribute that the items lack", { ...COLLECTION, boxes: { kind: "attribute", attribute: "box" } }, ["[]", "[]"], null, 2, "UNKNOWN_NAME", "expected one of bbox, class"],
    ["an item without it", COLLECTION, ["[]", undefined], null, 3, "MISSING_ATTRIBUTE", "the item 1.png has no bbox. Write [] where nothing sounds"],
    ["an item where it is empty", COLLECTION, ["", "[]"], null, 3, "MISSING_ATTRIBUTE", "the item 0.png has no bbox"],
    ["text that is no list", COLLECTION, ["[]", "0 0 1 1"], null, 3, "LOCALIZATION_INVALID", "bbox of the item 1.png is not a list of boxes"],
    ["pixels", () => file("[[[10, 10, 100, 100]], [[20, 20, 60, 60]]]"), [], null, 3, "LOCALIZATION_INVALID", "divide by width and height"],
    ["an attribute in pixels", COLLECTION, ["[]", "[[-300, 0, 1, 1]]"], null, 3, "LOCALIZATION_INVALID", "[-300,0,1,1] in bbox of the item 1.png"],
    ["another number of items", COLLECTION, ["[]"], null, 3, "SHAPE_MISMATCH", "1 items, and the embeddings have 2"],
    ["a split without boxes", GENERATED, [], null, 2, "UNKNOWN_NAME", 'the split "duets" of "scenes" have no boxes'],
    ["another attribute of a generator", { ...GENERATED, boxes: { kind: "attribute", attribute: "shape" } }, [], [[], []], 2, "UNKNOWN_NAME", "expected one of boxes"],
    ["no boxes", { ...COLLECTION, boxes: null }, [], null, 2, "MISSING_FIELD", "data.frames.boxes: expected boxes"],
  ] as const)("refuse %s", async (_what, collection, texts, generated, code, reason, said) => {
    const error = await failureOf(boxesOf(typeof collection === "function" ? collection() : (collection as CompiledCollection), 2, sources(texts, generated)));
    expect(error).toMatchObject({ code, reason });
    expect(error.message).toContain(said);
  });
});
