import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { cmcr, jsonLines, succeed, Workplace } from "./support/cli.js";
import { png, wav } from "./support/media.js";
import { writeTinyModels } from "./support/tinyModels.js";

const place = new Workplace();
const { env } = place;
const experiment = place.file("own-files.yaml");
const CLASSES = ["bell", "drum", "horn"];
let models: { readonly clip: string; readonly clap: string };

function writePhotos(folder: string, count: number, seed: number): void {
  for (let index = 0; index < count; index += 1) {
    writeFileSync(join(folder, `${index}.png`), png(40, (x, y) => [(x * (index + seed)) % 256, (y * 7 * seed) % 256, (index * 40) % 256]));
  }
}

function writeSounds(folder: string, count: number, seed: number): void {
  for (let index = 0; index < count; index += 1) {
    writeFileSync(join(folder, `${index}.wav`), wav(0.5, 16_000, (time) => 0.5 * Math.sin(2 * Math.PI * (150 + 90 * index + 31 * seed) * time)));
  }
}

const runArguments = (name: string, batchSize: number): string[] => [
  "run", experiment, "--json", "--out", place.file("runs"), "--name", name,
  "--set", `spaces.clip={provider: huggingface-clip, checkpoint: '${models.clip}'}`,
  "--set", `spaces.clap={provider: huggingface-clap, checkpoint: '${models.clap}'}`,
  "--set", `connect.batchSize=${batchSize}`, "--set", "connect.epochs=2", "--set", "data.images.unreadable.limit=20",
];
const run = (name: string) => succeed(runArguments(name, 8), { env });

beforeAll(async () => {
  models = await writeTinyModels(place.folder("models"));
  // The very file that comes with cmcr; all that changes is where the models are.
  copyFileSync("experiments/own-files.yaml", experiment);
  writeFileSync(place.file("captions.txt"), `${Array.from({ length: 24 }, (_, i) => `a ${CLASSES[i % 3] ?? ""} in room ${i}`).join("\n")}\n`);
  const photos = place.folder("photos");
  writePhotos(photos, 12, 3);
  writeFileSync(join(photos, "torn.png"), readFileSync(join(photos, "0.png")).subarray(0, 90));
  writeSounds(place.folder("sounds"), 10, 2);
  for (const [index, name] of CLASSES.entries()) {
    writePhotos(place.folder(join("test", "photos", name)), 2, 5 + index);
    writeSounds(place.folder(join("test", "sounds", name)), 2, 5 + index);
  }
});
afterAll(() => {
  place.remove();
});

describe("an experiment on files, with CLIP and CLAP in transformers' format", () => {
  it("finds a batch larger than the overlap before anything is encoded", async () => {
    const { stdout, exitCode } = await cmcr(runArguments("large", 512), { env });
    const events = jsonLines(stdout);
    expect(events.at(-1)).toMatchObject({ event: "error", code: 2, path: "connect.batchSize", message: expect.stringMatching(/24.*512/) as string });
    expect(exitCode).toBe(2);
    expect(events.map(({ event }) => event)).not.toContain("output");
  });

  it("encodes, connects and evaluates; lists the one file that cannot be read; takes it all from the store again", async () => {
    const { stdout } = await run("first");
    const events = jsonLines(stdout);
    expect(events.find(({ event }) => event === "skipped")).toMatchObject({ collection: "images", space: "clip", count: 1, items: 13 });
    expect(events.at(-1)).toMatchObject({ event: "done" });
    const folder = place.file("runs", "first");
    const skipped = readFileSync(join(folder, "skipped.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(skipped).toHaveLength(1);
    expect(skipped[0]).toMatchObject({ collection: "images", id: "torn.png", message: expect.stringContaining("torn.png") as string });
    const metrics = JSON.parse(readFileSync(join(folder, "metrics.json"), "utf8")) as { tasks: { queries: number; gallery: number; results: Record<string, unknown> }[] };
    expect(metrics.tasks[0]).toMatchObject({ queries: 6, gallery: 6 });
    expect(Object.keys(metrics.tasks[0]?.results ?? {})).toContain("cmcr");

    const again = jsonLines((await run("second")).stdout).filter(({ event }) => event === "output");
    expect(again.filter(({ stage }) => stage === "encode").map(({ fromStore }) => fromStore)).toEqual([true, true, true, true, true, true]);
    expect(readFileSync(place.file("runs", "second", "metrics.json"), "utf8").replace('"second"', '"first"')).toBe(readFileSync(join(folder, "metrics.json"), "utf8"));
  });

  it("embeds a new photo and a new sound into the joint space afterwards", async () => {
    writePhotos(place.folder("new"), 1, 11);
    const folder = place.file("runs", "first");
    const { stdout } = await succeed(["embed", folder, "--modality", "image", place.file("new", "0.png")], { env });
    expect(JSON.parse(stdout)).toMatchObject({ space: "clip", modality: "image", dimension: 24 });
  });
});
