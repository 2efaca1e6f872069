import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { CompiledClassification, CompiledCollection, CompiledLabels, CompiledView } from "../../../src/config/compiled.js";
import type { ItemInfo } from "../../../src/data/itemList.js";
import { writeNpy } from "../../../src/data/npy.js";
import { classificationKind } from "../../../src/run/stages/classification.js";
import type { TruthContext } from "../../../src/run/stages/taskKind.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

const TASK = { name: "zero-shot", task: "classification", query: { data: "things", space: "sight" }, classes: { data: "prompts", space: "sight" } } as CompiledClassification;
const byClass: CompiledLabels = { kind: "attribute", attribute: "class" };

async function numbers(...labels: readonly number[]): Promise<CompiledLabels> {
  const path = join(temporaryFolder(), "labels.npy");
  await writeNpy(path, Int32Array.from(labels), [labels.length]);
  return { kind: "file", path };
}

interface Side {
  readonly classes: readonly string[];
  readonly labels: CompiledLabels | null;
  readonly skipped?: readonly number[];
  readonly sourceless?: boolean;
}

/** A context of items of these classes. */
function contextOf(sides: { readonly things: Side; readonly prompts: Side }): TruthContext {
  const of = (name: string): Side => sides[name as keyof typeof sides];
  const collection = (name: "things" | "prompts") => ({ name, embeddings: {}, labels: of(name).labels, source: of(name).sourceless === true ? null : { type: "folder", path: "/x" } }) as unknown as CompiledCollection;
  return {
    run: {
      experiment: { data: { things: collection("things"), prompts: collection("prompts") } },
      worker: { encoders: {} },
      lists: {
        get: ({ name }: CompiledCollection) =>
          Promise.resolve({
            count: of(name).classes.length,
            named: true,
            attributes: ["class"],
            async *describe({ from, to }: { from: number; to: number }) {
              yield await Promise.resolve(of(name).classes.map((own, item): ItemInfo => ({ item, id: `${own}/${item}.png`, name: own, file: null, attributes: { class: own } })).slice(from, to));
            },
          }),
      },
    },
    table: { get: ({ data }: CompiledView) => ({ kept: { count: of(data).classes.length, skipped: of(data).skipped ?? [] }, regions: null }) },
  } as unknown as TruthContext;
}

describe("an item of a class that no prompt has", () => {
  it("is named with its class, and the classes that there are", async () => {
    const context = contextOf({ things: { classes: ["broken thing", "red thing", "blue thing"], labels: byClass, skipped: [0] }, prompts: { classes: ["red thing", "green thing"], labels: byClass } });
    const error = await failureOf(classificationKind.truth(context, TASK));
    expect(error).toMatchObject({ code: 3, reason: "LABELS_INVALID", path: "data.things.labels" });
    expect(error.message).toBe(
      'data.things.labels: item blue thing/2.png of data.things is of class "blue thing", which no prompt of data.prompts has (they have: green thing, red thing). Add a prompt of that class to data.prompts, spelt as data.things.labels spells it, or leave such items out.',
    );
  });

  it("is named by its label where one side has numbers alone", async () => {
    const things = { classes: ["red", "blue"], labels: await numbers(0, 7), sourceless: true };
    const error = await failureOf(classificationKind.truth(contextOf({ things, prompts: { classes: ["red", "green"], labels: byClass } }), TASK));
    expect(error.message).toContain("item 1 (counted from 0) of data.things has the label 7, which no prompt of data.prompts has (they have: 0, 1). Number the labels of both alike");
  });

  it("is told of prompts without labels, of which each is a class", async () => {
    const things = { classes: ["a", "b", "c"], labels: byClass };
    const error = await failureOf(classificationKind.truth(contextOf({ things, prompts: { classes: ["a", "b"], labels: null } }), TASK));
    expect(error.message).toContain('item c/2.png of data.things has the label 2 ("c"), which no prompt of data.prompts has (they have: 0, 1). Without data.prompts.labels each of its items is a class of its own');
  });

  it("is named beside ten of many classes", async () => {
    const prompts = { classes: Array.from({ length: 40 }, (_, i) => `class ${i + 10}`), labels: byClass };
    const error = await failureOf(classificationKind.truth(contextOf({ things: { classes: ["none"], labels: byClass }, prompts }), TASK));
    expect(error.message).toContain("class 18, class 19 and 30 more)");
  });
});

it("items whose classes all have a prompt are placed among the prompts' classes", async () => {
  const truth = await classificationKind.truth(contextOf({ things: { classes: ["red", "blue", "red"], labels: byClass }, prompts: { classes: ["blue", "red", "green", "red"], labels: byClass } }), TASK);
  expect(truth).toMatchObject({ names: ["blue", "green", "red"], ofItem: Uint32Array.of(2, 0, 2), ofPrompt: Uint32Array.of(0, 2, 1, 2) });
});
