import { describe, expect, it } from "vitest";

import type { RunContext, StoredMatrix } from "../../../src/run/context.js";
import { alignViews, type ViewedMatrix } from "../../../src/run/stages/alignViews.js";
import { failureOf } from "../../helpers/failures.js";

/** Nothing is asked of it where no row is to be picked. */
const NOTHING = {} as RunContext;

function viewed(space: string, count: number, skipped: readonly number[], regions: StoredMatrix["regions"] = null): ViewedMatrix {
  const rows = count - skipped.length;
  return { view: { data: "photos", space }, matrix: { path: "", sha256: space, rows, dim: 2, entry: {} as StoredMatrix["entry"], kept: { count, skipped }, regions } };
}
const layout = { offsets: Uint32Array.of(0, 2), boxes: [[0, 0, 1, 1], [0, 0, 1, 1]], grid: null } as const;

describe("views of one collection", () => {
  it("stay as they are where each has every item", async () => {
    const views = [viewed("clip", 3, []), viewed("ulip", 3, [])];
    expect(await alignViews(NOTHING, views)).toEqual(views);
  });

  it("of regions are left alone, and take no item from the others", async () => {
    const whole = viewed("clip", 3, [1]);
    const regions = viewed("clip", 3, [0, 1, 2], layout);
    // Aligned, the whole images would lose items 0 and 2, which a worker would be asked for.
    expect(await alignViews(NOTHING, [whole, regions])).toEqual([whole]);
    expect(await alignViews(NOTHING, [viewed("clip", 3, [1], layout), viewed("ulip", 3, [])])).toEqual([viewed("ulip", 3, [])]);
  });

  it("need the same number of items in each space", async () => {
    expect(await failureOf(alignViews(NOTHING, [viewed("clip", 3, [1]), viewed("ulip", 4, [])]))).toMatchObject({ code: 3, reason: "SHAPE_MISMATCH" });
  });
});
