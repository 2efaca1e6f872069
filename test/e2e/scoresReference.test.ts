import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { randomSource } from "../../src/connect/random.js";
import { writeNpy } from "../../src/data/npy.js";
import { setupPaths } from "../../src/setup/paths.js";
import { succeed, Workplace } from "./support/cli.js";

/** Scores with the truth that belongs to them, as both sides are given them. */
interface Case {
  readonly what: string;
  readonly task: "retrieval" | "classification";
  readonly dtype: "float32" | "float64";
  readonly scores: readonly (readonly number[])[];
  /** Retrieval: for each query, the columns that are relevant. */
  readonly relevance: readonly (readonly number[])[];
  /** Classification: the column of each item's class. */
  readonly labels: readonly number[];
  readonly ks: readonly number[];
}

/** What scikit-learn makes of it. */
interface Answer {
  readonly results: Readonly<Record<string, number>>;
  readonly reverse?: Readonly<Record<string, number>>;
  readonly confusion?: readonly (readonly number[])[];
}

/** What `cmcr metrics` prints. */
interface Printed {
  readonly results: Readonly<Record<string, { readonly value: number; readonly ci95: readonly [number, number] }>>;
  readonly reverse?: Printed["results"];
  readonly confusion?: readonly (readonly number[])[];
}

const TOLERANCE = 1e-6;

const random = randomSource(4);
const uniform = () => random.nextUint32() / 2 ** 32;
const below = (bound: number) => random.nextBelow(bound);
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Noise, in steps where scores are to tie. */
const noise = (rows: number, columns: number, steps: number | null = null) => range(rows).map(() => range(columns).map(() => (steps === null ? uniform() : below(steps) / steps)));

/** Noise with what is right lifted, so that metrics are neither 0 nor 1. */
function lifted(rows: number, columns: number, right: (row: number) => readonly number[], steps: number | null = null) {
  return noise(rows, columns, steps).map((scores, row) => scores.map((score, column) => score + (right(row).includes(column) ? 0.4 : 0)));
}

function retrieval(what: string, scores: Case["scores"], relevance: Case["relevance"], ks = [1, 5, 10], dtype: Case["dtype"] = "float32"): Case {
  return { what, task: "retrieval", dtype, scores, relevance, labels: [], ks };
}

function classification(what: string, scores: Case["scores"], labels: Case["labels"], ks = [1, 3, 5], dtype: Case["dtype"] = "float32"): Case {
  return { what, task: "classification", dtype, scores, relevance: [], labels, ks };
}

/** Some relevant columns for each query. */
const several = (queries: number, gallery: number, least: number, most: number) => range(queries).map(() => range(gallery).sort(() => uniform() - 0.5).slice(0, least + below(most - least + 1)).sort((a, b) => a - b));
const diagonal = (count: number) => range(count).map((row) => [row]);
const drawn = (items: number, classes: number) => range(items).map(() => below(classes));

const many = several(40, 60, 1, 5);
const some = several(30, 25, 0, 3);
const labels = drawn(120, 7);
/** Class 4 of 6 has no item. */
const gappy = drawn(90, 5).map((label) => (label === 4 ? 5 : label));

