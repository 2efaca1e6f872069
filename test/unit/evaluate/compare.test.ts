import { describe, expect, it } from "vitest";
import { randomSource } from "../../../src/connect/random.js";
import { EXIT } from "../../../src/errors.js";
import { BASELINES } from "../../../src/evaluate/baselines.js";
import { classOutcomes } from "../../../src/evaluate/classification.js";
import { compareClassification, compareRetrieval, type RetrievalMethod } from "../../../src/evaluate/compare.js";
import { expectedAveragePrecision } from "../../../src/evaluate/chance.js";
import { formatMetric, higherIsBetter, PRIMARY_METRIC, TASKS } from "../../../src/evaluate/metricNames.js";
import { metricsFile } from "../../../src/evaluate/metricsFile.js";
import { rankColumns, rankRows } from "../../../src/evaluate/ranks.js";
import { relevanceFromLists, relevanceFromRows, reverseRelevance, type Relevance } from "../../../src/evaluate/relevance.js";

const bootstrap = { resamples: 300, seed: 0 };

/** Scores of noise, with the relevant pairs lifted. */
function method(name: string, relevance: Relevance, lift: number, seed: number): RetrievalMethod {
  const random = randomSource(seed);
  const { queries, gallery, offsets, columns } = relevance;
  const data = Float32Array.from({ length: queries * gallery }, () => random.nextUint32() / 2 ** 32);
  for (let query = 0; query < queries; query += 1) {
    for (const column of columns.subarray(offsets[query], offsets[query + 1])) data[query * gallery + column] = (data[query * gallery + column] ?? 0) + lift;
  }
  const scores = { data, rows: queries, columns: gallery };
  return { kind: "ranked", name, seeds: [{ forward: rankRows(scores, relevance, name), reverse: rankColumns(scores, reverseRelevance(relevance), name) }] };
}

const chance: RetrievalMethod = { kind: "chance", name: "chance" };
const rows = relevanceFromRows(200, 200, "test");
const retrieval = (methods: readonly RetrievalMethod[], relevance = rows) => compareRetrieval({ name: "sound-image", relevance, methods, ks: [1, 5], bootstrap }).metrics;

