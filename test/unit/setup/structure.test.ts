import { describe, expect, it } from "vitest";
import { inspectSource, inspectSources } from "../../../scripts/structure.mjs";

describe("inspectSource", () => {
  it("allows 400 lines and no more", () => {
    expect(inspectSource("src/a.ts", "x\n".repeat(400))).toEqual([]);
    expect(inspectSource("src/a.ts", "x\n".repeat(401))).toEqual(["src/a.ts: 401 lines, at most 400"]);
  });
  // Put together here, so that this file does not break the rules itself.
  it.each([
    ["a file without a subject", "src/data/utils.ts", "", "named after what it holds"],
    ["a second way", "src/legacy_names.py", "", "no legacy one"],
    ["a merge conflict", "src/a.ts", `${"<".repeat(7)} ours`, "merge conflict"],
    ["unfinished work", "src/a.ts", `// ${"TO"}DO: later`, "unfinished"],
    ["a test that is left out", "test/a.test.ts", `it${".skip"}("x", () => {});`, "left out"],
    ["a test alone", "test/a.test.ts", `describe${".only"}("x", () => {});`, "left in"],
    ["a Python test that is left out", "py-worker/tests/test_a.py", `@pytest.mark${".skip"}`, "left out"],
    ["one person's folder", "src/a.ts", `const path = "${"/home"}/someone/data";`, "one person's machine"],
  ])("reports %s", (_, path, text, why) => {
    expect(inspectSource(path, text)).toEqual([expect.stringContaining(why)]);
  });
  it("gives the line", () => {
    expect(inspectSource("src/a.ts", `a\nb\n${">".repeat(7)} theirs\n`)[0]).toMatch(/^src\/a\.ts:3: /);
  });
});

describe("inspectSources", () => {
  it("reads this repository's sources, itself included, and not what is generated", () => {
    const { files, violations } = inspectSources(process.cwd());
    expect(files).toBeGreaterThan(50);
    expect(violations.filter((line: string) => line.includes("src/bridge/gen"))).toEqual([]);
  });
});
