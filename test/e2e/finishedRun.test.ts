import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { readNpy, writeNpy } from "../../src/data/npy.js";
import { cmcr, expectRefusal, run, succeed, Workplace } from "./support/cli.js";
import { manifestOf, metricsOf, sha256, type Estimates } from "./support/runFolder.js";
import { change, COUNTS, EXPERIMENT, writeExperiment, writeWorld } from "./support/world.js";

const place = new Workplace();
const out = place.file("runs");
const { env } = place;
const emb = (name: string) => place.file("emb", name);
let folder = "";

beforeAll(async () => {
  await writeWorld(place.folder("emb"));
  folder = await run([writeExperiment(place.path), "--out", out], { env });
});
afterAll(() => {
  place.remove();
});

/** A copy of the run with something wrong in it. */
function damaged(name: string, damage: (copy: string) => void): string {
  const copy = join(out, name);
  cpSync(folder, copy, { recursive: true });
  damage(copy);
  return copy;
}

function values(estimates: Estimates | undefined): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(estimates ?? {}).map(([name, { value }]) => [name, value]));
}

describe("project", () => {
  const project = (file: string, space: string, target: string, run = folder) => ["project", run, file, "--space", space, "--out", place.file(target)];

  it("gives the embeddings that the run's evaluation compared: (n, d) to (n, k), rows normalised", async () => {
    expect((await succeed(project(emb("test-sounds.npy"), "hearing", "sounds.npy"), { env })).stdout).toBe(place.file("sounds.npy"));
    await succeed(project(emb("test-images.npy"), "sight", "images.npy"), { env });
    const matrix = async (name: string) => {
      const { shape, data } = await readNpy(place.file(name));
      expect(shape).toEqual([COUNTS.test, 16]);
      return Array.from({ length: COUNTS.test }, (_, row) => (data as Float32Array).subarray(row * 16, row * 16 + 16));
    };
    const [sounds, images] = [await matrix("sounds.npy"), await matrix("images.npy")];
    for (const row of [...sounds, ...images]) expect(Math.hypot(...row)).toBeCloseTo(1, 5);
    const scores = sounds.flatMap((sound) => images.map((image) => image.reduce((sum, value, k) => sum + value * (sound[k] ?? 0), 0)));
    await writeNpy(place.file("scores.npy"), Float64Array.from(scores), [COUNTS.test, COUNTS.test]);
    const { stdout } = await succeed(["metrics", "retrieval", "--scores", place.file("scores.npy"), "--relevance", emb("relevance.json"), "--ks", "1,5", "--resamples", "10"]);
    const printed = JSON.parse(stdout) as { results: Estimates; reverse: Estimates };
    const [task] = metricsOf(folder).tasks;
    for (const [name, value] of Object.entries(values(task?.results["cmcr"]))) expect(printed.results[name]?.value, name).toBeCloseTo(value, 2);
    for (const [name, value] of Object.entries(values(task?.reverse?.["cmcr"]))) expect(printed.reverse[name]?.value, name).toBeCloseTo(value, 2);
  });

  it.each([
    ["an unknown space", () => project(emb("images.npy"), "sigt", "no.npy"), 2, "--space: the run connects sight and hearing"],
    ["a missing file", () => project(emb("nowhere.npy"), "sight", "no.npy"), 3, "nowhere.npy: there is no such file"],
    ["what is no .npy file", () => project(emb("relevance.json"), "sight", "no.npy"), 3, "this is not a .npy file"],
    ["labels", () => project(emb("prompts-labels.npy"), "sight", "no.npy"), 3, "expected embeddings of shape (n, d), one row for each item; found shape (20,)"],
    ["integers", () => project(place.file("integers.npy"), "sight", "no.npy"), 3, "expected float16 or float32; found int32"],
    ["NaN", () => project(place.file("nan.npy"), "sight", "no.npy"), 3, "row 1, column 2 is NaN"],
    ["embeddings of the other space", () => project(emb("sounds.npy"), "sight", "no.npy"), 3, "the dimension of sight"],
    ["a folder as the file to write", () => project(emb("images.npy"), "sight", "emb"), 2, "--out: expected the .npy file to write; found the folder"],
    ["a place that is not there", () => project(emb("images.npy"), "sight", "nowhere/no.npy"), 3, "Name another place with --out"],
    ["no run", () => project(emb("images.npy"), "sight", "no.npy", place.file("emb")), 2, "is not a run: it has no state.json"],
    ["changed projectors", () => project(emb("images.npy"), "sight", "no.npy", damaged("changed", (copy) => writeFileSync(join(copy, "projectors.safetensors"), "x"))), 3, "does not match the manifest"],
    ["a run without its manifest", () => project(emb("images.npy"), "sight", "no.npy", damaged("bare", (copy) => rmSync(join(copy, "manifest.json")))), 3, "manifest.json is missing or damaged"],
  ] as const)("refuses %s", async (_what, args, code, said) => {
    await writeNpy(place.file("integers.npy"), new Int32Array(48), [2, 24]);
    await writeNpy(place.file("nan.npy"), Float32Array.from({ length: 48 }, (_, index) => (index === 26 ? NaN : 1)), [2, 24]);
    expectRefusal(await cmcr(args(), { env }), code, said);
    expect(existsSync(place.file("no.npy"))).toBe(false);
    expect(place.left()).toEqual([]);
  });
});

