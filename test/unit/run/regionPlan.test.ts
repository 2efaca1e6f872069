import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { EncoderDescription } from "../../../src/bridge/types.js";
import type { Worker } from "../../../src/bridge/worker.js";
import type { CompiledEncoder, CompiledRegions } from "../../../src/config/compiled.js";
import type { ItemList, ItemRun } from "../../../src/data/itemList.js";
import { encodeInputs } from "../../../src/run/encodeItems.js";
import { itemsWithRegions } from "../../../src/run/regionItems.js";
import { planRegions, type RegionPlan } from "../../../src/run/regionPlan.js";
import { regionsName, viewName } from "../../../src/run/stages/viewName.js";
import { entryKey } from "../../../src/store/pendingFolder.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

const SPACE: CompiledEncoder = { name: "clip", provider: "open-clip", model: "ViT", checkpoint: null, options: {}, batchSize: 4 };
const ENCODER: EncoderDescription = {
  dimension: 512,
  modalities: ["image", "text"],
  weightsSha256: "ab",
  revision: "1",
  computeDtype: "float32",
  preprocessing: '{"image":{"size":224},"patches":{"revision":"1"},"regions":{"revision":"1"},"text":{}}',
  patchGrid: { rows: 2, columns: 3 },
  patchesMissing: "",
};
const CROPS: CompiledRegions = { kind: "crops", windows: [{ size: 1, steps: 1 }, { size: 0.5, steps: 2 }], squash: true };
const TOKENS: CompiledRegions = { kind: "patches", from: "tokens" };

const plan = (regions: CompiledRegions, encoder: Partial<EncoderDescription> = {}, space: Partial<CompiledEncoder> = {}): Promise<RegionPlan> =>
  planRegions(regions, { space: { ...SPACE, ...space }, encoder: { ...ENCODER, ...encoder }, count: 2, collection: "photos" });

function boxesFile(lists: unknown): CompiledRegions {
  const path = join(temporaryFolder(), "boxes.json");
  writeFileSync(path, JSON.stringify(lists));
  return { kind: "boxes", path, squash: true };
}

/** Key of the embeddings of a view of two photos. */
async function keyOf(regions: CompiledRegions | null, encoder: Partial<EncoderDescription> = {}): Promise<string> {
  const worker = { info: { device: "cpu" } } as unknown as Worker;
  const items = { identity: "photos" } as unknown as ItemList;
  const job = { worker, spec: { provider: "open-clip", model: "ViT", checkpoint: null, options: {} }, modality: "image", items, batchSize: 4, limits: null, regions: regions === null ? undefined : await plan(regions, encoder) } as const;
  return entryKey("encode", encodeInputs(job, { ...ENCODER, ...encoder }));
}

