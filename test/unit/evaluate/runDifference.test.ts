import { describe, expect, it } from "vitest";
import { randomSource } from "../../../src/connect/random.js";
import { bootstrap, meanStatistic, pairedDifference } from "../../../src/evaluate/bootstrap.js";
import { type TaskBootstrap, taskBootstrap } from "../../../src/evaluate/bootstrapFile.js";
import { differenceNote } from "../../../src/evaluate/notes.js";
import { runDifference } from "../../../src/evaluate/runDifference.js";
import { overSeeds } from "../../../src/evaluate/seeds.js";

const ITEMS = 60;
const options = { resamples: 300, seed: 0 };

/** A run's metrics of the same items: their common luck, and what is the run's own. */
function run(shift: number, { seeds = [1, 2, 3], resamples = options.resamples, items = ITEMS, own = 0.1 } = {}) {
  const luck = randomSource(9);
  const shared = Float64Array.from({ length: items }, () => luck.nextUint32() / 2 ** 32);
  const records = seeds.map((seed) => {
    const random = randomSource(1000 * shift + seed);
    return { mAP: meanStatistic(shared.map((value) => value + shift + (own * random.nextUint32()) / 2 ** 32)) };
  });
  return bootstrap(items, overSeeds(records), { ...options, resamples });
}

const file = (metrics: ReturnType<typeof run>, truth = "t"): TaskBootstrap => JSON.parse(JSON.stringify(taskBootstrap({ task: "retrieval" }, truth, { results: metrics, reverse: metrics }))) as TaskBootstrap;

describe("the difference of two runs", () => {
  it("is that of their replicates, through the file, both ways round", () => {
    const [first, second] = [run(0.2), run(0.1)];
    const found = runDifference(file(first), file(second));
    if (first.mAP === undefined || second.mAP === undefined) throw new Error("no mAP");
    const { value, ci95, std, seeds } = pairedDifference(first.mAP, second.mAP);
    expect(found.results.mAP?.value).toBeCloseTo(value, 12);
    expect(found.results.mAP).toMatchObject({ ci95, seeds });
    expect(found.results.mAP?.std).toBeCloseTo(std ?? NaN, 12);
    expect(found.reverse).toEqual(found.results);
    expect(found.notices).toEqual([]);
    const width = ([low, high]: readonly [number, number]): number => high - low;
    expect(width(ci95)).toBeLessThan(width(first.mAP.ci95) / 2);
  });

  it("leaves out what only one of them measured, and resamples where it is undefined", () => {
    const [first, second] = [file(run(0.2)), file(run(0.1))];
    const other = { ...second, results: { ...second.results, MRR: second.results.mAP ?? [] } };
    expect(Object.keys(runDifference(first, other).results)).toEqual(["mAP"]);
    const gap = { ...first, results: { mAP: [null, ...(first.results.mAP ?? []).slice(1)] } };
    expect(runDifference(gap, second).results.mAP?.ci95.every(Number.isFinite)).toBe(true);
  });

  it.each([
    ["other items", run(0.1, { items: 50 })],
    ["other resamples", run(0.1, { resamples: 200 })],
  ])("is refused with %s", (_what, other) => {
    expect(() => runDifference(file(run(0.2)), file(other))).toThrow(RangeError);
  });

  it("is refused between kinds of task", () => {
    expect(() => runDifference(file(run(0.2)), { ...file(run(0.1)), task: "classification" })).toThrow(/retrieval and classification/);
  });

  it("says when truths or numbers of seeds differ", () => {
    const { results, notices } = runDifference(file(run(0.2), "a"), file(run(0.1, { seeds: [1] }), "b"));
    expect(notices).toHaveLength(2);
    expect(notices[0]).toContain("the same truth");
    expect(notices[1]).toContain("3 and 1 seeds");
    expect(results.mAP?.seeds).toHaveLength(3);
  });
});

describe("a sentence about it", () => {
  it.each([
    [{ value: 0.1, ci95: [0.05, 0.15] as const }, "mAP", "a is 0.100 mAP above b (95 % interval 0.050 to 0.150)."],
    [{ value: -0.1, ci95: [-0.15, -0.05] as const }, "mAP", "b is 0.100 mAP above a (95 % interval 0.050 to 0.150)."],
    [{ value: 0.1, ci95: [-0.01, 0.15] as const }, "mAP", "a and b cannot be told apart: a minus b is 0.100 mAP (95 % interval -0.010 to 0.150, which includes zero)."],
    [{ value: -4, ci95: [-6, -2] as const }, "medianRank", "a is 4 medianRank better (lower) than b (95 % interval 2 to 6)."],
    [{ value: 0, ci95: [0, 0] as const }, "mAP", "a and b cannot be told apart: a minus b is 0.000 mAP (95 % interval 0.000 to 0.000, which includes zero)."],
    [{ value: 0.1, ci95: [0.05, 0.15] as const, std: 0.1, seeds: [0.2, 0.1, -0.1] }, "mAP", "a is 0.100 mAP above b (95 % interval 0.050 to 0.150; ahead with 2 of 3 seeds)."],
  ])("claims only what the interval shows: %j", (difference, metric, sentence) => {
    expect(differenceNote("a", "b", difference, metric)).toBe(sentence);
  });
});
