import type { Stats } from "node:fs";

import { describe, expect, it } from "vitest";

import { mapInOrder } from "../../../../src/data/sources/inOrder.js";
import { Look } from "../../../../src/data/sources/look.js";
import { Template } from "../../../../src/data/sources/template.js";
import { SeenTexts, UniqueIds } from "../../../../src/data/sources/uniqueIds.js";

async function* numbers(count: number): AsyncGenerator<number> {
  for (let number = 0; number < count; number += 1) yield await Promise.resolve(number);
}

describe("work in order", () => {
  it("gives results in the values' order, and does no more than so many at a time", async () => {
    let [running, most] = [0, 0];
    const results: number[] = [];
    for await (const value of mapInOrder(numbers(50), 7, async (number) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, number % 3));
      running -= 1;
      return number * 2;
    })) results.push(value);
    expect(results).toEqual(Array.from({ length: 50 }, (_, number) => number * 2));
    expect(most).toBeLessThanOrEqual(7);
    expect(most).toBeGreaterThan(1);
  });

  it("raises the first failure in that order, after the results before it, and leaves none unheard", async () => {
    const results: number[] = [];
    const reading = (async () => {
      for await (const value of mapInOrder(numbers(20), 8, (number) => (number >= 5 ? Promise.reject(new Error(`no ${number}`)) : Promise.resolve(number)))) results.push(value);
    })();
    await expect(reading).rejects.toThrow("no 5");
    expect(results).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("texts that were seen", () => {
  it("are told from all others, many of them", () => {
    const seen = new SeenTexts();
    const texts = Array.from({ length: 200_000 }, (_, index) => `folder/${index % 1000}/item ${index}`);
    expect(texts.some((text) => seen.add(text))).toBe(false);
    expect(texts.every((text) => seen.add(text))).toBe(true);
    expect(["", "a", "b", "ab", "ba", "\0", "\0\0"].map((text) => seen.add(text))).toEqual([false, false, false, false, false, false, false]);
  });

  it("make ids unique, also against ids that look like theirs", () => {
    const ids = new UniqueIds();
    expect(["x", "x~2", "x", "x", "y"].map((id) => ids.of(id))).toEqual([
      { id: "x", repeated: false },
      { id: "x~2", repeated: false },
      { id: "x~3", repeated: true },
      { id: "x~4", repeated: true },
      { id: "y", repeated: false },
    ]);
  });
});

describe("a template", () => {
  const values = new Map<string, unknown>([["id", "a b"], ["n", "30.000"], ["i", 7], ["none", undefined], ["list", [1]], ["bad", "x"], ["minus", -3]]);
  it.each([
    ["{id}.wav", "a b.wav"],
    ["{id}_{n:06}.mp4", "a b_000030.mp4"],
    ["{i:03}{row:02}", "00709"],
    ["plain", "plain"],
    ["{none}", null],
    ["{absent}", null],
    ["{list}", null],
    ["{bad:06}", null],
    ["{minus:06}", null],
  ])("%s is %j", (text, expected) => {
    expect(new Template(text).fill(values, 9)).toBe(expected);
  });

  it("knows its columns, the row's number aside", () => {
    expect(new Template("{a}/{row}_{b:06}").columns).toEqual(["a", "b"]);
  });
});

describe("a look at files", () => {
  it("goes many at a time once the disk answers slowly", async () => {
    const asked: string[] = [];
    const look = new Look(
      () => {
        asked.push("now");
        const end = performance.now() + 1;
        while (performance.now() < end);
        return {} as Stats;
      },
      () => {
        asked.push("later");
        return Promise.resolve({} as Stats);
      },
    );
    for (let index = 0; index < 200; index += 1) await look.at("x");
    expect(asked[0]).toBe("now");
    expect(asked.at(-1)).toBe("later");
  });
});
