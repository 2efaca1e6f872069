import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { editDistance, nearestHint, nearestName, suggestion } from "../../../src/config/nearest.js";

const word = fc.string({ maxLength: 12 });

describe("editDistance", () => {
  it.each([
    ["", "", 0],
    ["abc", "abc", 0],
    ["", "abc", 3],
    ["weight", "wieght", 1],
    ["kitten", "sitting", 3],
    ["ca", "abc", 3],
  ])("of %j and %j is %i", (left, right, distance) => {
    expect(editDistance(left, right)).toBe(distance);
  });

  it("is the same both ways, 0 for equal words alone, and at most the longer length", () => {
    fc.assert(
      fc.property(word, word, (left, right) => {
        const distance = editDistance(left, right);
        expect(distance).toBe(editDistance(right, left));
        expect(distance === 0).toBe(left === right);
        expect(distance).toBeLessThanOrEqual(Math.max(left.length, right.length));
      }),
    );
  });
});

describe("nearestName", () => {
  it.each([
    ["batchsize", ["batchSize", "epochs"], "batchSize"],
    ["retreival", ["retrieval", "classification"], "retrieval"],
    ["colour", ["modality", "source"], undefined],
    ["x", ["a", "b"], undefined],
  ])("of %j among %j is %j", (name, known, nearest) => {
    expect(nearestName(name, known)).toBe(nearest);
  });

  it("leads to the known names when none is near", () => {
    expect(suggestion("colour", ["modality", "source"])).toBe("Known: modality, source.");
    expect(suggestion("sourse", ["modality", "source"])).toBe('Did you mean "source"?');
    expect(suggestion("x", [])).toBe("There are none yet.");
    expect(nearestHint("colour", ["modality", "source"])).toEqual({});
    expect(nearestHint("sourse", ["modality", "source"])).toEqual({ hint: 'Did you mean "source"?' });
  });
});
