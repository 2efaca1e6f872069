import { describe, expect, it } from "vitest";
import { PatchMapper, type PatchMapOptions } from "../../../src/evaluate/patchMaps.js";

const map = (scores: readonly number[], rows: number, side: number, options: PatchMapOptions) => [...new PatchMapper({ rows, columns: scores.length / rows }, side, options).map(scores)];
const close = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 12) as number);

const bilinear = { interpolation: "bilinear", alignCorners: true } as const;
const halfPixel = { interpolation: "bilinear", alignCorners: false } as const;
const bicubic = { interpolation: "bicubic", alignCorners: true } as const;
const nearest = { interpolation: "nearest", alignCorners: true } as const;

describe("a map of patches", () => {
  // Values of torch.nn.functional.interpolate; the test against PyTorch itself takes random ones.
  it("between aligned corners reaches the outermost scores at the outermost pixels", () => {
    expect(map([0, 1, 2, 3], 2, 3, bilinear)).toEqual([0, 0.5, 1, 1, 1.5, 2, 2, 2.5, 3]);
    expect(map([0, 1, 2, 3], 2, 3, bicubic)).toEqual(close([0, 0.5, 1, 1, 1.5, 2, 2, 2.5, 3]));
  });

  it("without aligned corners holds the outermost scores for half a patch", () => {
    expect(map([0, 1], 1, 4, halfPixel).slice(0, 4)).toEqual([0, 0.25, 0.75, 1]);
  });

  it("bicubic goes beyond the scores, where bilinear stays between them", () => {
    const scores = [0, 1, 1, 0];
    expect(Math.max(...map(scores, 1, 7, bicubic))).toBeGreaterThan(1);
    expect(Math.max(...map(scores, 1, 7, bilinear))).toBe(1);
  });

  it("has for each pixel the patch that it lies in, where it is not interpolated", () => {
    expect(map([1, 2, 3, 4, 5, 6], 2, 3, nearest)).toEqual([1, 2, 3, 1, 2, 3, 4, 5, 6]);
    expect(map([1, 2], 1, 4, nearest).slice(0, 4)).toEqual([1, 1, 2, 2]);
  });

  it("of one patch, and of one pixel", () => {
    for (const options of [bilinear, halfPixel, bicubic, nearest]) expect(map([7], 1, 3, options)).toEqual(close(new Array<number>(9).fill(7)));
    expect(map([3, 9, 9, 9], 2, 1, bilinear)).toEqual([3]);
    expect(map([1, 2, 3, 6], 2, 1, halfPixel)).toEqual([3]);
  });

  it("is row-major, also where the grid is no square", () => {
    expect(map([0, 1, 2, 10, 11, 12], 2, 3, bilinear)).toEqual([0, 1, 2, 5, 6, 7, 10, 11, 12]);
    expect(map([0, 10, 1, 11, 2, 12], 3, 3, bilinear)).toEqual([0, 5, 10, 1, 6, 11, 2, 7, 12]);
  });
});
