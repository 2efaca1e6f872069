import { describe, expect, it } from "vitest";
import { randomSource } from "../../../src/connect/random.js";
import { EXIT } from "../../../src/errors.js";
import { compareCounterfactual, compareLocalization, type PlaceComparison, type PlaceMethod } from "../../../src/evaluate/comparePlaces.js";
import type { Box } from "../../../src/evaluate/localization.js";
import type { MapSettings, PlaceItems } from "../../../src/evaluate/places.js";

const SETTINGS: MapSettings = { combine: "mean", predict: "map", interpolation: "bilinear", alignCorners: true, resolution: 32, threshold: null, strict: false, consensus: 1 };
const QUARTERS: Box[] = [
  [0, 0, 0.5, 0.5],
  [0.5, 0, 1, 0.5],
  [0, 0.5, 0.5, 1],
  [0.5, 0.5, 1, 1],
];

function itemsOf(boxes: readonly (readonly Box[])[]): PlaceItems {
  return { boxes, starts: Uint32Array.from(boxes, (_, i) => i * 4), ends: Uint32Array.from(boxes, (_, i) => i * 4 + 4), regions: boxes.flatMap(() => QUARTERS), grid: null };
}

const COUNT = 150;
const half: Box = [0, 0, 1, 0.5];
const sounding = itemsOf(Array.from({ length: COUNT }, () => [half]));
const mixed = itemsOf(Array.from({ length: COUNT }, (_, i) => (i % 3 === 0 ? [] : [half])));
const chance: PlaceMethod = { kind: "chance", name: "chance" };
const centre: PlaceMethod = { kind: "centre", name: "centre" };

/** A method that finds a share of the places, and is confident of what sounds as far as `sure` says. */
function method(name: string, { boxes }: PlaceItems, share: number, seeds = [1], sure = 1): PlaceMethod {
  return {
    kind: "measured",
    name,
    seeds: seeds.map((seed) => {
      const random = randomSource(seed);
      const uniform = () => random.nextUint32() / 2 ** 32;
      return {
        ciou: Float64Array.from(boxes, ({ length }) => (length === 0 ? NaN : uniform() < share ? 0.75 : 0.25)),
        confidence: Float64Array.from(boxes, ({ length }) => uniform() + (length > 0 ? sure : 0)),
      };
    }),
  };
}

const comparison = (items: PlaceItems, methods: readonly PlaceMethod[], more: Partial<PlaceComparison> = {}): PlaceComparison => ({
  name: "where",
  items,
  leftOut: 0,
  map: SETTINGS,
  methods,
  bootstrap: { resamples: 200, seed: 0 },
  ...more,
});