const CASES: readonly Case[] = [
  retrieval("noise, one relevant item", lifted(50, 50, (row) => [row]), diagonal(50)),
  retrieval("several relevant items", lifted(40, 60, (row) => many[row] ?? []), many),
  retrieval("several relevant items, float64", lifted(40, 60, (row) => many[row] ?? []), many, [1, 2, 7], "float64"),
  retrieval("scores that tie", lifted(40, 60, (row) => many[row] ?? [], 4), many),
  retrieval("every score the same", range(12).map(() => range(9).map(() => 0.5)), several(12, 9, 1, 3)),
  retrieval("queries and gallery items without a relevant one", lifted(30, 25, (row) => some[row] ?? [], 6), some),
  retrieval("k beyond the gallery", lifted(8, 6, (row) => [row % 6]), range(8).map((row) => [row % 6]), [1, 6, 7, 1000]),
  retrieval("one query", [[0.3, 0.9, 0.1, 0.9, 0.5]], [[0, 3]]),
  retrieval("one gallery item", [[0.3], [0.2], [0.9]], [[0], [], [0]]),
  retrieval("every item relevant", noise(5, 7), range(5).map(() => range(7))),
  retrieval("a tie of two relevant items and one that is not", [[0.5, 0.5, 0.5, 0.1]], [[0, 1]], [1, 2, 3]),
  retrieval("an even number of queries, whose median lies between two ranks", [[1, 2, 3], [3, 2, 1]], [[0], [1]], [1]),
  classification("noise", lifted(120, 7, (row) => [labels[row] ?? 0]), labels),
  classification("noise, float64", lifted(120, 7, (row) => [labels[row] ?? 0]), labels, [1, 2], "float64"),
  classification("scores that tie", lifted(120, 7, (row) => [labels[row] ?? 0], 3), labels),
  classification("every score the same", range(20).map(() => range(4).map(() => 1)), drawn(20, 4), [1, 2, 3, 4]),
  classification("a class without an item", lifted(90, 6, (row) => [gappy[row] ?? 0]), gappy),
  classification("k beyond the classes", lifted(40, 3, (row) => [row % 3]), range(40).map((row) => row % 3), [1, 3, 5]),
  classification("two classes", lifted(40, 2, (row) => [row % 2]), range(40).map((row) => row % 2), [1]),
  classification("one item", [[0.1, 0.7, 0.2]], [2]),
  classification("one class", [[0.1], [0.3]], [0, 0], [1]),
];

const place = new Workplace();
afterAll(() => {
  place.remove();
});

async function printed({ task, dtype, scores, relevance, labels: given, ks }: Case, number: number): Promise<Printed> {
  const folder = place.folder(`case-${number}`);
  const flat = scores.flat();
  await writeNpy(`${folder}/scores.npy`, dtype === "float32" ? Float32Array.from(flat) : Float64Array.from(flat), [scores.length, scores[0]?.length ?? 0]);
  await writeNpy(`${folder}/labels.npy`, Int32Array.from(given), [given.length]);
  writeFileSync(`${folder}/relevance.json`, JSON.stringify(relevance));
  const truth = task === "retrieval" ? ["--relevance", `${folder}/relevance.json`] : ["--labels", `${folder}/labels.npy`];
  const { stdout } = await succeed(["metrics", task, "--scores", `${folder}/scores.npy`, ...truth, "--ks", ks.join(","), "--resamples", "20"], { env: place.env });
  return JSON.parse(stdout) as Printed;
}

describe("cmcr metrics and scikit-learn", () => {
  let answers: readonly Answer[] = [];

  beforeAll(async () => {
    const script = fileURLToPath(new URL("support/scoresReference.py", import.meta.url));
    const { stdout } = await execa(setupPaths().python, [script], { input: JSON.stringify(CASES) });
    answers = JSON.parse(stdout) as readonly Answer[];
  }, 120_000);

  it.each(CASES.map((one, number) => [`${one.task}: ${one.what}`, one, number] as const))("agree on %s", async (_what, one, number) => {
    const [own, reference] = [await printed(one, number), answers[number]];
    if (reference === undefined) throw new Error("the reference has no answer");
    const compare = (mine: Printed["results"], theirs: Answer["results"]) => {
      expect(Object.keys(mine).sort()).toEqual(Object.keys(theirs).sort());
      for (const [metric, value] of Object.entries(theirs)) expect(Math.abs((mine[metric]?.value ?? NaN) - value), metric).toBeLessThan(TOLERANCE);
    };
    compare(own.results, reference.results);
    expect(own.reverse === undefined).toBe(one.task === "classification");
    compare(own.reverse ?? {}, reference.reverse ?? {});
    expect(own.confusion).toEqual(reference.confusion);
  });
});
