import { writeFileSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { readRegionBoxes } from "../../../src/data/regionBoxes.js";
import { cropBoxes, gridBoxes, layOut, type RegionBox } from "../../../src/data/regions.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

describe("a grid of crops", () => {
  it("is the whole frame where one window has its size", () => {
    expect(cropBoxes([{ size: 1, steps: 1 }])).toEqual([[0, 0, 1, 1]]);
  });

  it("has its windows row-major from the top left, the outermost at the edges", () => {
    expect(cropBoxes([{ size: 0.5, steps: 2 }])).toEqual([
      [0, 0, 0.5, 0.5],
      [0.5, 0, 1, 0.5],
      [0, 0.5, 0.5, 1],
      [0.5, 0.5, 1, 1],
    ]);
    const three = cropBoxes([{ size: 0.5, steps: 3 }]);
    expect(three.slice(0, 3)).toEqual([[0, 0, 0.5, 0.5], [0.25, 0, 0.75, 0.5], [0.5, 0, 1, 0.5]]);
    expect(three[3]).toEqual([0, 0.25, 0.5, 0.75]);
  });

  it("has a single window in the middle", () => {
    expect(cropBoxes([{ size: 0.5, steps: 1 }])).toEqual([[0.25, 0.25, 0.75, 0.75]]);
  });

  it("has its scales one after the other", () => {
    const boxes = cropBoxes([{ size: 1, steps: 1 }, { size: 1 / 2, steps: 3 }, { size: 1 / 3, steps: 5 }]);
    expect(boxes).toHaveLength(35);
    expect(boxes[0]).toEqual([0, 0, 1, 1]);
    expect(boxes[34]?.slice(2)).toEqual([1, 1]);
  });

  it("has windows of its size inside the frame, the last ending at 1 exactly", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1, noNaN: true }), fc.integer({ min: 1, max: 12 }), (size, steps) => {
        const boxes = cropBoxes([{ size, steps }]);
        expect(boxes).toHaveLength(steps * steps);
        for (const [left, top, right, bottom] of boxes) {
          expect(Math.min(left, top)).toBeGreaterThanOrEqual(0);
          expect(Math.max(right, bottom)).toBeLessThanOrEqual(1);
          expect(right - left).toBeCloseTo(size, 12);
          expect(bottom - top).toBeCloseTo(size, 12);
        }
        if (steps > 1) expect([...(boxes[0]?.slice(0, 2) ?? []), ...(boxes.at(-1)?.slice(2) ?? [])]).toEqual([0, 0, 1, 1]);
      }),
    );
  });
});

it("a grid of patches covers the frame row-major", () => {
  expect(gridBoxes({ rows: 2, columns: 4 })).toEqual([
    [0, 0, 0.25, 0.5], [0.25, 0, 0.5, 0.5], [0.5, 0, 0.75, 0.5], [0.75, 0, 1, 0.5],
    [0, 0.5, 0.25, 1], [0.25, 0.5, 0.5, 1], [0.5, 0.5, 0.75, 1], [0.75, 0.5, 1, 1],
  ]);
});

it("a layout has the regions of kept items alone, by their numbers in the collection", () => {
  const box = (item: number, region: number): RegionBox => [item / 10, region / 10, 1, 1];
  const counts = [2, 1, 3, 1];
  const boxesOf = (item: number) => Array.from({ length: counts[item] ?? 0 }, (_, region) => box(item, region));
  const { offsets, boxes, grid } = layOut(boxesOf, { count: 4, skipped: [1] }, null);
  expect(offsets).toEqual(Uint32Array.of(0, 2, 5, 6));
  expect(boxes).toEqual([box(0, 0), box(0, 1), box(2, 0), box(2, 1), box(2, 2), box(3, 0)]);
  expect(grid).toBeNull();
});

describe("a file of boxes", () => {
  const read = (content: unknown, count = 2) => {
    const path = join(temporaryFolder(), "boxes.json");
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return readRegionBoxes(path, count, "the regions of photos");
  };

  it("has a list for each item, clipped to the frame", async () => {
    expect(await read([[[0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]], [[-0.2, 0.5, 1.4, 1.00001]]])).toEqual([
      [[0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]],
      [[0, 0.5, 1, 1]],
    ]);
  });

  it("of another number of images is refused", async () => {
    const failure = await failureOf(read([[[0, 0, 1, 1]]]));
    expect(failure).toMatchObject({ code: 3, reason: "SHAPE_MISMATCH" });
    expect(failure.message).toContain("1 lists of boxes, and the collection has 2 items");
  });

  it.each([
    ["no list", { boxes: [] }, "is not a list"],
    ["a box in place of a list", [[0, 0, 1, 1], [[0, 0, 1, 1]]], "has 0 as box 0 of item 0"],
    ["an item without boxes", [[[0, 0, 1, 1]], []], "has no box for item 1 (counted from 0)"],
    ["three numbers", [[[0, 0, 1, 1]], [[0, 0, 1, 1], [0, 0, 1]]], "[0,0,1] as box 1 of item 1"],
    ["texts", [[["0", "0", "1", "1"]], [[0, 0, 1, 1]]], "four numbers"],
    ["null", [[[0, 0, null, 1]], [[0, 0, 1, 1]]], "box 0 of item 0"],
    ["no width", [[[0.5, 0, 0.5, 1]], [[0, 0, 1, 1]]], "no width or no height"],
    ["no width on the wire", [[[0.5, 0, 0.5 + 1e-9, 1]], [[0, 0, 1, 1]]], "no width or no height"],
    ["corners the wrong way round", [[[0, 0.9, 1, 0.1]], [[0, 0, 1, 1]]], "no width or no height"],
    ["a box beside the frame", [[[0, 0, 1, 1]], [[1.1, 0, 1.5, 1]]], "box 0 of item 1"],
    ["x, y, width, height", [[[0.5, 0.5, 0.25, 0.25]], [[0, 0, 1, 1]]], "Are these [x, y, width, height]?"],
    ["pixels", [[[0, 0, 200, 180]], [[0, 0, 1, 1]]], "Are these pixels?"],
    ["a number without bounds", [[[-2.9e16, 0, 1, 1]], [[0, 0, 1, 1]]], "far outside"],
    ["no JSON", "[[", "is not JSON"],
  ])("with %s is refused, naming it", async (_, content, what) => {
    const failure = await failureOf(read(content));
    expect(failure).toMatchObject({ code: 3, reason: "BOXES_INVALID" });
    expect(failure.message).toContain("the regions of photos: ");
    expect(failure.message).toContain(what);
  });

  it("has at most as many boxes for an image as the worker takes", async () => {
    const failure = await failureOf(read([Array.from({ length: 4097 }, () => [0, 0, 1, 1])], 1));
    expect(failure.message).toContain("4097 boxes for item 0");
  });

  it("that is not there is missing", async () => {
    expect(await failureOf(readRegionBoxes(join(temporaryFolder(), "none.json"), 1, "x"))).toMatchObject({ code: 3, reason: "DATA_MISSING" });
  });
});
