import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { loadExperiment } from "../../src/config/load.js";
import { run, Workplace } from "./support/cli.js";
import { metric, metricsOf } from "./support/runFolder.js";

const place = new Workplace();
/** The machine may be busy with other tests. */
const PATIENCE = 300_000;
const RIVALS = ["pivot", "pivot-soft", "pivot-soft+gap", "pivot-two-sided", "procrustes", "procrustes+gap", "ridge", "ridge+gap", "relative", "cca+gap", "memory-ridge+gap"];
const TASKS = {
  retrieval: ["sound-to-image"],
  localization: ["which-one-sounds"],
  counterfactual: ["does-it-sound"],
  classification: ["shape-of-a-sound", "colour-of-a-sound", "texture-of-a-sound"],
  "cross-lingual": ["foreign-text-to-image"],
} as const;
type Kind = keyof typeof TASKS;

const KINDS = Object.keys(TASKS) as Kind[];
const SMALL = ["seeds=[0,1]", "connect.batchSize=200", "connect.epochs=20"];
const file = (kind: Kind): string => `experiments/builtin/${kind}.yaml`;
/** The task by which an experiment measures. */
const taskOf = (kind: Kind): string => (kind === "cross-lingual" ? "retrieval" : kind);

/** An experiment on fewer items; the run's folder. */
async function small(kind: Kind, ...fields: readonly string[]): Promise<string> {
  const few = ["captions", "images", kind === "cross-lingual" ? "foreign" : "sounds"].map((name) => `data.${name}.source.count=600`);
  const args = [file(kind), "--out", place.file("runs"), ...[...few, ...SMALL, ...fields].flatMap((field) => ["--set", field])];
  return run(args, { env: place.env, limitMs: PATIENCE });
}

const folders: Partial<Record<Kind, string>> = {};
const folder = (kind: Kind): string => folders[kind] ?? "";

beforeAll(async () => {
  const counts = (...names: readonly string[]): readonly string[] => names.map((name) => `data.${name}.source.count=200`);
  folders.retrieval = await small("retrieval", ...counts("test_images", "test_sounds"));
  folders.localization = await small("localization", ...counts("duet_images", "duet_sounds"));
  folders.counterfactual = await small("counterfactual", ...counts("pair_images", "pair_sounds"));
  folders.classification = await small("classification", ...counts("sounds_by_shape", "sounds_by_colour", "sounds_by_texture"));
  folders["cross-lingual"] = await small("cross-lingual", ...counts("test_images", "test_foreign"));
}, 5 * PATIENCE);
afterAll(() => {
  place.remove();
});

describe("the experiments on the built-in world", () => {
  it.each(KINDS)("%s: as the file stands, three seeds and 1000 items of the test", async (kind) => {
    const { experiment } = await loadExperiment(file(kind), { set: [] });
    expect(experiment.seeds).toEqual([0, 1, 2]);
    for (const task of experiment.evaluate) {
      expect(task.task).toBe(taskOf(kind));
      expect(experiment.data[task.query.data]?.source).toMatchObject({ type: "builtin", count: 1000, seed: 0 });
    }
  });

  it.each(KINDS)("%s: the projectors of each seed beside what needs no training", (kind) => {
    const { tasks } = metricsOf(folder(kind));
    const places = kind === "localization" || kind === "counterfactual";
    expect(tasks.map(({ name }) => name)).toEqual(TASKS[kind]);
    for (const { results, queries, task } of tasks) {
      expect([task, queries]).toEqual([taskOf(kind), 200]);
      expect(Object.keys(results)).toEqual(["cmcr", "chance", ...(places ? ["centre"] : []), ...RIVALS]);
      for (const estimate of Object.values(results["cmcr"] ?? {})) expect(estimate).toMatchObject({ seeds: [expect.any(Number), expect.any(Number)] });
    }
  });

  it("finds the image of a sound", () => {
    const mAP = (method?: string) => metric(folder("retrieval"), "sound-to-image", "mAP", method);
    expect(mAP("chance")).toBeLessThan(0.03);
    expect(mAP()).toBeGreaterThan(0.3);
  });

  it("finds the image of a text in a language that no image was ever told in", () => {
    const mAP = (method?: string) => metric(folder("cross-lingual"), "foreign-text-to-image", "mAP", method);
    expect(mAP("chance")).toBeLessThan(0.03);
    expect(mAP()).toBeGreaterThan(0.3);
  });

  it("finds which of two scenes sounds, and where", () => {
    const cIoU = (method?: string) => metric(folder("localization"), "which-one-sounds", "cIoU@0.5", method);
    // A place is a ninth of the image, and none lies in its middle.
    expect(cIoU("centre")).toBeLessThan(0.05);
    expect(cIoU("chance")).toBeLessThan(0.15);
    expect(cIoU()).toBeGreaterThan(0.4);
  });

  it("is surer of a sound that is in the image", () => {
    const AP = (method?: string) => metric(folder("counterfactual"), "does-it-sound", "AP", method);
    expect(AP("chance")).toBeLessThan(0.15);
    expect(AP()).toBeGreaterThan(0.3);
  });

  it("names what it hears with the words of those who see", () => {
    const top1 = (task: string, method?: string) => metric(folder("classification"), task, "top1", method);
    for (const [task, classes, least] of [["shape-of-a-sound", 8, 0.5], ["colour-of-a-sound", 6, 0.7], ["texture-of-a-sound", 4, 0.5]] as const) {
      expect(top1(task, "chance")).toBeCloseTo(1 / classes, 10);
      expect(top1(task)).toBeGreaterThan(least);
    }
  });
});
