import { describe, expect, it } from "vitest";
import { EXIT } from "../../../src/errors.js";
import { relevanceFromLabels, relevanceFromLists, relevanceFromRows, reverseRelevance } from "../../../src/evaluate/relevance.js";

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
