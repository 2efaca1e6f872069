import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { readNpy } from "../../src/data/npy.js";
import { tar } from "../unit/data/sources/tarBytes.js";
import { cmcr, expectRefusal, jsonLines, start, succeed, Workplace } from "./support/cli.js";
import { png } from "./support/media.js";

const place = new Workplace();
const { env } = place;

const picture = (shade: number) => png(32, (x, y) => [x * 8, y * 8, shade]);

beforeAll(() => {
  for (const [index, name] of ["cat/a.png", "cat/b.png", "dog/c.png"].entries()) {
    mkdirSync(join(place.file("photos", name), ".."), { recursive: true });
    writeFileSync(place.file("photos", name), picture(index * 60));
  }
  writeFileSync(place.file("captions.csv"), 'id,caption\n1,a small red circle\n2,\n3,"a large, blue square"\n');
  writeFileSync(place.file("pairs.tar"), tar({ name: "1.png", content: picture(10) }, { name: "1.txt", content: "a small red circle" }, { name: "2.png", content: picture(200) }, { name: "2.txt", content: "a large blue square" }));
});
afterAll(() => {
  place.remove();
});

describe("data inspect", () => {
  it("shows what would be read, without a worker", async () => {
    const { stdout, stderr } = await succeed(["data", "inspect", place.file("captions.csv")], { env });
    expect(stdout.split("\n").slice(0, 2)).toEqual(["source  csv", "items   2 text"]);
    expect(stdout).toContain("1 x EMPTY_CAPTION");
    expect(stdout).toContain("captions.csv:3");
    expect(stderr).toBe("");
  });

  it("says the same as JSON", async () => {
    const { stdout } = await succeed(["data", "inspect", place.file("photos"), "--type", "class-folder", "--limit", "1", "--json"], { env });
    expect(jsonLines(stdout)).toMatchObject([{ event: "inspected", type: "class-folder", modality: "image", count: 3, items: [{ id: "cat/a.png" }], attributes: [{ name: "class", values: 2 }], oddities: [] }]);
  });

  it.each([
    ["what is not there", ["data", "inspect", "nowhere"], 3, "nowhere is not there"],
    ["an unknown action", ["data", "inspct", "x"], 2, "inspect"],
    ["no action", ["data"], 2, "Name an action"],
    ["no source", ["data", "inspect"], 2, "SOURCE is missing"],
  ] as const)("refuses %s", async (_, args, code, said) => {
    expectRefusal(await cmcr(args, { env }), code, said);
  });

  it("ends at Ctrl-C with 130", async () => {
    const path = place.file("long.jsonl");
    writeFileSync(path, `${JSON.stringify({ caption: "a caption of some words" })}\n`.repeat(2_000_000));
    const command = start(["data", "inspect", path], { env });
    setTimeout(() => command.kill("SIGINT"), 2500);
    const { exitCode, stderr } = await command;
    expect([exitCode, stderr]).toEqual([130, "interrupted\n".trim()]);
  });
});

describe("tables and tars", () => {
  const encode = (modality: string, input: string, out: string, ...more: readonly string[]) => ["encode", "--encoder", "builtin", "--model", "scenes-image-text", "--modality", modality, "--input", place.file(input), "--out", place.file(out), ...more];

  it("are encoded like folders and lists: a tar's members where they lie", async () => {
    await succeed(encode("image", "pairs.tar", "tar-images"), { env });
    await succeed(encode("image", "photos", "photo-images"), { env });
    await succeed(encode("text", "pairs.tar", "tar-texts"), { env });
    await succeed(encode("text", "captions.csv", "table-texts"), { env });
    const rows = async (name: string) => (await readNpy(place.file(name, "embeddings.npy"))).shape;
    expect([await rows("tar-images"), await rows("tar-texts"), await rows("table-texts")]).toEqual([[2, 64], [2, 64], [2, 64]]);
    const [tarTexts, tableTexts] = [await readNpy(place.file("tar-texts", "embeddings.npy")), await readNpy(place.file("table-texts", "embeddings.npy"))];
    // The same caption in a tar and in a table.
    expect(tarTexts.data.slice(0, 64)).toEqual(tableTexts.data.slice(0, 64));
  });

  it("give an experiment its labels, from a folder of classes", async () => {
    mkdirSync(place.file("prompts"), { recursive: true });
    writeFileSync(
      place.file("labels.yaml"),
      `version: 1
name: labels
spaces: { sight: { provider: builtin, model: scenes-image-text }, sound: { provider: builtin, model: scenes-audio-text } }
data:
  words: { modality: text, source: { type: builtin, generator: scenes, split: captions, count: 64 } }
  views: { modality: image, source: { type: builtin, generator: scenes, split: images, count: 32 } }
  tones: { modality: audio, source: { type: builtin, generator: scenes, split: sounds, count: 32 } }
  photos: { modality: image, source: { type: class-folder, path: photos }, labels: { attribute: class } }
  shapes: { modality: image, source: { type: glob, path: "photos/*/*.png" }, labels: { attribute: class } }
connect: { method: cmcr, overlap: words, sides: [{ space: sight, memory: views }, { space: sound, memory: tones }], batchSize: 32, epochs: 1, projector: { dim: 16 } }
evaluate:
  - { name: same, task: retrieval, query: { data: photos, space: sight }, gallery: { data: photos, space: sight }, relevance: labels, ks: [1], baselines: [chance] }
`,
    );
    const refused = await cmcr(["validate", place.file("labels.yaml")], { env });
    expectRefusal(refused, 2, "labels.yaml:9:");
    expect(refused.stderr).toContain("data.shapes.labels.attribute");
    writeFileSync(place.file("right.yaml"), (await import("node:fs")).readFileSync(place.file("labels.yaml"), "utf8").replace(/ {2}shapes:.*\n/, ""));
    const { stdout } = await succeed(["run", place.file("right.yaml"), "--out", place.file("runs"), "--json"], { env, limitMs: 120_000 });
    expect(jsonLines(stdout).at(-1)).toMatchObject({ event: "done" });
  });
});