describe("evaluate", () => {
  it("measures a task again, with the same result, and leaves the run whole", async () => {
    const before = metricsOf(folder);
    const { stdout } = await succeed(["evaluate", folder, "--task", "sound-class", "--fresh"], { env });
    expect(stdout).toContain("sound-class: classification");
    expect(stdout).not.toContain("sound-image: retrieval");
    expect(stdout.trimEnd().split("\n").at(-1)).toBe(folder);
    expect(metricsOf(folder)).toEqual(before);
    expect(manifestOf(folder).files["metrics.json"]).toBe(sha256(join(folder, "metrics.json")));
  });

  it("measures tasks that were added to a copy of its file", async () => {
    const added = `${EXPERIMENT}  - name: image-sound\n    task: retrieval\n    query:   { data: test_images, space: sight }\n    gallery: { data: test_sounds, space: hearing }\n    relevance: labels\n    baselines: [chance]\n`;
    const copy = damaged("more", () => undefined);
    await succeed(["evaluate", copy, "--experiment", writeExperiment(place.path, added, "more.yaml"), "--task", "image-sound"], { env });
    const { tasks } = metricsOf(copy);
    expect(tasks.map(({ name }) => name)).toEqual(["sound-image", "sound-class", "image-sound"]);
    expect(values(tasks[2]?.results["cmcr"])["mAP"]).toBe(values(tasks[0]?.reverse?.["cmcr"])["mAP"]);
  });

  it.each([
    ["an unknown task", () => ["evaluate", folder, "--task", "sound"], 2, 'there is no task named "sound". Known: sound-image, sound-class.'],
    ["no run", () => ["evaluate", place.file("emb")], 2, "is not a run: it has no state.json"],
    ["a file that connects otherwise", () => ["evaluate", folder, "--experiment", writeExperiment(place.path, change(EXPERIMENT, "epochs: 10", "epochs: 11"), "other.yaml")], 2, "connects otherwise than the run did"],
    ["a wrong file", () => ["evaluate", folder, "--experiment", writeExperiment(place.path, change(EXPERIMENT, "epochs: 10", "epochs: 0"), "other.yaml")], 2, "other.yaml:32:11 connect.epochs"],
    ["missing projectors", () => ["evaluate", damaged("headless", (copy) => rmSync(join(copy, "projectors.safetensors")))], 3, "projectors.safetensors cannot be read (ENOENT)"],
    ["damaged metrics", () => ["evaluate", damaged("unmeasured", (copy) => writeFileSync(join(copy, "metrics.json"), "{"))], 3, "metrics.json is missing or damaged"],
    ["a state that is no JSON", () => ["evaluate", damaged("stateless", (copy) => writeFileSync(join(copy, "state.json"), "{"))], 3, "state.json is damaged"],
    ["an unfinished run", () => ["evaluate", damaged("unfinished", (copy) => writeFileSync(join(copy, "state.json"), readFileSync(join(copy, "state.json"), "utf8").replace("complete", "interrupted")))], 2, "is not complete (interrupted). Finish it: cmcr run --resume"],
  ] as const)("refuses %s", async (_what, args, code, said) => {
    expectRefusal(await cmcr(args(), { env }), code, said);
    expect(place.left()).toEqual([]);
  });
});

it("has nothing to resume", async () => {
  expectRefusal(await cmcr(["run", "--resume", folder], { env }), 2, `the run ${folder} is complete: there is nothing to resume.`);
});
