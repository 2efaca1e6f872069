import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { writeNpy } from "../../src/data/npy.js";
import { cmcr, expectRefusal, jsonLines, run, succeed, Workplace } from "./support/cli.js";
import { png } from "./support/media.js";
import { manifestOf, metricsOf } from "./support/runFolder.js";
import { startWorker } from "./support/sharedWorker.js";

const place = new Workplace();
const { env } = place;
const COUNT = 40;
const SOUNDS = 30;
const DIM = 8;
/** The item that cannot be read, by its place among all: a red one. */
const BROKEN = 27;

/** Values that follow from their place alone. */
function vectors(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count * DIM }, (_, index) => Math.sin(seed + index * 12.9898) * 2);
}

const withoutBroken = <T>(values: readonly T[]): T[] => values.filter((_, index) => index !== BROKEN);

/** Photos in a folder for each class, an embedding of each in another space, and which sounds belong to which. */
async function writeData(folder: string, broken: "kept" | "removed"): Promise<void> {
  const names = Array.from({ length: COUNT }, (_, index) => join(index < COUNT / 2 ? "blue" : "red", `${String(index).padStart(2, "0")}.png`));
  for (const [index, name] of names.entries()) {
    const bytes = png(32, (x, y) => (index < COUNT / 2 ? [x, y, 128 + index * 5] : [128 + index * 3, x * 2, y]));
    const path = join(place.folder(join(folder, "photos", name, "..")), name.slice(name.indexOf("/") + 1));
    if (index !== BROKEN) writeFileSync(path, bytes);
    else if (broken === "kept") writeFileSync(path, bytes.subarray(0, 70));
  }
  const rows = Array.from({ length: COUNT }, (_, row) => vectors(COUNT, 3).slice(row * DIM, (row + 1) * DIM));
  const kept = broken === "kept" ? rows : withoutBroken(rows);
  await writeNpy(place.file(folder, "photos.npy"), Float32Array.from(kept.flatMap((row) => [...row])), [kept.length, DIM]);
  await writeNpy(place.file(folder, "sounds.npy"), vectors(SOUNDS, 5), [SOUNDS, DIM]);
  await writeNpy(place.file(folder, "sound-labels.npy"), Int32Array.from({ length: SOUNDS }, (_, index) => index % 2), [SOUNDS]);
  const relevant = Array.from({ length: COUNT }, (_, index) => [index % SOUNDS, (index * 7 + 3) % SOUNDS].filter((column, at, all) => all.indexOf(column) === at));
  writeFileSync(place.file(folder, "relevant.json"), JSON.stringify(broken === "kept" ? relevant : withoutBroken(relevant)));
}

const experiment = (more = "") => `version: 1
name: photos
worker: { device: cpu, decoders: 1 }
spaces:
  sight:   { provider: builtin, model: scenes-image-text }
  hearing: { provider: precomputed }
data:
  photos:
    modality: image
    source: { type: class-folder, path: photos }
    embeddings: { hearing: photos.npy }
    labels: { attribute: class }${more}
  texts:  { modality: text, source: { type: inline, items: [a small red circle, a large blue square, a green triangle, a small blue ring] } }
  sounds: { modality: audio, embeddings: { hearing: sounds.npy }, labels: sound-labels.npy }
  prompts: { modality: text, source: { type: inline, items: [blue, red] } }
connect:
  method: cmcr
  overlap: photos
  sides:
    - { space: sight, memory: texts }
    - { space: hearing, memory: sounds }
  projector: { preset: audio-visual, dim: 8 }
  batchSize: 13
  epochs: 2
evaluate:
  - { name: rows, task: retrieval, query: { data: photos, space: sight }, gallery: { data: photos, space: hearing }, relevance: rows, ks: [1, 5], baselines: [chance, procrustes], bootstrap: { resamples: 50 } }
  - { name: file, task: retrieval, query: { data: photos, space: sight }, gallery: { data: sounds, space: hearing }, relevance: relevant.json, ks: [1, 5], baselines: [chance], bootstrap: { resamples: 50 } }
  - { name: labels, task: retrieval, query: { data: photos, space: sight }, gallery: { data: sounds, space: hearing }, relevance: labels, ks: [1, 5], baselines: [chance], bootstrap: { resamples: 50 } }
  - { name: classes, task: classification, query: { data: photos, space: hearing }, classes: { data: prompts, space: sight }, baselines: [chance], bootstrap: { resamples: 50 } }
`;

function write(folder: string, text: string, name = "photos.yaml"): string {
  const path = place.file(folder, name);
  writeFileSync(path, text);
  return path;
}

beforeAll(async () => {
  await writeData("kept", "kept");
  await writeData("removed", "removed");
});
afterAll(() => {
  place.remove();
});