describe("clip-retrieval's layout", () => {
  const encode = (...more: readonly string[]) => ["encode", "--encoder", "builtin", "--model", "scenes-image-text", ...more];

  it("is written by encode, by data export from what encode made, and is read by an experiment", async () => {
    await succeed(encode("--modality", "image", "--input", place.file("photos"), "--out", place.file("direct"), "--format", "clip-retrieval"), { env });
    await succeed(encode("--modality", "image", "--input", place.file("photos"), "--out", place.file("stored")), { env });
    const { stdout } = await succeed(["data", "export", place.file("stored"), "--format", "clip-retrieval", "--out", place.file("exported"), "--rows-per-file", "2"], { env });
    expect(stdout).toBe(place.file("exported"));
    expect(readdirSync(place.file("direct"), { recursive: true }).sort()).toEqual(["img_emb", "img_emb/img_emb_0.npy", "metadata", "metadata/metadata_0.parquet"]);
    expect(readdirSync(place.file("exported", "img_emb")).sort()).toEqual(["img_emb_0.npy", "img_emb_1.npy"]);
    const stored = await readNpy(place.file("stored", "embeddings.npy"));
    const direct = await readNpy(place.file("direct", "img_emb", "img_emb_0.npy"));
    expect(direct.dtype).toBe("float16");
    stored.data.forEach((value: number | bigint, index: number) => { expect(Number(direct.data[index])).toBeCloseTo(Number(value), 3); });
    const metadata = await parquetReadObjects({ file: await asyncBufferFromFile(place.file("direct", "metadata", "metadata_0.parquet")) });
    expect(metadata).toEqual([{ image_path: "cat/a.png" }, { image_path: "cat/b.png" }, { image_path: "dog/c.png" }]);

    await succeed(encode("--modality", "text", "--input", place.file("captions.csv"), "--out", place.file("texts"), "--format", "clip-retrieval"), { env });
    expect(await parquetReadObjects({ file: await asyncBufferFromFile(place.file("texts", "metadata", "metadata_0.parquet")) })).toEqual([
      { caption: "a small red circle", text_id: "0" },
      { caption: "a large, blue square", text_id: "2" },
    ]);

    const experiment = (folder: string) => `version: 1
name: clip
spaces: { a: { provider: precomputed }, b: { provider: builtin, model: scenes-audio-text } }
data:
  words: { modality: text, source: { type: inline, items: [red circle, blue square] }, embeddings: { a: ${folder} } }
  photos: { modality: image, embeddings: { a: exported } }
  tones: { modality: audio, source: { type: builtin, generator: scenes, split: sounds, count: 8 } }
connect: { method: cmcr, overlap: words, sides: [{ space: a, memory: photos }, { space: b, memory: tones }], batchSize: 2, epochs: 1, projector: { dim: 8 } }
`;
    writeFileSync(place.file("clip.yaml"), experiment("texts"));
    const plan = await succeed(["validate", place.file("clip.yaml")], { env });
    expect(plan.stdout).toContain("photos: 3 image");
    await succeed(["run", place.file("clip.yaml"), "--out", place.file("runs")], { env, limitMs: 120_000 });
    writeFileSync(place.file("wrong.yaml"), experiment("direct"));
    expectRefusal(await cmcr(["validate", place.file("wrong.yaml")], { env }), 3, "wrong.yaml:5:", "data.words.embeddings.a", "text_emb");
  });

  it.each([
    ["another format", ["data", "export", "texts", "--format", "zip", "--out", "x"], 2, "--format: expected clip-retrieval"],
    ["what is no folder of embeddings", ["data", "export", "photos", "--out", "x"], 3, "no folder of embeddings"],
    ["a place that is taken", ["data", "export", "stored", "--out", "photos"], 2, "is there already"],
    ["another layout of encode", encode("--modality", "image", "--input", "photos", "--out", "x", "--format", "zip"), 2, "--format: expected store or clip-retrieval"],
  ] as const)("refuses %s", async (_, args, code, said) => {
    expectRefusal(await cmcr(args.map((part) => (["texts", "photos", "stored", "x"].includes(part) ? place.file(part) : part)), { env }), code, said);
  });
});