describe("localization side by side", () => {
  it("has the names of the metrics, the counts, intervals and differences of every method", () => {
    const { metrics, replicates } = compareLocalization(comparison(sounding, [method("cmcr", sounding, 0.8), method("ridge", sounding, 0.3, [2]), chance, centre], { leftOut: 7 }));
    expect(metrics).toMatchObject({ name: "where", task: "localization", queries: COUNT + 7, gallery: COUNT, leftOut: { queries: 7, gallery: 0 } });
    expect(Object.keys(metrics.results)).toEqual(["cmcr", "ridge", "chance", "centre"]);
    for (const results of Object.values(metrics.results)) expect(Object.keys(results)).toEqual(["cIoU@0.5", "AUC", "meanCIoU"]);
    expect(metrics.results.cmcr?.["cIoU@0.5"]?.value).toBeCloseTo(0.8, 1);
    expect(Object.keys(metrics.differences.results)).toEqual(["ridge", "chance", "centre"]);
    expect(metrics.notes).toContainEqual(expect.stringMatching(/^cmcr is 0\.\d{3} cIoU@0\.5 above centre|above ridge, the best other method/));
    expect(metrics.notes).toContain("7 of 157 items have no box and count in no metric.");
    expect(metrics.notes).toContain("chance has the same regions with scores drawn with the bootstrap's seed, 0.");
    expect(Object.keys(replicates.results)).toEqual(["cIoU@0.5", "AUC", "meanCIoU"]);
    expect(replicates.results["cIoU@0.5"]?.replicates).toHaveLength(200);
  });

  it("draws chance with the bootstrap's seed", () => {
    const values = [0, 1, 1].map((seed) => compareLocalization(comparison(sounding, [chance], { bootstrap: { resamples: 10, seed } })).metrics.results.chance?.meanCIoU?.value);
    expect(values[1]).toBe(values[2]);
    expect(values[0]).not.toBe(values[1]);
  });

  it("counts the centre as a rival: a method that is not above it has shown nothing", () => {
    // Half a frame above: the centre's disc has half of it, and cIoU 1/3.
    const middle = itemsOf(Array.from({ length: COUNT }, (): Box[] => [[0.1, 0.1, 0.9, 0.9]]));
    const { notes } = compareLocalization(comparison(middle, [method("cmcr", middle, 0.5), centre, chance])).metrics;
    expect(notes[0]).toMatch(/^centre is 0\.\d{3} cIoU@0\.5 above cmcr \(95 % interval .*\): here the simpler method does better\.$/);
  });

  it("claims nothing where the interval holds zero", () => {
    const { notes } = compareLocalization(comparison(sounding, [method("cmcr", sounding, 0.5, [1]), method("ridge", sounding, 0.5, [2])])).metrics;
    expect(notes[0]).toMatch(/^cmcr and ridge, the best other method, cannot be told apart: .*which includes zero\)\.$/);
  });

  it("has of several seeds the mean, their deviation and each value", () => {
    const own = method("cmcr", sounding, 0.6, [1, 2, 3]);
    const { cmcr } = compareLocalization(comparison(sounding, [own, chance])).metrics.results;
    const single = [1, 2, 3].map((seed) => compareLocalization(comparison(sounding, [method("cmcr", sounding, 0.6, [seed])])).metrics.results.cmcr?.AUC?.value ?? NaN);
    expect(cmcr?.AUC?.seeds).toEqual(single);
    expect(cmcr?.AUC?.value).toBeCloseTo(single.reduce((a, b) => a + b) / 3, 12);
    expect(cmcr?.AUC?.std).toBeGreaterThan(0);
  });

  it("is parted by the size of what sounds", () => {
    const boxes: Box[][] = [[[0, 0, 0.1, 0.1]], [[0, 0, 0.3, 0.3]], [[0, 0, 0.5, 0.5]], [[0, 0, 0.5, 0.5]], [[0, 0, 1, 1]]];
    const items = itemsOf(boxes);
    const own: PlaceMethod = { kind: "measured", name: "cmcr", seeds: [{ ciou: Float64Array.of(0.2, 0.5, 0.7, 0.1, 0.9), confidence: new Float64Array(5) }] };
    const { sizes } = compareLocalization(comparison(items, [own, centre])).metrics;
    expect(Object.entries(sizes ?? {}).map(([size, { items: count, results }]) => [size, count, results.cmcr?.["cIoU@0.5"]?.value])).toEqual([
      ["small", 1, 0],
      ["medium", 1, 1],
      ["large", 2, 0.5],
      ["huge", 1, 1],
    ]);
    expect(sizes?.large?.results.cmcr?.meanCIoU?.value).toBeCloseTo(0.4, 12);
    expect(Object.keys(sizes?.huge?.results ?? {})).toEqual(["cmcr", "centre"]);
    const single = compareLocalization(comparison(itemsOf([[half]]), [method("cmcr", itemsOf([[half]]), 1)])).metrics;
    expect(single.sizes).toMatchObject({ small: { items: 0, results: {} }, huge: { items: 1 } });
    // One item: its own value, and an interval of no width.
    expect(single.results.cmcr?.["cIoU@0.5"]).toEqual({ value: 1, ci95: [1, 1] });
  });

  it("says what is odd about boxes, and that an item of such boxes counts", () => {
    const items = itemsOf([[[-2.9e16, 0, 1, 1]], [[0.8, 0, 0.2, 1]], [[0.5, 0, 0.4, 1], [0, 0, 1, 1]], [[0, 0, 1, 1]]]);
    const own: PlaceMethod = { kind: "measured", name: "cmcr", seeds: [{ ciou: Float64Array.of(1, 0, 1, 1), confidence: new Float64Array(4) }] };
    const { results, notes, gallery } = compareLocalization(comparison(items, [own])).metrics;
    expect(results.cmcr?.["cIoU@0.5"]?.value).toBe(0.75);
    expect(gallery).toBe(5);
    expect(notes).toContain("1 box reaches beyond the frame and is cut at it.");
    expect(notes).toContain("2 boxes are degenerate, right not beyond left or bottom not below top, and cover nothing.");
    expect(notes).toContain("1 item has boxes of which none covers a pixel: it counts as sounding, and the cIoU can only be 0.");
  });

  it("says where the median cannot but miss, and only where maps are cut at it", () => {
    const items = itemsOf([[[0, 0, 0.4, 0.4]], [half]]);
    const notes = (map: Partial<MapSettings>) => compareLocalization(comparison(items, [method("cmcr", items, 1)], { map: { ...SETTINGS, ...map } })).metrics.notes.join(" ");
    expect(notes({})).toContain("In 1 of 2 sounding items what sounds is so small that no map cut at its median");
    for (const map of [{ threshold: 0.5 }, { threshold: "half-maximum" }, { strict: true }, { predict: "best-region" }] as const) expect(notes(map)).not.toContain("median");
  });

  it("is not measured without a box, and without an item", () => {
    for (const boxes of [[[], []], []]) {
      expect(() => compareLocalization(comparison(itemsOf(boxes), [chance]))).toThrow(expect.objectContaining({ code: EXIT.data, reason: "NOTHING_TO_MEASURE" }));
    }
  });
});

