import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { NameList } from "../../../../src/data/sources/nameList.js";

function sorted(names: readonly string[]): string[] {
  const list = new NameList();
  for (const name of names) list.add(name);
  expect(list.length).toBe(names.length);
  return [...list.sorted()];
}

describe("names of a folder", () => {
  it("come in the order in which strings are sorted, whatever is in them", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary", maxLength: 20 })), (names) => {
        expect(sorted(names)).toEqual([...names].sort());
      }),
    );
    // By units and not by code points: a surrogate comes before U+FF5E.
    expect(sorted(["\uff5e", "\u{1f415}", "ä", "a", "", "a/", "a.b"])).toEqual(["", "a", "a.b", "a/", "ä", "\u{1f415}", "\uff5e"]);
  });

  it("may fill many pieces of memory", () => {
    const names = Array.from({ length: 50_000 }, (_, index) => `${"a picture of something ".repeat(1 + (index % 4))}${(index * 7919) % 50_000}`);
    expect(sorted(names)).toEqual([...names].sort());
    // One that ends with its piece: 4095 of 256 bytes and one of 254 or 256 make 1 MiB.
    for (const last of [126, 127, 128]) {
      const exact = [...Array.from({ length: 4095 }, (_, index) => `${index}`.padEnd(127, "x")), "y".repeat(last), "z"];
      expect(sorted(exact)).toEqual([...exact].sort());
    }
  });
});
