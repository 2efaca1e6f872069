import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { CompiledBoxes, CompiledCollection, CompiledLabels, CompiledTask } from "../../../src/config/compiled.js";
import type { ItemInfo, ItemList } from "../../../src/data/itemList.js";
import { writeNpy } from "../../../src/data/npy.js";
import { checkBefore } from "../../../src/run/stages/checkBefore.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

/** A collection of so many items: their classes, or their number. */
interface Made {
  readonly items: number | readonly string[];
  readonly labels?: CompiledLabels;
  readonly boxes?: CompiledBoxes;
  readonly sample?: { readonly count: number; readonly seed: number };
  readonly embeddings?: Readonly<Record<string, string>>;
  readonly unreadable?: number;
}

/** Stands for the path of a file of this content, which is written where it is checked. */
const UNWRITTEN = "content of a file: ";
const write = (content: unknown): string => `${UNWRITTEN}${JSON.stringify(content)}`;

/** The same with the files written. */
function written<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (_key, one: unknown) => {
    if (typeof one !== "string" || !one.startsWith(UNWRITTEN)) return one;
    const path = join(temporaryFolder(), "given.json");
    writeFileSync(path, one.slice(UNWRITTEN.length));
    return path;
  }) as T;
}

const file = (content: unknown): CompiledBoxes => ({ kind: "file", path: write(content) });

function listOf({ items, unreadable = 0 }: Made): ItemList {
  const classes = typeof items === "number" ? Array.from({ length: items }, () => "thing") : items;
  return {
    count: classes.length,
    named: true,
    attributes: ["class"],
    unreadableIn: () => unreadable,
    async *describe() {
      yield await Promise.resolve(classes.map((name, item): ItemInfo => ({ item, id: `${item}.png`, name: `${item}.png`, file: null, attributes: { class: name } })));
    },
  } as unknown as ItemList;
}

/** Checks a task over collections; nothing here could embed anything. */
function check(made: Readonly<Record<string, Made>>, task: object, patches = true): Promise<void> {
  const data = Object.fromEntries(
    Object.entries(made).map(([name, { labels = null, boxes = null, embeddings = {}, sample }]): [string, CompiledCollection] => [
      name,
      { name, modality: "image", source: { type: "folder", path: "/x" }, embeddings, labels, boxes, unreadable: { action: "skip", limit: 5 }, limits: null, ...(sample === undefined ? {} : { sample }) } as CompiledCollection,
    ]),
  );
  const encoder = { provider: "open-clip", model: "ViT", checkpoint: null, options: {}, batchSize: 4 };
  const described = { dimension: 8, preprocessing: "", patchGrid: patches ? { rows: 2, columns: 2 } : null, patchesMissing: "it pools by convolutions" };
  return checkBefore({
    experiment: { data: written(data), spaces: { sight: { name: "sight", ...encoder }, hearing: { name: "hearing", ...encoder } }, evaluate: [{ name: "where", ...written(task) } as unknown as CompiledTask] },
    worker: { encoders: { describe: () => Promise.resolve(described) } },
    lists: { get: ({ name }: CompiledCollection) => Promise.resolve(listOf(made[name] ?? { items: 0 })) },
  } as unknown as Parameters<typeof checkBefore>[0]);
}

const BOX = [0, 0, 0.5, 1];
const crops = { kind: "crops", windows: [{ size: 1, steps: 1 }], squash: true };
const places = (task: string, regions: object = crops) => ({ task, query: { data: "sounds", space: "hearing" }, image: { data: "frames", space: "sight", regions } });
const LOCALIZATION = places("localization");
const retrieval = (relevance: object) => ({ task: "retrieval", query: { data: "sounds", space: "hearing" }, gallery: { data: "frames", space: "sight" }, relevance });
const CLASSIFICATION = { task: "classification", query: { data: "things", space: "sight" }, classes: { data: "prompts", space: "sight" } };
const byClass: CompiledLabels = { kind: "attribute", attribute: "class" };

