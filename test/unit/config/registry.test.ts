import { describe, expect, it } from "vitest";

import { BASELINE_NAMES, baselines, DEFAULT_BASELINES } from "../../../src/config/baselines.js";
import { methods } from "../../../src/config/methods/registry.js";
import { providers } from "../../../src/config/providers/registry.js";
import { indexByName } from "../../../src/config/registry.js";
import { sources } from "../../../src/config/sources/registry.js";
import { tasks } from "../../../src/config/tasks/registry.js";

describe("a registry", () => {
  it("refuses two entries of one name, and lists the known names for an unknown one", () => {
    expect(() => indexByName("task", [{ name: "a" }, { name: "a" }])).toThrow('two entries of the registry of tasks are named "a"');
    expect(() => indexByName("task", [{ name: "a" }, { name: "b" }]).get("c")).toThrow('no task is named "c"; known: a, b');
  });

  it.each([
    ["providers", providers.names, ["precomputed", "builtin"]],
    ["sources", sources.names, ["builtin", "inline", "lines", "folder", "glob", "class-folder", "webdataset", "csv", "tsv", "jsonl", "json", "parquet", "coco", "flickr30k", "cc3m", "msr-vtt", "audiocaps", "clotho", "audioset", "vggsound", "ave"]],
    ["methods", methods.names, ["cmcr"]],
    ["tasks", tasks.names, ["retrieval", "classification", "localization", "counterfactual"]],
    ["baselines", baselines.names, ["chance", "centre", "pivot", "pivot-soft", "pivot-two-sided", "procrustes", "ridge", "relative", "cca", "memory-ridge"]],
  ])("of %s has the names that files rely on", (_kind, names, expected) => {
    expect(names).toEqual(expect.arrayContaining(expected));
  });

  it("offers +gap of every baseline that looks at embeddings, and has its defaults", () => {
    const gaps = BASELINE_NAMES.filter((name) => name.endsWith("+gap")).map((name) => name.slice(0, -4));
    expect(gaps).toEqual(baselines.names.filter((name) => name !== "chance" && name !== "centre"));
    expect(BASELINE_NAMES).toEqual(expect.arrayContaining([...DEFAULT_BASELINES]));
  });
});
