import { readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { sets, SETS } from "../../../../src/data/sets/registry.js";
import { setsMarkdown } from "../../../../src/report/setsMarkdown.js";
import { renderTree } from "../../../../src/report/setsText.js";
import { SMALL_COPIES } from "../../../e2e/support/smallCopies.js";
import { ROOT } from "../../../helpers/built.js";

it("knows the paper's fourteen data sets, each with a writer of small copies", () => {
  expect([...sets.names].sort()).toEqual(Object.keys(SMALL_COPIES).sort());
  expect(sets.names).toHaveLength(14);
});

it("docs/datasets.md is what the registry makes it: cmcr data list --markdown > docs/datasets.md", () => {
  expect(readFileSync(join(ROOT, "docs", "datasets.md"), "utf8")).toBe(setsMarkdown(SETS));
});

describe.each(SETS.map((definition) => [definition.name, definition] as const))("%s", (_, { layout, counts, faults, from, licence, cite, prepare }) => {
  it("says where it comes from, under which licence, and what is to be known of it", () => {
    expect(from.length).toBeGreaterThan(0);
    for (const { at } of from) expect(at).toMatch(/^https:\/\//);
    expect(licence).toMatch(/as published by its authors|not stated|research purposes only/);
    expect(cite).toMatch(/\d{4}/);
    expect(faults.length).toBeGreaterThan(0);
  });

  it("has each path of its layout once, and a way to get each", () => {
    expect(new Set(layout.map(({ path }) => path)).size).toBe(layout.length);
    for (const { get, need, path } of layout) {
      expect(get).not.toMatch(/[.]$/);
      if (need === "needed") expect(path).not.toContain("..");
    }
    // What is needed can come from somewhere.
    expect(layout.some(({ need }) => need !== "optional")).toBe(true);
    if (prepare.clips !== undefined) expect(layout.map(({ path }) => path)).toContain("videos/");
  });

  it("holds counts against counts that come before them", () => {
    const before = new Set<string>();
    for (const { name, published, with: other } of counts) {
      if (other !== undefined) expect(before).toContain(other);
      expect(published).toBeGreaterThan(0);
      expect(before).not.toContain(name);
      before.add(name);
    }
    for (const { published, with: other } of faults) if (published !== null) expect(before).toContain(other);
  });
});

it("draws a layout as a tree", () => {
  expect(renderTree([
    { path: "list.csv", what: "the list", need: "needed", by: "download", get: "x" },
    { path: "frames/", what: "images", files: "<id>.jpg", need: "optional", by: "prepare", get: "x" },
    { path: "audio/", what: "sounds", files: "<id>.wav", need: { choice: "sounds" }, by: "prepare", get: "x" },
  ], "data/x")).toEqual([
    "data/x/",
    "├── list.csv  the list",
    "├── frames/   images (optional)",
    "│   └── <id>.jpg",
    "└── audio/    sounds (one of the sounds is enough)",
    "    └── <id>.wav",
  ]);
});
