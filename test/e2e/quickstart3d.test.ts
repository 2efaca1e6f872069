import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { run, Workplace } from "./support/cli.js";
import { metric, metricsOf } from "./support/runFolder.js";

const place = new Workplace();
const FEW = ["images", "captions", "clouds"].map((name) => `data.${name}.source.count=800`);
const SMALL = [...FEW, "connect.batchSize=200", "connect.epochs=12"];

/** The 3D quickstart on fewer items, with fields changed; the run's folder. */
async function small(name: string, ...fields: readonly string[]): Promise<string> {
  const args = ["experiments/quickstart-3d.yaml", "--out", place.file("runs"), "--name", name, ...[...SMALL, ...fields].flatMap((field) => ["--set", field])];
  return run(args, { env: place.env });
}

let folder = "";
beforeAll(async () => {
  folder = await small("small");
});
afterAll(() => {
  place.remove();
});

const mAP = (method?: string) => metric(folder, "cloud-to-text", "mAP", method);

describe("the 3D quickstart on 800 items a modality", () => {
  it("joins clouds and captions of combinations that no training saw", () => {
    const [retrieval, shape] = metricsOf(folder).tasks;
    expect(retrieval).toMatchObject({ name: "cloud-to-text", task: "retrieval", queries: 500, gallery: 500 });
    expect(shape).toMatchObject({ name: "shape", task: "classification", queries: 500, gallery: 10 });
    expect(mAP()).toBeGreaterThan(0.5);
    expect(retrieval?.reverse?.["cmcr"]?.["mAP"]?.value).toBeGreaterThan(0.5);
    expect(metric(folder, "shape", "top1")).toBeGreaterThan(0.3);
  });

  it("prints every baseline beside it, in both tasks", () => {
    const names = ["cmcr", "chance", "pivot", "pivot-soft+gap", "pivot-two-sided", "procrustes", "procrustes+gap", "ridge+gap", "cca+gap", "relative", "memory-ridge+gap"];
    for (const task of metricsOf(folder).tasks) expect(Object.keys(task.results)).toEqual(names);
    expect(mAP("chance")).toBeCloseTo(0.0136, 3);
    expect(metric(folder, "shape", "top1", "chance")).toBeCloseTo(0.1, 10);
    for (const name of names.slice(2)) expect(mAP(name)).toBeGreaterThan(10 * mAP("chance"));
  });

  it("needs the memory's items to be chosen by their meaning", async () => {
    const random = await small("random", "connect.consistency=false", "evaluate.0.baselines=[chance]", "evaluate.1.baselines=[chance]");
    expect(metric(random, "cloud-to-text", "mAP")).toBeLessThan(mAP() - 0.2);
  });
});