describe("the key of embeddings", () => {
  it("of whole images is what it was before there were regions", async () => {
    const expected = entryKey("encode", {
      kind: "encode", provider: "open-clip", model: "ViT", weights: "ab", revision: "1", computeDtype: "float32", preprocessing: { size: 224 }, batchSize: 4, device: "cpu", modality: "image", items: "photos",
    });
    expect(await keyOf(null)).toBe(expected);
    // Whatever regions and patches depend on.
    expect(await keyOf(null, { preprocessing: '{"image":{"size":224}}', patchGrid: null })).toBe(expected);
  });

  it("of regions changes with all that their rows depend on", async () => {
    const lists = [[[0, 0, 1, 1]], [[0, 0, 0.5, 1], [0, 0, 1, 1]]];
    const keys = await Promise.all([
      keyOf(null),
      keyOf(CROPS),
      keyOf({ ...CROPS, squash: false }),
      keyOf({ ...CROPS, windows: [{ size: 1, steps: 1 }, { size: 0.5, steps: 3 }] }),
      keyOf({ ...CROPS, windows: [{ size: 1, steps: 1 }, { size: 0.6, steps: 2 }] }),
      keyOf(CROPS, { preprocessing: ENCODER.preprocessing.replace('"regions":{"revision":"1"', '"regions":{"revision":"2"') }),
      keyOf(boxesFile(lists)),
      keyOf({ ...boxesFile(lists), squash: false } as CompiledRegions),
      // The same boxes, divided otherwise among the items.
      keyOf(boxesFile([[[0, 0, 1, 1], [0, 0, 0.5, 1]], [[0, 0, 1, 1]]])),
      keyOf(TOKENS),
      keyOf({ kind: "patches", from: "values" }),
      keyOf(TOKENS, { patchGrid: { rows: 3, columns: 2 } }),
      keyOf(TOKENS, { preprocessing: ENCODER.preprocessing.replace('"patches":{"revision":"1"', '"patches":{"revision":"2"') }),
      keyOf(TOKENS, { preprocessing: ENCODER.preprocessing.replace('"regions":{"revision":"1"', '"regions":{"revision":"2"') }),
    ]);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("of boxes does not change with the place of their file, nor of patches with code that they do not use", async () => {
    expect(await keyOf(boxesFile([[[0, 0, 1, 1]], [[0, 0, 1, 1]]]))).toBe(await keyOf(boxesFile([[[0, 0, 1, 1]], [[0, 0, 1.5, 1]]])));
    expect(await keyOf(CROPS, { preprocessing: ENCODER.preprocessing.replace('"patches":{"revision":"1"', '"patches":{"revision":"2"') })).toBe(await keyOf(CROPS));
  });
});

describe("a plan of regions", () => {
  it("of crops is the same for each image", async () => {
    const { boxesOf, same, squash, patches, grid } = await plan(CROPS);
    expect(boxesOf(0)).toHaveLength(5);
    expect(boxesOf(1)).toBe(boxesOf(0));
    expect({ same, squash, patches, grid }).toEqual({ same: true, squash: true, patches: null, grid: null });
  });

  it("of boxes is each image's own", async () => {
    const { boxesOf, same } = await plan(boxesFile([[[0, 0, 1, 1]], [[0, 0, 0.5, 1], [0.5, 0, 1, 1]]]));
    expect([boxesOf(0), boxesOf(1), same]).toEqual([[[0, 0, 1, 1]], [[0, 0, 0.5, 1], [0.5, 0, 1, 1]], false]);
  });

  it("of patches has the encoder's grid, and is squashed", async () => {
    const { boxesOf, squash, patches, grid } = await plan(TOKENS);
    expect(boxesOf(1)).toHaveLength(6);
    expect({ squash, patches, grid }).toEqual({ squash: true, patches: "tokens", grid: { rows: 2, columns: 3 } });
  });

  it("of patches needs an encoder that has them, and says why there are none", async () => {
    const failure = await failureOf(plan(TOKENS, { patchGrid: null, patchesMissing: "its image tower is a ModifiedResNet" }));
    expect(failure).toMatchObject({ code: 2, reason: "IMPOSSIBLE_VALUE", path: "spaces.clip" });
    expect(failure.message).toContain("ModifiedResNet");
  });

  it("needs a batch whose rows can be held", async () => {
    const failure = await failureOf(plan(CROPS, { dimension: 1024 }, { batchSize: 200_000 }));
    expect(failure).toMatchObject({ code: 2, path: "spaces.clip.batchSize" });
    // 2 GiB are 2^31 / (4 * 1024) rows, five to an image.
    expect(failure.message).toContain(`batchSize to ${Math.floor(2 ** 19 / 5)} or less`);
    expect((await plan(CROPS, { dimension: 1024 }, { batchSize: Math.floor(2 ** 19 / 5) })).same).toBe(true);
  });

  it("has no more crops than the worker takes", async () => {
    expect((await failureOf(plan({ kind: "crops", windows: [{ size: 0.1, steps: 65 }], squash: false }))).message).toContain("4225 crops");
  });
});

describe("items with their regions", () => {
  const item = (number: number) => ({ name: `${number}.png`, content: { kind: "data", data: Uint8Array.of(1) }, part: null }) as const;

  function listOf(...runs: ItemRun[]): ItemList {
    return { count: 9, identity: "i", roots: [], attributes: [], named: true, confirm: () => Promise.resolve(true), unreadableIn: () => 1, async *runs() { yield* await Promise.resolve(runs); }, async *describe() { yield await Promise.resolve([]); }, close: () => Promise.resolve() };
  }

  async function runsOf(list: ItemList): Promise<ItemRun[]> {
    const found: ItemRun[] = [];
    for await (const run of list.runs({ from: 0, to: 9 }, 9, "paths")) found.push(run);
    return found;
  }

  const boxed = (same: boolean, boxesOf: RegionPlan["boxesOf"]): RegionPlan => ({ boxesOf, same, squash: false, patches: null, grid: null, identity: null });
  const cause = (number: number) => ({ item: number, reason: "X", message: "x" });

  it("are sent in runs as they come", async () => {
    const run: ItemRun = { from: 0, to: 4, batch: { kind: "items", items: [item(0), item(2)] }, items: [0, 2], unreadable: [cause(1), cause(3)], spoilt: [cause(2)] };
    const none: ItemRun = { from: 4, to: 6, batch: null, items: [], unreadable: [cause(4), cause(5)], spoilt: [] };
    const list = itemsWithRegions(listOf(run, none), boxed(false, (number) => [[0, number / 10, 1, 1]]));
    expect(await runsOf(list)).toEqual([
      { ...run, batch: { kind: "items", items: [{ ...item(0), regions: [[0, 0, 1, 1]] }, { ...item(2), regions: [[0, 0.2, 1, 1]] }] } },
      none,
    ]);
    expect([list.count, list.identity, list.unreadableIn({ from: 0, to: 9 })]).toEqual([9, "i", 1]);
  });

  it("are sent in several messages where one would be too large", async () => {
    const many = Array.from({ length: 4096 }, () => [0, 0, 1, 1] as const);
    const numbers = Array.from({ length: 250 }, (_, index) => 2 * index);
    const run: ItemRun = { from: 0, to: 500, batch: { kind: "items", items: numbers.map(item) }, items: numbers, unreadable: [cause(1), cause(499)], spoilt: [cause(0), cause(498)] };
    const found = await runsOf(itemsWithRegions(listOf(run), boxed(true, () => many)));
    expect(found.map(({ from, to, items }) => [from, to, items.length])).toEqual([[0, 244, 122], [244, 488, 122], [488, 500, 6]]);
    expect(found.map(({ unreadable, spoilt }) => [unreadable.length, spoilt.length])).toEqual([[1, 1], [0, 0], [1, 1]]);
  });

  const source = { generator: "scenes", split: "test", seed: 1 };
  const generated: ItemRun = { from: 3, to: 5, batch: { kind: "generated", source, start: 3, count: 2 }, items: [3, 4], unreadable: [], spoilt: [] };

  it("of a generator are sent together where all have the same", async () => {
    expect(await runsOf(itemsWithRegions(listOf(generated), boxed(true, () => [[0, 0, 1, 1]])))).toEqual([{ ...generated, batch: { ...generated.batch, regions: [[0, 0, 1, 1]] } }]);
  });

  it("of a generator are sent one by one where each has its own", async () => {
    const found = await runsOf(itemsWithRegions(listOf(generated), boxed(false, (number) => [[0, number / 10, 1, 1]])));
    expect(found).toEqual([
      { ...generated, to: 4, items: [3], batch: { kind: "generated", source, start: 3, count: 1, regions: [[0, 0.3, 1, 1]] } },
      { ...generated, from: 4, items: [4], batch: { kind: "generated", source, start: 4, count: 1, regions: [[0, 0.4, 1, 1]] } },
    ]);
  });

  it("have none where patches are embedded", () => {
    const list = listOf(generated);
    expect(itemsWithRegions(list, { ...boxed(true, () => []), patches: "tokens" })).toBe(list);
  });
});

it("views with different regions have different names", () => {
  const all: (CompiledRegions | undefined)[] = [undefined, CROPS, { ...CROPS, squash: false }, { ...CROPS, windows: [{ size: 0.5, steps: 2 }] }, { kind: "boxes", path: "/a.json", squash: true }, { kind: "boxes", path: "/a.json", squash: false }, { kind: "boxes", path: "/b.json", squash: true }, TOKENS, { kind: "patches", from: "values" }];
  const names = all.map((regions) => viewName({ data: "photos", space: "clip", ...(regions === undefined ? {} : { regions }) }));
  expect(names[0]).toBe("photos in clip");
  expect(new Set(names).size).toBe(all.length);
  expect(regionsName(CROPS)).toBe("crops 1 x 1 of 1, 2 x 2 of 0.5, squashed");
});

it("names shares without an end in decimals as people write them, and keeps different ones apart", () => {
  const named = (size: number) => regionsName({ kind: "crops", windows: [{ size, steps: 9 }], squash: false });
  expect([1 / 3, 2 / 3, 0.25, 1 / 7, 0.3333].map(named)).toEqual(["1/3", "2/3", "0.25", "1/7", "0.3333"].map((size) => `crops 9 x 9 of ${size}`));
  expect(named(0.333333333333)).toBe("crops 9 x 9 of 0.333333333333");
});
