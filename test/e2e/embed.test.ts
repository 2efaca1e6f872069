import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { readNpy } from "../../src/data/npy.js";
import { WIDTHS, writeAuthorsFiles } from "./support/authorsFiles.js";
import { cmcr, expectRefusal, jsonLines, MAIN, succeed, Workplace } from "./support/cli.js";
import { png, wav } from "./support/media.js";
import { startWorker } from "./support/sharedWorker.js";

const place = new Workplace();
const { env } = place;
const run = place.file("joined");
const TEXTS = ["a small red circle", "a large blue square", "a green star"];
const clip = "spaces.clip={provider: builtin, model: scenes-image-text, batchSize: 2}";
const clap = "spaces.clap={provider: builtin, model: scenes-audio-text}";

interface Answer {
  readonly run: string;
  readonly space: string;
  readonly modality: string;
  readonly dimension: number;
  readonly embeddings: readonly { readonly item: string; readonly embedding: readonly number[] }[];
}

const args = (modality: string, ...more: readonly string[]) => ["embed", run, "--modality", modality, ...more];

async function embed(modality: string, ...more: readonly string[]): Promise<Answer> {
  const { stdout } = await succeed(args(modality, ...more), { env });
  return JSON.parse(stdout) as Answer;
}

/** What `encode` and `project` make of the same items, each in turn: the joint embedding the long way. */
async function theLongWay(name: string, modality: string, model: string, space: string, input: string): Promise<readonly (readonly number[])[]> {
  const [encoded, out] = [place.file(`${name}-encoded`), place.file(`${name}.npy`)];
  await succeed(["encode", "--encoder", "builtin", "--model", model, "--modality", modality, "--input", input, "--out", encoded], { env });
  await succeed(["project", run, join(encoded, "embeddings.npy"), "--space", space, "--out", out], { env });
  const { shape, data } = await readNpy(out);
  const [rows = 0, dim = 0] = shape;
  return Array.from({ length: rows }, (_, row) => Array.from((data as Float32Array).subarray(row * dim, (row + 1) * dim)));
}

function expectClose(found: Answer, expected: readonly (readonly number[])[]): void {
  expect(found.embeddings).toHaveLength(expected.length);
  for (const [index, { embedding }] of found.embeddings.entries()) {
    expect(embedding).toHaveLength(WIDTHS.joint);
    const difference = Math.max(...embedding.map((value, k) => Math.abs(value - (expected[index]?.[k] ?? NaN))));
    expect(difference).toBeLessThan(1e-5);
    expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
  }
}

beforeAll(async () => {
  await writeAuthorsFiles(place.folder("files"));
  await succeed(["import-projectors", place.file("files", "clap_clip.pt"), "--preset", "audio-visual", "--out", run, "--set", clip, "--set", clap], { env });
  writeFileSync(place.file("texts.txt"), `${TEXTS.join("\n")}\n`);
  const images = place.folder("images");
  for (const [index, name] of ["a.png", "b.png", "c.png"].entries()) writeFileSync(join(images, name), png(32, (x, y) => [x * 8, y * 8, index * 100]));
  const sounds = place.folder("sounds");
  for (const [index, pitch] of [220, 440].entries()) writeFileSync(join(sounds, `${index}.wav`), wav(1, 16_000, (time) => 0.5 * Math.sin(2 * Math.PI * pitch * time)));
  writeFileSync(place.file("broken.png"), png(32, () => [1, 2, 3]).subarray(0, 60));
});
afterAll(() => {
  place.remove();
});