describe("before anything is embedded", () => {
  it.each([
    ["places", { sounds: { items: 2 }, frames: { items: 2, boxes: file([[BOX], []]) } }, LOCALIZATION],
    ["foreign sounds", { sounds: { items: 2 }, frames: { items: 2, boxes: file([[BOX], []]) } }, places("counterfactual", { kind: "patches", from: "tokens" })],
    ["regions of each image", { sounds: { items: 2 }, frames: { items: 2, boxes: file([[BOX], []]) } }, places("localization", { kind: "boxes", path: write([[BOX], [BOX]]), squash: true })],
    ["a list of relevant items", { sounds: { items: 2 }, frames: { items: 3 } }, retrieval({ kind: "file", path: write([[2], []]) })],
    ["classes", { things: { items: ["red", "blue"], labels: byClass }, prompts: { items: ["blue", "green", "red"], labels: byClass } }, CLASSIFICATION],
    ["what only an import can count", { sounds: { items: 2, embeddings: { hearing: "/parts" } }, frames: { items: 3 } }, retrieval({ kind: "rows" })],
  ] as const)("lets pass what fits: %s", async (_what, made, task) => {
    await expect(check(made, task)).resolves.toBeUndefined();
  });

  it.each([
    ["another number of sounds", { sounds: { items: 3 }, frames: { items: 2, boxes: file([[BOX], []]) } }, LOCALIZATION, "SHAPE_MISMATCH", ["found 3 items in sounds and 2 in frames"]],
    ["another number of boxes", { sounds: { items: 2 }, frames: { items: 2, boxes: file([[BOX]]) } }, LOCALIZATION, "SHAPE_MISMATCH", ["data.frames.boxes", "boxes for 1 items of 2"]],
    ["an attribute that holds no boxes", { sounds: { items: 2 }, frames: { items: 2, boxes: { kind: "attribute", attribute: "class" } } }, LOCALIZATION, "LOCALIZATION_INVALID", ["class of the item 0.png is not a list of boxes"]],
    ["no box at all", { sounds: { items: 2 }, frames: { items: 2, boxes: file([[], []]) } }, LOCALIZATION, "NOTHING_TO_MEASURE", ["where: no item has a box (data.frames.boxes, ", "given.json)", "Give each item in which something sounds a list of boxes"]],
    ["foreign sounds alone", { sounds: { items: 2 }, frames: { items: 2, boxes: file([[], []]) } }, places("counterfactual"), "NOTHING_TO_MEASURE", ["no item has a box (data.frames.boxes"]],
    ["no foreign sound", { sounds: { items: 2 }, frames: { items: 2, boxes: file([[BOX], [BOX]]) } }, places("counterfactual"), "NOTHING_TO_MEASURE", ["every item has a box (data.frames.boxes, ", "without them the task is localization"]],
    ["regions of other images", { sounds: { items: 2 }, frames: { items: 2, boxes: file([[BOX], []]) } }, places("localization", { kind: "boxes", path: write([[BOX]]), squash: true }), "SHAPE_MISMATCH", ["the regions of frames", "has 1 lists of boxes"]],
    ["unequal rows", { sounds: { items: 2 }, frames: { items: 3 } }, retrieval({ kind: "rows" }), "RELEVANCE_INVALID", ["2 queries and 3 gallery items"]],
    ["fewer relevant rows", { sounds: { items: 2 }, frames: { items: 3 } }, retrieval({ kind: "file", path: write([[0]]) }), "RELEVANCE_INVALID", ["relevance has 1 rows, and there are 2 queries"]],
    ["a column beyond the gallery", { sounds: { items: 2 }, frames: { items: 3 } }, retrieval({ kind: "file", path: write([[0], [3]]) }), "RELEVANCE_INVALID", ["row 1 names column 3"]],
    ["nothing relevant", { sounds: { items: ["a"], labels: byClass }, frames: { items: ["b"], labels: byClass } }, retrieval({ kind: "labels" }), "NOTHING_RELEVANT", ["no query has a relevant item"]],
    ["a class without a prompt", { things: { items: ["red", "blue"], labels: byClass }, prompts: { items: ["green", "red"], labels: byClass } }, CLASSIFICATION, "LABELS_INVALID", ["item 1.png of data.things is of class \"blue\"", "data.prompts"]],
  ] as const)("refuses with exit 3: %s", async (_what, made, task, reason, said) => {
    const error = await failureOf(check(made, task));
    expect(error).toMatchObject({ code: 3, reason });
    for (const part of said) expect(error.message).toContain(part);
  });

  it("refuses patches of an encoder that has none, with exit 2", async () => {
    const error = await failureOf(check({ sounds: { items: 2 }, frames: { items: 2, boxes: file([[BOX], []]) } }, places("localization", { kind: "patches", from: "tokens" }), false));
    expect(error).toMatchObject({ code: 2, path: "spaces.sight" });
    expect(error.message).toContain("it pools by convolutions");
  });

  it("holds labels against the items, those of given embeddings too", async () => {
    const path = join(temporaryFolder(), "labels.npy");
    await writeNpy(path, Int32Array.of(0, 1), [2]);
    const embeddings = join(temporaryFolder(), "rows.npy");
    await writeNpy(embeddings, Float32Array.of(1, 0, 0, 1, 1, 1), [3, 2]);
    const prompts = { items: 2, labels: { kind: "file", path } } as const;
    const error = await failureOf(check({ things: { items: 2, labels: { kind: "file", path }, embeddings: { sight: embeddings } }, prompts }, CLASSIFICATION));
    expect(error).toMatchObject({ code: 3, reason: "SHAPE_MISMATCH" });
    expect(error.message).toContain("has 2 labels for 3 items");
    await expect(check({ things: { items: 2, labels: { kind: "file", path } }, prompts }, CLASSIFICATION)).resolves.toBeUndefined();
  });

  it("asks no class of items that are not drawn, or among which some are known to be unreadable", async () => {
    const items = Array.from({ length: 40 }, (_, item) => (item === 7 ? "odd" : "red"));
    const prompts = { items: ["red"], labels: byClass };
    expect((await failureOf(check({ things: { items, labels: byClass }, prompts }, CLASSIFICATION))).message).toContain("item 7.png of data.things");
    await expect(check({ things: { items, labels: byClass, unreadable: 1 }, prompts }, CLASSIFICATION)).resolves.toBeUndefined();
    // One of ten seeds at least draws two of forty items without the eighth.
    const drawn = await Promise.allSettled(Array.from({ length: 10 }, (_, seed) => check({ things: { items, labels: byClass, sample: { count: 2, seed } }, prompts }, CLASSIFICATION)));
    expect(drawn.some(({ status }) => status === "fulfilled")).toBe(true);
  });
});
