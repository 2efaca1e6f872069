import { describe, expect, it } from "vitest";
import { EXIT } from "../../../src/errors.js";
import { relevanceFromLabels, relevanceFromLists, relevanceFromRows, restrictRelevance, reverseRelevance } from "../../../src/evaluate/relevance.js";

const PLACE = "relevance.json";

describe("relevance", () => {
  it("pairs rows", () => {
    expect(relevanceFromRows(3, 3, PLACE)).toEqual({
      offsets: new Uint32Array([0, 1, 2, 3]),
      columns: new Uint32Array([0, 1, 2]),
      queries: 3,
      gallery: 3,
    });
    expect(() => relevanceFromRows(3, 4, PLACE)).toThrow(/3 queries and 4 gallery items/);
  });

  it("joins equal labels, and leaves a query without its class in the gallery without relevant items", () => {
    expect(relevanceFromLabels([7, 9, -1], [-1, 7, 8, 7], PLACE)).toEqual({
      offsets: new Uint32Array([0, 2, 2, 3]),
      columns: new Uint32Array([1, 3, 0]),
      queries: 3,
      gallery: 4,
    });
  });

  it("takes explicit lists in any order", () => {
    expect(relevanceFromLists([[2, 0], [], [3]], 3, 4, PLACE)).toEqual({
      offsets: new Uint32Array([0, 2, 2, 3]),
      columns: new Uint32Array([0, 2, 3]),
      queries: 3,
      gallery: 4,
    });
  });

  it.each([
    [{ 0: [1] }, /a list that holds/],
    [[[0]], /1 rows, and there are 3 queries/],
    [[[0], 1, [2]], /row 1 is not a list/],
    [[[0], [1], [4]], /row 2 names column 4; columns are integers from 0 to 3/],
    [[[0], [1.5], [2]], /row 1 names column 1.5/],
    [[[0], ["1"], [2]], /row 1 names column "1"/],
    [[[-1], [1], [2]], /row 0 names column -1/],
    [[[0], [1], [3, 2, 3]], /row 2 names column 3 twice/],
  ])("refuses %j", (lists, message) => {
    expect(() => relevanceFromLists(lists, 3, 4, PLACE)).toThrow(message);
    expect(() => relevanceFromLists(lists, 3, 4, PLACE)).toThrow(expect.objectContaining({ code: EXIT.data, path: PLACE }));
  });

  it("turns round, and back to itself", () => {
    const relevance = relevanceFromLists([[2, 0], [], [3, 2]], 3, 4, PLACE);
    const reversed = reverseRelevance(relevance);
    expect(reversed).toEqual(relevanceFromLists([[0], [], [0, 2], [2]], 4, 3, PLACE));
    expect(reverseRelevance(reversed)).toEqual(relevance);
  });
});

describe("relevance among the items that could be read", () => {
  it("names items by their numbers in the source, and goes with either side", () => {
    const lists = relevanceFromLists([[0, 3], [1], [2], [3]], 4, 4, PLACE);
    // Query 1 and the gallery items 0 and 2 could not be read.
    expect(restrictRelevance(lists, Uint32Array.of(0, 2, 3), Uint32Array.of(1, 3))).toEqual({
      offsets: new Uint32Array([0, 1, 1, 2]),
      columns: new Uint32Array([1, 1]),
      queries: 3,
      gallery: 2,
    });
  });

  it("by rows pairs what is left of both", () => {
    const rows = relevanceFromRows(4, 4, PLACE);
    expect(restrictRelevance(rows, Uint32Array.of(0, 1, 3), Uint32Array.of(0, 2, 3))).toEqual({
      offsets: new Uint32Array([0, 1, 1, 2]),
      columns: new Uint32Array([0, 2]),
      queries: 3,
      gallery: 3,
    });
    expect(restrictRelevance(rows, Uint32Array.of(0, 1, 2, 3), Uint32Array.of(0, 1, 2, 3))).toBe(rows);
  });
});