describe("embed", () => {
  it("sends text through CLIP, not through CLAP's text encoder, and a batch as single items", async () => {
    const found = await embed("text", ...TEXTS);
    expect(found).toMatchObject({ run: "joined", space: "clip", modality: "text", dimension: WIDTHS.joint });
    expect(found.embeddings.map(({ item }) => item)).toEqual(TEXTS);
    const expected = await theLongWay("texts", "text", "scenes-image-text", "clip", place.file("texts.txt"));
    expectClose(found, expected);
    expectClose(await embed("text", TEXTS[2] ?? ""), expected.slice(2));
    const other = await embed("text", ...TEXTS, "--space", "clap");
    expect(other.space).toBe("clap");
    expectClose(other, await theLongWay("texts-clap", "text", "scenes-audio-text", "clap", place.file("texts.txt")));
    expect(other.embeddings[0]?.embedding).not.toEqual(found.embeddings[0]?.embedding);
  });

  it("sends images through CLIP and sounds through CLAP", async () => {
    const images = await embed("image", ...["a", "b", "c"].map((name) => place.file("images", `${name}.png`)));
    expect(images.space).toBe("clip");
    expectClose(images, await theLongWay("images", "image", "scenes-image-text", "clip", place.file("images")));
    const sounds = await embed("audio", ...[0, 1].map((index) => place.file("sounds", `${index}.wav`)));
    expect(sounds.space).toBe("clap");
    expectClose(sounds, await theLongWay("sounds", "audio", "scenes-audio-text", "clap", place.file("sounds")));
  });

  it("writes a .npy, of items that are named and then of those on standard input, one a line", async () => {
    const out = place.file("joint.npy");
    const { stdout } = await execa(process.execPath, [MAIN, ...args("text", "-", "--out", out, "--json", "--", "--one first")], { input: `${TEXTS.join("\r\n")}\r\n`, env });
    expect(jsonLines(stdout)).toEqual([{ event: "embedded", run: "joined", space: "clip", modality: "text", dimension: WIDTHS.joint, count: 4, out }]);
    const { dtype, shape, data } = await readNpy(out);
    expect([dtype, shape]).toEqual(["float32", [4, WIDTHS.joint]]);
    const json = await embed("text", "--", "--one first", ...TEXTS);
    // What is printed is the float32 itself.
    expect(json.embeddings.flatMap(({ embedding }) => embedding).map(Math.fround)).toEqual(Array.from(data as Float32Array));
  });

  it("works with a worker that shares no files", async () => {
    const worker = await startWorker(place, "127.0.0.1:0", [place.path]);
    try {
      const far = place.file("far");
      await succeed(["import-projectors", place.file("files", "clap_clip.pt"), "--preset", "audio-visual", "--out", far, "--set", clip, "--set", clap, ...worker.use], { env });
      const { stdout } = await succeed(["embed", far, "--modality", "image", place.file("images", "a.png")], { env });
      const near = await embed("image", place.file("images", "a.png"));
      expect((JSON.parse(stdout) as Answer).embeddings[0]?.embedding).toEqual(near.embeddings[0]?.embedding);
    } finally {
      await worker.stop();
    }
  });

  it.each([
    ["a modality that is none", args("smell", "x"), 2, "--modality: expected one of text, image, audio, pointcloud, video"],
    ["a modality without an encoder", args("pointcloud", place.file("texts.txt")), 2, "--modality: no encoder for pointcloud: clip embeds"],
    ["a space that is none", args("text", "x", "--space", "ulip"), 2, '--space: the run connects clip and clap; found "ulip"'],
    ["a space that does not embed it", args("audio", place.file("sounds", "0.wav"), "--space", "clip"), 2, "no encoder for audio: clip embeds text and image"],
    ["a folder that is no run", ["embed", place.file("files"), "--modality", "text", "x"], 2, "is not a run"],
    ["no item", args("text"), 2, "name at least one item"],
    ["a file that is there", args("text", "x", "--out", place.file("there.npy")), 2, "there.npy is there already, and is left as it is"],
    ["another kind of file", args("text", "x", "--out", place.file("no.json")), 2, "--out: expected the .npy file to write"],
    ["an item that is missing", args("image", place.file("images", "a.png"), place.file("images", "z.png"), "--out", place.file("no.npy")), 3, "item 2 of 2", "z.png is not there"],
    ["an item that is damaged", args("image", place.file("images", "a.png"), place.file("broken.png"), "--out", place.file("no.npy")), 3, "broken.png"],
    ["a folder as an item", args("image", place.file("images")), 3, "images is no file"],
    ["a text without a letter", args("text", "x", " "), 3, "item 2 of 2 is empty"],
  ] as const)("refuses %s", async (_what, given, code, ...said) => {
    writeFileSync(place.file("there.npy"), "mine");
    expectRefusal(await cmcr(given, { env }), code, ...said);
    expect([existsSync(place.file("no.npy")), existsSync(place.file("no.json"))]).toEqual([false, false]);
    expect(readdirSync(place.path).filter((name) => name.includes(".part"))).toEqual([]);
    expect(place.left()).toEqual([]);
  });

  it("refuses a space without an encoder, and an encoder of another size", async () => {
    const half = place.file("half");
    await succeed(["import-projectors", place.file("files", "clap_clip.pt"), "--preset", "audio-visual", "--out", half, "--set", "spaces.clip={provider: precomputed}", "--set", clap], { env });
    // CLAP's text encoder is there, and is not taken in CLIP's place.
    expectRefusal(await cmcr(["embed", half, "--modality", "text", "x"], { env }), 2, "text goes through the space clip, which is precomputed", "cmcr project RUN --space clip");
    const other = place.file("other");
    await succeed(["import-projectors", place.file("files", "ulip_clip.pt"), "--preset", "three-d", "--out", other, "--set", clip.replace("image", "audio"), "--set", "spaces.ulip={provider: precomputed}"], { env });
    expectRefusal(await cmcr(["embed", other, "--modality", "text", "x"], { env }), 2, "the encoder of clip gives 48 dimensions, and the projector of clip takes 64");
  });
});