describe("an item that one space cannot read", () => {
  let folder = "";
  let events: readonly Record<string, unknown>[] = [];

  beforeAll(async () => {
    const { stdout } = await succeed(["run", write("kept", experiment()), "--out", place.file("runs"), "--json"], { env });
    events = jsonLines(stdout);
    folder = place.file("runs", "photos");
  });

  it("is in no number: every task measures what it would without the item", async () => {
    const reference = await run([write("removed", experiment()), "--out", place.file("reference")], { env });
    expect(metricsOf(reference).tasks.map(({ queries }) => queries)).toEqual([COUNT - 1, COUNT - 1, COUNT - 1, COUNT - 1]);
    const results = (path: string) => metricsOf(path).tasks.map((task) => ({ ...task, notes: [], unreadable: undefined }));
    expect(results(folder)).toEqual(results(reference).map((task) => ({ ...task, notes: [], unreadable: undefined })));
  });

  it("is named with its cause: in an event, in the run's folder, and beside the numbers", () => {
    const skipped = {
      collection: "photos",
      space: "sight",
      item: BROKEN,
      id: `red/${BROKEN}.png`,
      file: place.file("kept", "photos", "red", `${BROKEN}.png`),
      reason: "DATA_CORRUPT",
      message: expect.stringContaining(`red/${BROKEN}.png`) as string,
    };
    expect(JSON.parse(readFileSync(join(folder, "skipped.jsonl"), "utf8"))).toEqual(skipped);
    expect(events.find(({ event }) => event === "skipped")).toMatchObject({ collection: "photos", space: "sight", count: 1, items: COUNT, file: join(folder, "skipped.jsonl") });
    for (const task of metricsOf(folder).tasks as readonly (ReturnType<typeof metricsOf>["tasks"][number] & { notes: string[]; unreadable: unknown })[]) {
      expect(task.notes).toContain(`1 of the ${COUNT} items of photos cannot be read and is in no number.`);
      expect(task.unreadable).toEqual({ queries: 1, gallery: task.name === "rows" ? 1 : 0 });
    }
  });

  it("is left out of the other space as well, by a matrix of its own in the store", () => {
    const outputs = manifestOf(folder).outputs.filter(({ stage }) => stage === "encode");
    expect(outputs.map(({ output }) => output)).toContain(`photos in hearing, ${COUNT - 1} of its items`);
    expect(outputs.map(({ output }) => output)).not.toContain(`photos in sight, ${COUNT - 1} of its items`);
  });

  it("is left out, with the same numbers, by a worker that is sent the files' bytes", async () => {
    const remote = await startWorker(place, "127.0.0.1:0", []);
    try {
      const text = experiment().replace("worker: { device: cpu, decoders: 1 }", `worker: { address: "${remote.address}" }`);
      const far = await run([write("kept", text, "far.yaml"), "--out", place.file("far-runs")], { env });
      const encoded = (path: string) => manifestOf(path).outputs.filter(({ stage }) => stage === "encode").map(({ output, files }) => [output, files["embeddings.npy"]]);
      expect(encoded(far)).toEqual(encoded(folder));
      expect(metricsOf(far).tasks).toEqual(metricsOf(folder).tasks);
      expect(readFileSync(join(far, "skipped.jsonl"), "utf8")).toContain(`"id":"red/${BROKEN}.png"`);
    } finally {
      await remote.stop();
    }
  });

  it("ends the run where the file says so, or where its limit is below", async () => {
    const list = place.file("runs", "photos-2", "skipped.jsonl");
    const cases = [
      ["unreadable: { action: fail }", "data.photos.unreadable.action to skip"],
      ["unreadable: { limit: 2 }", "1 of 40 images cannot be read, more than 2 %"],
    ] as const;
    for (const [field, said] of cases) {
      const args = ["run", write("kept", experiment(`\n    ${field}`), "strict.yaml"), "--out", place.file("runs")];
      // Also where the store has the embeddings already, made by more generous rules.
      expectRefusal(await cmcr(args, { env }), 3, said, `red/${BROKEN}.png`, "skipped.jsonl");
      expect(readFileSync(list, "utf8")).toContain(`red/${BROKEN}.png`);
      rmSync(place.file("runs", "photos-2"), { recursive: true });
    }
  });

  it("is found readable once it is repaired", async () => {
    await writeData("repaired", "kept");
    const experimentFile = write("repaired", experiment());
    await run([experimentFile, "--out", place.file("repaired-runs")], { env });
    const path = place.file("repaired", "photos", "red", `${BROKEN}.png`);
    writeFileSync(path, png(32, () => [1, 2, 3]));
    const again = await run([experimentFile, "--out", place.file("repaired-runs")], { env });
    expect(metricsOf(again).tasks[0]?.queries).toBe(COUNT);
    expect(existsSync(join(again, "skipped.jsonl"))).toBe(false);
  });
});

describe("an item that no space can read", () => {
  it("is left out of both", async () => {
    const text = experiment("\n    limits: { pixels: 1023 }\n    unreadable: { limit: 100 }");
    // 32 x 32 pixels are too many for every photo but the small ones.
    await writeData("limited", "kept");
    for (const index of [1, 5, 9, 22, 23, 24, 25, 26, 28, 30, 31, 32, 33, 34]) {
      writeFileSync(place.file("limited", "photos", index < COUNT / 2 ? "blue" : "red", `${String(index).padStart(2, "0")}.png`), png(31, (x, y) => [x * 3, y * 2, index * 6]));
    }
    const twins = text
      .replace("  hearing: { provider: precomputed }", "  hearing: { provider: builtin, model: scenes-image-text }")
      .replace("    embeddings: { hearing: photos.npy }\n", "")
      .replace("audio, embeddings: { hearing: sounds.npy }, labels: sound-labels.npy", "text, source: { type: inline, items: [one, two, three] }")
      .replace(/ {2}- \{ name: (file|labels).*\n/g, "");
    const folder = await run([write("limited", twins), "--out", place.file("limited-runs")], { env });
    const { outputs } = manifestOf(folder);
    expect(outputs.map(({ output }) => output).filter((output) => output.includes("items of all spaces"))).toEqual([]);
    expect(metricsOf(folder).tasks.map(({ queries }) => queries)).toEqual([14, 14]);
    const lines = readFileSync(join(folder, "skipped.jsonl"), "utf8").trimEnd().split("\n");
    expect(lines).toHaveLength(2 * (COUNT - 14));
  });
});
