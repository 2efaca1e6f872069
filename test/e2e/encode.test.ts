import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { readNpy } from "../../src/data/npy.js";
import { cmcr, expectRefusal, jsonLines, succeed, Workplace } from "./support/cli.js";
import { png, wav } from "./support/media.js";
import { sha256 } from "./support/runFolder.js";

const place = new Workplace();
const { env } = place;
const TEXTS = ["a small red circle", "a large blue square", "a small red circle"];

beforeAll(() => {
  writeFileSync(place.file("texts.txt"), `${TEXTS.join("\n")}\n`);
  const images = place.folder("images/deeper");
  for (const [index, name] of ["../b.png", "../a.png", "c.PNG"].entries()) {
    writeFileSync(join(images, name), png(32, (x, y) => [x * 8, y * 8, index * 100]));
  }
  writeFileSync(place.file("images", "notes.txt"), "not an image");
  const sounds = place.folder("sounds");
  for (const [index, pitch] of [220, 440].entries()) writeFileSync(join(sounds, `${index}.wav`), wav(1, 16_000, (time) => 0.5 * Math.sin(2 * Math.PI * pitch * time)));
});
afterAll(() => {
  place.remove();
});

function encode(modality: string, input: string, out: string, ...more: readonly string[]) {
  const model = modality === "audio" ? "scenes-audio-text" : "scenes-image-text";
  return ["encode", "--encoder", "builtin", "--model", model, "--modality", modality, "--input", place.file(input), "--out", place.file(out), ...more];
}

async function rowsOf(folder: string): Promise<readonly Float32Array[]> {
  const { shape, data } = await readNpy(place.file(folder, "embeddings.npy"));
  const [rows = 0, dim = 0] = shape;
  return Array.from({ length: rows }, (_, row) => (data as Float32Array).slice(row * dim, (row + 1) * dim));
}

const length = (row: Float32Array) => Math.hypot(...row);