describe("methods side by side", () => {
  it("make an entry of metrics.json", () => {
    const task = retrieval([method("cmcr", rows, 0.5, 1), method("pivot", rows, 0.3, 2), chance]);
    expect(task).toMatchObject({ name: "sound-image", task: "retrieval", queries: 200, gallery: 200, leftOut: { queries: 0, gallery: 0 } });
    expect(Object.keys(task.results)).toEqual(["cmcr", "pivot", "chance"]);
    expect(Object.keys(task.reverse ?? {})).toEqual(["cmcr", "pivot", "chance"]);
    expect(Object.keys(task.results.cmcr ?? {})).toEqual(["R@1", "R@5", "mAP", "MRR", "medianRank"]);
    expect(task.results.chance?.mAP?.value).toBeCloseTo(expectedAveragePrecision(200, 1), 12);
    // Nothing but numbers may reach the file.
    const file = metricsFile("digits", [0], [task]);
    expect(JSON.parse(JSON.stringify(file))).toEqual(file);
    for (const metrics of [...Object.values(task.results), ...Object.values(task.reverse ?? {})]) {
      for (const { value, ci95 } of Object.values(metrics)) {
        expect(ci95[0]).toBeLessThanOrEqual(value);
        expect(ci95[1]).toBeGreaterThanOrEqual(value);
      }
    }
  });

  it("give the differences from the first, narrower than the methods' own intervals", () => {
    // The same noise under both, so that the queries' luck is shared.
    const { results, differences } = retrieval([method("cmcr", rows, 0.5, 1), method("pivot", rows, 0.48, 1)]);
    expect(Object.keys(differences.results)).toEqual(["pivot"]);
    const [difference, own, other] = [differences.results.pivot?.mAP, results.cmcr?.mAP, results.pivot?.mAP];
    if (difference === undefined || own === undefined || other === undefined) throw new Error("mAP is missing");
    expect(difference.value).toBeCloseTo(own.value - other.value, 12);
    expect(difference.ci95[1] - difference.ci95[0]).toBeLessThan((own.ci95[1] - own.ci95[0]) / 2);
  });

  it("say which is better, whichever it is", () => {
    const [strong, weak] = [method("cmcr", rows, 0.6, 1), method("pivot", rows, 0.2, 2)];
    expect(retrieval([strong, weak, chance]).notes[0]).toMatch(/^Query to gallery: cmcr is 0\.\d{3} mAP above pivot, the best other method \(95 % interval 0\.\d{3} to 0\.\d{3}\)\.$/);
    expect(retrieval([weak, strong, chance]).notes[0]).toMatch(/^Query to gallery: cmcr is 0\.\d{3} mAP above pivot \(95 % interval .*\): here the simpler method does better\.$/);
    expect(retrieval([method("cmcr", rows, 0.4, 2), method("pivot", rows, 0.4, 3)]).notes[0]).toMatch(/cmcr and pivot, the best other method, cannot be told apart: cmcr minus pivot is -?0\.\d{3} mAP .*includes zero/);
  });

  it("name the best of several rivals, and never chance", () => {
    const { notes } = retrieval([method("cmcr", rows, 0.6, 1), chance, method("pivot", rows, 0.1, 2), method("ridge", rows, 0.3, 3)]);
    expect(notes.filter((note) => note.includes("ridge"))).toHaveLength(2);
    expect(notes.join(" ")).not.toMatch(/pivot|chance/);
  });

  it("admit when nothing is shown beyond chance", () => {
    const { notes } = retrieval([method("cmcr", rows, 0, 1), chance]);
    expect(notes.some((note) => note.includes("not shown to do better than chance"))).toBe(true);
  });

  it("say that chance does better where its whole interval does", () => {
    const [guess, sure] = [{ ...method("cmcr", rows, 0, 1), name: "cmcr" }, { ...method("chance", rows, 0.6, 2), name: "chance" }];
    const notes = retrieval([guess, sure]).notes.join(" ");
    expect(notes).toMatch(/chance is 0\.\d{3} mAP above cmcr \(95 % interval 0\.\d{3} to 0\.\d{3}\): cmcr does worse than guessing\./);
    expect(notes).not.toContain("not shown to do better");
  });

  it("count what is left out, and say when little is left", () => {
    const relevance = relevanceFromLists([[0], [], [1, 0], []], 4, 3, "test");
    const task = retrieval([method("cmcr", relevance, 0.5, 1), chance], relevance);
    expect(task).toMatchObject({ queries: 4, gallery: 3, leftOut: { queries: 2, gallery: 1 } });
    expect(task.notes).toContain("2 of 4 queries have no relevant item and count in no metric.");
    expect(task.notes).toContain("1 of 3 gallery items has no relevant item and counts in no metric.");
    expect(task.notes).toContain("Only 2 queries count: the intervals are wide, and rough.");
  });

  it("refuse a task in which nothing is relevant, and a name given twice", () => {
    expect(() => retrieval([chance], relevanceFromLists([[], []], 2, 3, "test"))).toThrow(expect.objectContaining({ code: EXIT.data, reason: "NOTHING_RELEVANT" }));
    expect(() => retrieval([chance, chance])).toThrow(/same name/);
  });

  it("compare classifiers", () => {
    const truth = Uint32Array.from({ length: 120 }, (_, i) => i % 3);
    const scores = (right: number) => Float64Array.from({ length: 360 }, (_, i) => Number(i % 3 === (Math.floor(i / 3) + (Math.floor(i / 3) % 10 < right ? 0 : 1)) % 3));
    const outcomes = (right: number) => classOutcomes({ data: scores(right), rows: 120, columns: 3 }, truth, "test");
    const { metrics: task } = compareClassification({
      name: "shapes",
      truth,
      classes: { labels: [4, 7, 9], names: ["cup", "bowl", "plant"] },
      methods: [
        { kind: "scored", name: "cmcr", seeds: [outcomes(9)] },
        { kind: "scored", name: "ridge", seeds: [outcomes(5)] },
        { kind: "chance", name: "chance" },
      ],
      ks: [1, 3],
      bootstrap,
    });
    expect(task).toMatchObject({ task: "classification", queries: 120, gallery: 3 });
    expect(task.reverse).toBeUndefined();
    expect(task.results.cmcr?.top1?.value).toBeCloseTo(0.9, 12);
    expect(task.results.ridge?.top1?.value).toBeCloseTo(0.5, 12);
    expect(task.results.chance?.top1).toEqual({ value: 1 / 3, ci95: [1 / 3, 1 / 3] });
    expect(task.notes).toHaveLength(3);
    expect(task.notes[0]).toMatch(/^cmcr is 0\.400 top1 above ridge/);
    expect(task.classes?.map(({ label, name, items }) => [label, name, items])).toEqual([[4, "cup", 40], [7, "bowl", 40], [9, "plant", 40]]);
    expect(task.classes?.[0]?.recall).toEqual({ cmcr: 0.9, ridge: 0.5 });
  });

  it("take the mean over seeds, and say of how many", () => {
    const seeds = [1, 2, 3].flatMap((seed) => (method("cmcr", rows, 0.3 + 0.1 * seed, seed) as Extract<RetrievalMethod, { kind: "ranked" }>).seeds);
    const own: RetrievalMethod = { kind: "ranked", name: "cmcr", seeds };
    const alone = seeds.map((ranks) => retrieval([{ kind: "ranked", name: "cmcr", seeds: [ranks] }]).results.cmcr?.mAP);
    const { results, differences, notes } = retrieval([own, method("pivot", rows, 0.1, 4)]);
    const values = alone.map((estimate) => estimate?.value ?? NaN);
    const mean = values.reduce((sum, value) => sum + value, 0) / 3;
    expect(results.cmcr?.mAP?.seeds).toEqual(values);
    expect(results.cmcr?.mAP?.value).toBeCloseTo(mean, 12);
    expect(results.cmcr?.mAP?.std).toBeCloseTo(Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 2), 12);
    expect(alone[0]).not.toHaveProperty("std");
    expect(results.pivot?.mAP).not.toHaveProperty("seeds");
    expect(differences.results.pivot?.mAP?.seeds).toEqual(values.map((value) => value - (results.pivot?.mAP?.value ?? NaN)));
    const width = ({ ci95: [low, high] }: { ci95: readonly [number, number] }): number => high - low;
    const widths = [results.cmcr?.mAP, alone[1]].map((estimate) => (estimate === undefined ? NaN : width(estimate)));
    // The seeds differ much, and one seed's interval knows nothing of that.
    expect(widths[0]).toBeGreaterThan(1.3 * (widths[1] ?? NaN));
    expect(notes[0]).toMatch(/^Query to gallery: cmcr is 0\.\d{3} mAP above pivot, the best other method \(95 % interval 0\.\d{3} to 0\.\d{3}; ahead with 3 of 3 seeds\)\.$/);
    expect(notes).toContain("cmcr was trained with 3 seeds: its values are their means, ± their standard deviation, and its intervals cover queries and seeds.");
    expect(notes).toContain("Its mAP varies more between seeds than between draws of the queries: with only 3 seeds the intervals are somewhat too narrow.");
  });

  it("claim nothing that one seed alone shows", () => {
    const [weak, strong] = [method("cmcr", rows, 0.35, 1), method("cmcr", rows, 0.6, 2)] as Extract<RetrievalMethod, { kind: "ranked" }>[];
    const seeds = [...(weak?.seeds ?? []), ...(strong?.seeds ?? []), ...(weak?.seeds ?? [])];
    const rival = method("pivot", rows, 0.37, 3);
    const best = retrieval([{ kind: "ranked", name: "cmcr", seeds: strong?.seeds ?? [] }, rival]).notes[0];
    expect(best).toContain("mAP above pivot");
    const [note] = retrieval([{ kind: "ranked", name: "cmcr", seeds }, rival]).notes;
    expect(note).toMatch(/cannot be told apart.*includes zero; ahead with 1 of 3 seeds\)\.$/);
  });

  it("say where the first does not reach into the interval of the best other", () => {
    const notes = retrieval([method("cmcr", rows, 0.2, 1), method("pivot", rows, 0.6, 2)]).notes;
    expect(notes.join("\n")).toMatch(/cmcr is not above the lower end of pivot's own interval: 0\.\d{3} against 0\.\d{3}\./);
    const near = retrieval([method("cmcr", rows, 0.4, 2), method("pivot", rows, 0.4, 3)]).notes;
    expect(near.join("\n")).not.toContain("own interval");
  });

  it("refuse a run with two tasks of one name", () => {
    const task = retrieval([chance]);
    expect(() => metricsFile("digits", [0], [task, task])).toThrow(/same name/);
    expect(metricsFile("digits", [3], [])).toEqual({ schemaVersion: 1, run: "digits", seed: 3, tasks: [] });
  });
});

describe("names", () => {
  it("of metrics: which way is better, and how they are read", () => {
    expect(TASKS.map((task) => higherIsBetter(PRIMARY_METRIC[task]))).toEqual([true, true, true, true]);
    expect(higherIsBetter("medianRank")).toBe(false);
    expect([formatMetric("mAP", 0.12345), formatMetric("medianRank", 2.5), formatMetric("medianRank", 12)]).toEqual(["0.123", "2.5", "12"]);
  });

  it("of baselines: each once, chance and centre alone without the worker, and with no gap to close", () => {
    expect(new Set(BASELINES.map(({ name }) => name)).size).toBe(BASELINES.length);
    expect(BASELINES.filter(({ computed }) => computed === "expectation").map(({ name }) => name)).toEqual(["chance", "centre"]);
    expect(BASELINES.filter(({ gap }) => !gap).map(({ name }) => name)).toEqual(["chance", "centre"]);
    for (const { description } of BASELINES) expect(description).toMatch(/^[A-Z].*\.$/);
  });
});
