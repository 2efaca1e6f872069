import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { SkippedList } from "../../../src/run/skippedList.js";
import { mostSkipped } from "../../../src/run/unreadable.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

const item = (number: number) => ({ item: number, id: `${number}`, file: null, reason: "DATA_CORRUPT", message: "it is broken" });
const lines = (path: string): unknown[] => readFileSync(path, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as unknown);

describe("skipped.jsonl", () => {
  it("has the items of each view, the latest alone", async () => {
    const path = join(temporaryFolder(), "skipped.jsonl");
    const list = new SkippedList(path);
    await list.set({ data: "photos", space: "clip" }, []);
    expect(existsSync(path)).toBe(false);
    await list.set({ data: "photos", space: "clip" }, [item(1), item(2)]);
    await list.set({ data: "photos", space: "ulip" }, [item(2)]);
    await list.set({ data: "photos", space: "clip" }, [item(3)]);
    const expected = [{ collection: "photos", space: "clip", ...item(3) }, { collection: "photos", space: "ulip", ...item(2) }];
    expect(lines(path)).toEqual(expected);
    // A run that is evaluated again keeps what it does not look at.
    const later = new SkippedList(path);
    await later.set({ data: "sounds", space: "clap" }, [item(7)]);
    expect(lines(path)).toEqual([...expected, { collection: "sounds", space: "clap", ...item(7) }]);
    for (const view of [{ data: "photos", space: "clip" }, { data: "photos", space: "ulip" }, { data: "sounds", space: "clap" }]) await later.set(view, []);
    expect(existsSync(path)).toBe(false);
  });

  it("has those of regions beside those of whole items", async () => {
    const path = join(temporaryFolder(), "skipped.jsonl");
    const whole = { data: "photos", space: "clip" };
    const patches = { ...whole, regions: { kind: "patches", from: "values" } } as const;
    const list = new SkippedList(path);
    await list.set(whole, [item(1)]);
    await list.set(patches, [item(1), item(2)]);
    const of = { collection: "photos", space: "clip" };
    const ofPatches = { ...of, regions: "patches by values" };
    expect(lines(path)).toEqual([{ ...of, ...item(1) }, { ...ofPatches, ...item(1) }, { ...ofPatches, ...item(2) }]);
    const later = new SkippedList(path);
    await later.set(patches, [item(3)]);
    expect(lines(path)).toEqual([{ ...of, ...item(1) }, { ...ofPatches, ...item(3) }]);
  });
});

it.each([
  ["skip", 5, 100, 5],
  ["skip", 5, 99, 4],
  ["skip", 0.5, 1000, 5],
  ["skip", 0, 1000, 0],
  ["skip", 100, 7, 7],
  ["fail", 50, 1000, 0],
] as const)("%s with a limit of %d percent lets %d items lack %d", (action, limit, count, most) => {
  expect(mostSkipped({ action, limit }, count)).toBe(most);
});