describe("counterfactual recognition side by side", () => {
  it("has the names of the metrics, and how many items sound", () => {
    const { metrics } = compareCounterfactual(comparison(mixed, [method("cmcr", mixed, 0.8), method("ridge", mixed, 0.3, [2], 0.1), chance, centre]));
    expect(metrics).toMatchObject({ task: "counterfactual", queries: COUNT, gallery: 100, leftOut: { queries: 0, gallery: 0 } });
    for (const results of Object.values(metrics.results)) expect(Object.keys(results)).toEqual(["AP", "maxF1", "LocAcc"]);
    expect(metrics.notes[0]).toMatch(/^cmcr is 0\.\d{3} AP above ridge, the best other method/);
    expect(metrics.notes).toContain("chance has the same regions with scores and a confidence drawn with the bootstrap's seed, 0.");
    expect(Object.keys(metrics.sizes?.huge?.results.cmcr ?? {})).toEqual(["LocAcc"]);
    expect(metrics.sizes?.huge?.results.cmcr?.LocAcc?.value).toBe(metrics.results.cmcr?.LocAcc?.value);
  });

  it("gives the centre, which is equally confident of all, an AP of 0 by definition, and says so", () => {
    const { results, notes } = compareCounterfactual(comparison(mixed, [method("cmcr", mixed, 0.8), centre])).metrics;
    expect(results.centre?.AP).toEqual({ value: 0, ci95: [0, 0] });
    expect(notes).toContain("centre is equally confident of every pair, so its AP is 0 by definition.");
  });

  it("takes LocAcc of the pairs that sound alone, whatever the confidence", () => {
    const items = itemsOf([[half], [half], [], []]);
    const own = (confidence: readonly number[]): PlaceMethod => ({ kind: "measured", name: "cmcr", seeds: [{ ciou: Float64Array.of(0.5, 0.1, NaN, NaN), confidence: Float64Array.from(confidence) }] });
    for (const confidence of [[1, 2, 3, 4], [4, 3, 2, 1]]) {
      expect(compareCounterfactual(comparison(items, [own(confidence)])).metrics.results.cmcr?.LocAcc?.value).toBe(0.5);
    }
  });

  it("needs pairs of both kinds", () => {
    expect(() => compareCounterfactual(comparison(sounding, [chance]))).toThrow(/every item has a box, so no sound is foreign/);
    expect(() => compareCounterfactual(comparison(itemsOf([[], []]), [chance]))).toThrow(/no item has a box/);
    expect(() => compareCounterfactual(comparison(sounding, [chance]))).toThrow(expect.objectContaining({ code: EXIT.data, reason: "NOTHING_TO_MEASURE" }));
  });
});
