import { readFile } from "node:fs/promises";

import { describe, expect, it } from "vitest";

import { BASELINE_NAMES } from "../../../src/config/baselines.js";
import { experimentReference } from "../../../src/config/reference.js";

describe("the reference of the experiment file", () => {
  it("is the one in docs: renew it with `cmcr schema --markdown > docs/experiment-file.md`", async () => {
    expect(await readFile("docs/experiment-file.md", "utf8")).toBe(experimentReference());
  });

  it("names every field of a side, a schedule and a task, and every baseline", () => {
    const text = experimentReference();
    for (const path of ["connect.sides[].memory", "connect.optimizer.lr", "evaluate[].gallery.space", "data.NAME.embeddings"]) expect(text).toContain(`\`${path}\``);
    for (const name of BASELINE_NAMES) expect(text).toContain(`\`${name}\``);
  });

  it("has a description in every row", () => {
    const rows = experimentReference().split("\n").filter((line) => line.startsWith("| `"));
    expect(rows.length).toBeGreaterThan(50);
    for (const row of rows) expect(row.split(" | ").at(-1)).not.toBe("|");
  });
});
