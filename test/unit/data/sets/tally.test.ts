import { describe, expect, it } from "vitest";

import { SetCopy } from "../../../../src/data/sets/copy.js";
import type { SetDefinition } from "../../../../src/data/sets/definition.js";
import { sets } from "../../../../src/data/sets/registry.js";
import { tally } from "../../../../src/data/sets/tally.js";

/** What a copy with these counts comes to. */
function tallied(definition: SetDefinition, counts: Readonly<Record<string, number>>, faults: Readonly<Record<string, number>> = {}, unread: readonly string[] = []) {
  const copy = new SetCopy("/nowhere", { report: () => undefined });
  for (const [name, count] of Object.entries(counts)) copy.count(name, count);
  for (const [key, count] of Object.entries(faults)) for (let time = 0; time < count; time += 1) copy.known(key, { file: "x", at: "" }, "");
  for (const file of unread) copy.unread.add(file);
  const { counts: states, findings } = tally(copy, definition);
  return { states: Object.fromEntries(states.map(({ name, state }) => [name, state])), said: findings.map(({ message }) => message) };
}

const VGG_WHOLE = { items: 5158, classes: 221, boxes: 5941 };
const VGG_FAULTS = { "degenerate-box": 18, "negative-box": 12 };

describe("VGG-SS", () => {
  const vgg = (counts: object, faults: object = VGG_FAULTS) => tallied(sets.get("vgg-ss"), { ...VGG_WHOLE, ...counts }, { ...VGG_FAULTS, ...faults });

  it("with all that is published is whole", () => {
    expect(vgg({})).toEqual({ states: { items: "whole", classes: "whole", boxes: "whole" }, said: [] });
  });

  it("with fewer of all is a subset", () => {
    expect(tallied(sets.get("vgg-ss"), { items: 37, classes: 20, boxes: 40 }, { "degenerate-box": 1 })).toEqual({ states: { items: "subset", classes: "subset", boxes: "subset" }, said: [] });
  });

  it("with all items and a box less is wrong, as one from which a box was lost", () => {
    expect(vgg({ boxes: 5940 })).toMatchObject({ states: { items: "whole", boxes: "wrong" }, said: [expect.stringContaining("5940 boxes where 5941 are published")] });
  });

  it("with more than is published is wrong", () => {
    expect(vgg({ items: 5159 }).said).toContainEqual("has 5159 items, and 5158 are published");
  });

  it("with one degenerate box more than the 18 known ones is wrong, and with one less", () => {
    expect(vgg({}, { "degenerate-box": 19 }).said).toEqual(["19 times degenerate box, and the published file has 18"]);
    expect(vgg({}, { "negative-box": 11 }).said).toEqual(["11 times negative box, and the published file has 12"]);
  });

  it("that could not be read to its end is held against nothing but more", () => {
    expect(tallied(sets.get("vgg-ss"), { ...VGG_WHOLE, boxes: 5000 }, {}, ["vggss.json"]).said).toEqual([]);
  });
});

it("Flickr-SoundNet with 249 clips is the other published list, with 248 a subset", () => {
  expect(tallied(sets.get("flickr-soundnet"), { items: 249 }).states).toEqual({ items: "variant" });
  expect(tallied(sets.get("flickr-soundnet"), { items: 248 }).states).toEqual({ items: "subset" });
});

it("AVE with 45 videos repeated is whole, with another number not", () => {
  const counts = { events: 4143, clips: 4097, categories: 28, train: 3339, val: 402, test: 402 };
  expect(tallied(sets.get("ave"), counts, { "repeated-video": 46 }).said).toEqual([]);
  expect(tallied(sets.get("ave"), counts, { "repeated-video": 47 }).said).toHaveLength(1);
  expect(tallied(sets.get("ave"), { ...counts, test: 401 }, { "repeated-video": 46 }).states).toMatchObject({ test: "wrong" });
});

it("AudioCaps knows WavCaps' smaller copy", () => {
  expect(tallied(sets.get("audiocaps"), { train: 49274, val: 494, test: 957 }).states).toEqual({ train: "variant", val: "variant", test: "variant" });
});
