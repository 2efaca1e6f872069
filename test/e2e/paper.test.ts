import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { MetricsFile } from "../../src/evaluate/metricsFile.js";
import { cmcr, run, succeed, Workplace } from "./support/cli.js";
import { type TinyPaper, writeTinyPaper } from "./support/tinyPaper.js";

/** Of each data set. */
const ITEMS = 12;
const LIMIT_MS = 600_000;

const place = new Workplace();
const { env } = place;
const out = place.file("runs");
let paper: TinyPaper;

beforeAll(async () => {
  paper = await writeTinyPaper(place.folder("paper"), ITEMS);
}, LIMIT_MS);

afterAll(() => {
  place.remove();
});

const set = (changes: Readonly<Record<string, string>>): string[] => Object.entries(changes).flatMap(([field, value]) => ["--set", `${field}=${value}`]);
const metricsOf = (folder: string): MetricsFile => JSON.parse(readFileSync(join(folder, "metrics.json"), "utf8")) as MetricsFile;

/** Paths, and nothing else: where data and weights lie. */
const places = {
  get audioVisual() {
    return set({ "folders.data": paper.data, "folders.models": paper.models, "spaces.clip.checkpoint": paper.clip, "spaces.clap.tokenizer": paper.tokenizer });
  },
  get threeD() {
    return set({ "folders.data": paper.data, "folders.models": paper.models, "spaces.clip.checkpoint": paper.clip });
  },
  get crossLingual() {
    return set({ "folders.data": paper.data, "spaces.clip.checkpoint": paper.clip, "spaces.sentences.checkpoint": paper.sentences });
  },
};

describe("the paper's experiments on small copies of its data, with tiny models of the true formats", () => {
  it("connect CLIP and CLAP by text, and evaluate on all six audio-visual data sets", async () => {
    const folder = await run(["experiments/paper/audio-visual.yaml", "--out", out, ...places.audioVisual], { env, limitMs: LIMIT_MS });
    const { tasks } = metricsOf(folder);
    expect(tasks.map(({ name, task }) => [name, task])).toEqual([
      ["ave", "retrieval"],
      ["flickr-soundnet", "retrieval"],
      ["vgg-ss", "localization"],
      ["music-solo", "localization"],
      ["flickr-soundnet-places", "localization"],
      ["extended-vgg-ss", "counterfactual"],
      ["extended-flickr-soundnet", "counterfactual"],
    ]);
    for (const { results, name } of tasks) {
      for (const [metric, estimate] of Object.entries(results["cmcr"] ?? {})) {
        expect(estimate.value, `${name} ${metric}`).toBeGreaterThanOrEqual(0);
        expect(estimate.seeds, `${name} ${metric}`).toHaveLength(3);
      }
      expect(Object.keys(results)).toContain("chance");
    }
    // A third of AVE's rows; two of each extended set's pairs for each of the test.
    expect(tasks.map(({ queries }) => queries)).toEqual([ITEMS / 3, ITEMS, ITEMS, ITEMS, ITEMS, 2 * ITEMS, 2 * ITEMS]);
  }, LIMIT_MS);

  it("connect CLIP and ULIP by image, and name ModelNet40's classes", async () => {
    const folder = await run(["experiments/paper/three-d.yaml", "--out", out, ...places.threeD], { env, limitMs: LIMIT_MS });
    const { tasks } = metricsOf(folder);
    expect(tasks.map(({ name, queries, gallery }) => [name, queries, gallery])).toEqual([
      ["modelnet40", ITEMS, 40],
      ["modelnet40-averaged-first", ITEMS, 40],
    ]);
    expect(Object.keys(tasks[0]?.results["cmcr"] ?? {})).toEqual(["top1", "top3", "top5", "meanPerClassRecall"]);
  }, LIMIT_MS);

  it("connect CLIP and a multilingual text encoder by English", async () => {
    const folder = await run(["experiments/cross-lingual.yaml", "--out", out, ...places.crossLingual], { env, limitMs: LIMIT_MS });
    expect(metricsOf(folder).tasks.map(({ name, queries, gallery }) => [name, queries, gallery])).toEqual([["caption-to-image", ITEMS, ITEMS]]);
  }, LIMIT_MS);

  it.each(readdirSync("experiments/paper/ablations"))("vary in ablations/%s, whose every variant fits", async (file) => {
    const { stdout } = await succeed(["validate", `experiments/paper/ablations/${file}`, ...places.audioVisual], { env });
    expect(stdout).toMatch(/^sweep .* variants compared with /);
  });

  it("run an ablation to its table", async () => {
    const { stdout } = await succeed(["sweep", "experiments/paper/ablations/losses.yaml", "--out", place.file("sweeps"), ...places.audioVisual, "--set", "seeds=[0]"], { env, limitMs: LIMIT_MS });
    const folder = stdout.trimEnd().split("\n").at(-1) ?? "";
    const table = readFileSync(join(folder, "table.csv"), "utf8").trimEnd().split("\n");
    for (const variant of ["full", "without overlap (L_ttc)", "without pseudo (L_avc)", "without intra", "overlap alone", "pseudo alone"]) {
      expect(table.some((line) => line.includes(variant)), variant).toBe(true);
    }
  }, LIMIT_MS);

  it("say which file is missing, and where the experiment names it", async () => {
    const { exitCode, stderr } = await cmcr(["validate", "experiments/paper/audio-visual.yaml", ...places.audioVisual, "--set", "folders.data=nowhere"], { env });
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/audio-visual\.yaml:\d+:\d+ data\.captions\.source\.sources\.0\.path: expected a readable file, found none at .*nowhere\/coco\/captions_train2014\.json/);
    expect(stderr.trimEnd().split("\n").at(-1)).toMatch(/^ {2}\$data is folders\.data \(\/.*\/nowhere\); move it with --set folders\.data=DIR\. `cmcr data list` says where/);
  });
});
