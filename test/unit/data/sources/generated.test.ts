import { describe, expect, it } from "vitest";

import type { GeneratedDescription, GeneratedSource } from "../../../../src/bridge/types.js";
import { generatedItems } from "../../../../src/data/sources/builtin.js";
import { failureOf } from "../../../helpers/failures.js";

const PLACE = "data.items.source";
const WIRE = { generator: "scenes", split: "test", seed: 5 };
const source = (count: number | null) => ({ type: "builtin", ...WIRE, count }) as const;
const describing = (available: number | null) => (asked: GeneratedSource, count: number): Promise<GeneratedDescription> => {
  expect([asked, count]).toEqual([WIRE, 0]);
  return Promise.resolve({ available, revision: "7", captions: [], attributes: [{ name: "shape", values: [], labels: new Uint32Array() }] });
};
const list = (count: number | null, available: number | null) => generatedItems(source(count), PLACE, describing(available));

describe("a generator's items", () => {
  it("are runs of consecutive numbers", async () => {
    const items = await list(5, 1000);
    expect([items.count, items.named, items.attributes]).toEqual([5, false, ["shape"]]);
    expect(items.identity).toEqual({ ...WIRE, count: 5, revision: "7" });
    const batches: unknown[] = [];
    for await (const run of items.runs({ from: 0, to: 5 }, 2, "paths")) batches.push([run.batch, run.items]);
    expect(batches).toEqual([
      [{ kind: "generated", source: WIRE, start: 0, count: 2 }, [0, 1]],
      [{ kind: "generated", source: WIRE, start: 2, count: 2 }, [2, 3]],
      [{ kind: "generated", source: WIRE, start: 4, count: 1 }, [4]],
    ]);
  });

  it("are all that the split has, where no number is given", async () => {
    expect((await list(null, 1000)).count).toBe(1000);
    expect(await failureOf(list(null, null))).toMatchObject({ code: 2, reason: "MISSING_FIELD", path: `${PLACE}.count` });
  });

  it("are no more than the split has", async () => {
    expect((await list(1000, 1000)).count).toBe(1000);
    expect(await failureOf(list(1001, 1000))).toMatchObject({ code: 2, reason: "IMPOSSIBLE_VALUE", path: `${PLACE}.count` });
    expect((await list(10 ** 9, null)).count).toBe(10 ** 9);
  });
});