describe("encode", () => {
  it("embeds the lines of a text file into a store folder, normalised, with their checksums", async () => {
    const { stdout } = await succeed(encode("text", "texts.txt", "texts"), { env });
    expect(stdout).toBe(place.file("texts"));
    const rows = await rowsOf("texts");
    expect(rows.map(({ length: dim }) => dim)).toEqual([64, 64, 64]);
    for (const row of rows) expect(length(row)).toBeCloseTo(1, 5);
    expect(rows[2]).toEqual(rows[0]);
    expect(rows[1]).not.toEqual(rows[0]);
    expect(JSON.parse(readFileSync(place.file("texts", "names.json"), "utf8"))).toEqual(TEXTS);
    const entry = JSON.parse(readFileSync(place.file("texts", "entry.json"), "utf8")) as { files: Record<string, { sha256: string }>; facts: unknown };
    expect(entry.facts).toEqual({ rows: 3, dim: 64, dtype: "float32", items: 3, skipped: 0 });
    for (const name of ["embeddings.npy", "names.json"]) expect(entry.files[name]?.sha256).toBe(sha256(place.file("texts", name)));
    expect(readdirSync(place.path).filter((name) => name.includes("part"))).toEqual([]);
  });

  it("embeds the images below a folder, in the order of their paths", async () => {
    const { stdout } = await succeed(encode("image", "images", "pictures", "--json", "--batch-size", "1"), { env });
    expect(jsonLines(stdout).at(-1)).toMatchObject({ event: "done", folder: place.file("pictures") });
    expect(JSON.parse(readFileSync(place.file("pictures", "names.json"), "utf8"))).toEqual(["a.png", "b.png", "deeper/c.PNG"]);
    const rows = await rowsOf("pictures");
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(length(row)).toBeCloseTo(1, 5);
    expect(new Set(rows.map((row) => row.join()))).toHaveProperty("size", 3);
  });

  it("embeds the sounds of a folder, in the other space", async () => {
    await succeed(encode("audio", "sounds", "tones"), { env });
    const rows = await rowsOf("tones");
    expect(rows.map(({ length: dim }) => dim)).toEqual([48, 48]);
    for (const row of rows) expect(length(row)).toBeCloseTo(1, 5);
    expect(rows[0]).not.toEqual(rows[1]);
  });

  it("makes the folders that the result lies in", async () => {
    const { stdout } = await succeed(encode("text", "texts.txt", "below/and/below"), { env });
    expect(stdout).toBe(place.file("below/and/below"));
    expect(readdirSync(place.file("below/and"))).toEqual(["below"]);
  });

  it("is done at once when the same is there already, and refuses to write over anything else", async () => {
    await succeed(encode("text", "texts.txt", "again"), { env });
    const before = readFileSync(place.file("again", "entry.json"), "utf8");
    const { stdout } = await succeed(encode("text", "texts.txt", "again", "--json"), { env });
    expect(jsonLines(stdout).find(({ event }) => event === "output")).toMatchObject({ fromStore: true, output: expect.stringContaining("is there already, made from the same inputs: 3 texts") as string });
    expect(readFileSync(place.file("again", "entry.json"), "utf8")).toBe(before);
    writeFileSync(place.file("others.txt"), "another text\n");
    expectRefusal(await cmcr(encode("text", "others.txt", "again"), { env }), 2, "again is there already, made from other inputs");
    expectRefusal(await cmcr(encode("text", "texts.txt", "again", "--batch-size", "2"), { env }), 2, "again is there already, and is left as it is");
    writeFileSync(place.file("again", "embeddings.npy"), "cut off");
    expectRefusal(await cmcr(encode("text", "texts.txt", "again"), { env }), 2, "again is there already, and is left as it is");
    expect(readdirSync(place.path).filter((name) => name.includes("part"))).toEqual([]);
  });

  it("takes a collection of an experiment file", async () => {
    writeFileSync(
      place.file("study.yaml"),
      `version: 1
name: study
spaces: { a: { provider: precomputed }, b: { provider: precomputed } }
data:
  both: { modality: text, embeddings: { a: a.npy, b: b.npy } }
  lines: { modality: text, source: { type: lines, path: texts.txt }, embeddings: { a: p.npy, b: q.npy } }
connect: { method: cmcr, overlap: both, sides: [{ space: a, memory: lines }, { space: b, memory: lines }] }
`,
    );
    await succeed(encode("text", "study.yaml#lines", "collected"), { env });
    expect(JSON.parse(readFileSync(place.file("collected", "names.json"), "utf8"))).toEqual(TEXTS);
    expectRefusal(await cmcr(encode("text", "study.yaml#lins", "no"), { env }), 2, "has no collection \"lins\"");
    expectRefusal(await cmcr(encode("text", "study.yaml#both", "no"), { env }), 2, "data.both has no source");
    expectRefusal(await cmcr(encode("image", "study.yaml#lines", "no"), { env }), 2, "--modality: lines of");
  });

  it.each([
    ["a folder that is there", encode("text", "texts.txt", "images"), 2, "images is there already, and is left as it is"],
    ["an unknown modality", encode("smell", "texts.txt", "no"), 2, "--modality: expected one of text, image, audio, pointcloud, video"],
    ["an unknown provider", encode("text", "texts.txt", "no").map((part) => (part === "builtin" ? "bultin" : part)), 2, "Did you mean 'builtin'?"],
    ["a modality that the model lacks", encode("image", "images", "no").map((part) => (part === "scenes-image-text" ? "scenes-audio-text" : part)), 2, "image"],
    ["an unknown device", encode("text", "texts.txt", "no", "--device", "gpu"), 2, "--device: expected auto, cpu, cuda or cuda:N"],
    ["no batch", encode("text", "texts.txt", "no", "--batch-size", "0"), 2, "--batch-size: expected a whole number of at least 1"],
    ["a missing input", encode("text", "nowhere.txt", "no"), 3, "nowhere.txt is not there"],
    ["a place below a file", encode("text", "texts.txt", "texts.txt/no"), 3, "Name another place with --out"],
    ["a broken input, whose place is made in vain", encode("image", "broken", "deep/er/no"), 3, "1 of 1 images cannot be read"],
    ["a folder without such files", encode("audio", "images", "no"), 3, "has no audio files (.wav, .flac, .ogg, .mp3)"],
    ["an empty line", encode("text", "gap.txt", "no"), 3, "gap.txt:2: the line is empty"],
    ["bytes that are no text", encode("text", "latin.txt", "no"), 3, "is not UTF-8"],
    ["a broken image", encode("image", "broken", "no"), 3, "1 of 1 images cannot be read, more than 5 %: a.png"],
    ["missing weights", encode("text", "texts.txt", "no", "--checkpoint", place.file("no.safetensors")), 3, "there is no weights file"],
  ] as const)("refuses %s", async (_what, args, code, said) => {
    writeFileSync(place.file("gap.txt"), "one\n\nthree\n");
    writeFileSync(place.file("latin.txt"), Buffer.from("na\u00efve\n", "latin1"));
    writeFileSync(join(place.folder("broken"), "a.png"), png(32, () => [1, 2, 3]).subarray(0, 60));
    expectRefusal(await cmcr(args, { env }), code, said);
    expect(existsSync(place.file("no"))).toBe(false);
    if (existsSync(place.file("deep"))) expect(readdirSync(place.file("deep/er"))).toEqual(["no.skipped.jsonl"]);
    expect(readdirSync(place.path).filter((name) => name.includes("part"))).toEqual([]);
    expect(place.left()).toEqual([]);
  });
});
