import { mkdtemp, mkdir, rm, truncate as cut, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { loadExperiment } from "../../../src/config/load.js";
import { writeNpy } from "../../../src/data/npy.js";
import { CmcrError } from "../../../src/errors.js";
import { change, DIGITS } from "./samples.js";

const TEXT = change(DIGITS, "batchSize: 512", "batchSize: 4");

let folder: string;
const file = (name: string): string => join(folder, name);

async function embeddings(name: string, rows: number, dimension: number): Promise<void> {
  await writeNpy(file(`emb/${name}.npy`), new Float32Array(rows * dimension).fill(1), [rows, dimension]);
}

async function load(text = TEXT, set: readonly string[] = []) {
  await writeFile(file("digits.yaml"), text);
  return loadExperiment(file("digits.yaml"), { set });
}

async function failure(text = TEXT, set: readonly string[] = []): Promise<CmcrError> {
  const error: unknown = await load(text, set).then(
    () => new Error("the experiment was accepted"),
    (reason: unknown) => reason,
  );
  if (error instanceof CmcrError) return error;
  throw error;
}

/** A header as the safetensors format defines it, and as many bytes of data as are asked for. */
function safetensors(header: unknown, dataBytes: number): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cmcr-files-"));
  await mkdir(file("emb"));
  await embeddings("clip_text", 6, 8);
  await embeddings("clap_text", 6, 5);
  await embeddings("clip_image_train", 7, 8);
  await embeddings("clap_audio_train", 9, 5);
  await embeddings("clip_image_test", 3, 8);
  await embeddings("clap_audio_test", 2, 5);
  await writeNpy(file("emb/clip_image_test_labels.npy"), new Int32Array(3), [3]);
  await writeNpy(file("emb/clap_audio_test_labels.npy"), new BigInt64Array(2), [2]);
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe("files that are not there", () => {
  const JOINED = `version: 1
name: joined
folders: { data: sets }
spaces:
  clip: { provider: huggingface-clip, model: openai/clip-vit-base-patch32 }
  clap: { provider: laion-clap, model: 630k-fusion-best }
data:
  texts:
    modality: text
    source:
      type: joined
      sources:
        - { type: lines, path: $data/coco/captions.txt }
        - { type: lines,
            path: $data/coco/more.txt }
  images: { modality: image, source: { type: folder, path: emb } }
  sounds: { modality: audio, source: { type: folder, path: emb } }
connect:
  method: cmcr
  overlap: texts
  sides: [ { space: clip, memory: images }, { space: clap, memory: sounds } ]
`;

  it("are told at their own lines, and at the end what to do about their folder", async () => {
    const { details, code, path } = await failure(JOINED);
    expect(code).toBe(3);
    expect(path).toBe("data.texts.source.sources.0.path");
    expect(details).toEqual([
      `${file("digits.yaml")}:13:32 data.texts.source.sources.0.path: expected a readable file, found none at ${file("sets/coco/captions.txt")}`,
      `${file("digits.yaml")}:15:19 data.texts.source.sources.1.path: expected a readable file, found none at ${file("sets/coco/more.txt")}`,
      `$data is folders.data (${file("sets")}); move it with --set folders.data=DIR. \`cmcr data list\` says where the paper's data sets come from, \`cmcr data prepare NAME --root DIR\` brings them into place.`,
    ]);
    const set = "data.texts.source.sources.1.path=x.txt";
    expect((await failure(JOINED, [set])).details[1]).toBe(`--set ${set} data.texts.source.sources.1.path: expected a readable file, found none at ${file("x.txt")}`);
  });
});

describe("loadExperiment", () => {
  it("tells counts and dimensions, and every file", async () => {
    const { facts, files, source, warnings } = await load();
    expect(Object.fromEntries(facts.rows)).toEqual({ captions: 6, images: 7, sounds: 9, test_images: 3, test_sounds: 2 });
    expect(Object.fromEntries(facts.dimensions)).toEqual({ clip: 8, clap: 5 });
    expect(files).toHaveLength(8);
    expect(files).toContain(file("emb/clap_audio_test_labels.npy"));
    expect(source).toBe(TEXT);
    expect(warnings).toEqual([]);
  });

  it("reads the header of a .safetensors file with one matrix", async () => {
    await writeFile(file("emb/text.safetensors"), safetensors({ embeddings: { dtype: "F16", shape: [6, 8], data_offsets: [0, 96] } }, 96));
    const { facts } = await load(TEXT, ["data.captions.embeddings.clip=emb/text.safetensors"]);
    expect(facts.rows.get("captions")).toBe(6);
  });

  it("opens nothing when it is told not to", async () => {
    await rm(file("emb"), { recursive: true });
    await writeFile(file("digits.yaml"), TEXT);
    const { facts } = await loadExperiment(file("digits.yaml"), { checkFiles: false });
    expect(facts.rows.size).toBe(0);
  });
});

describe("an experiment file that cannot be read", () => {
  it.each([
    ["is missing", "nothing.yaml", "EXPERIMENT_MISSING", "there is no such file"],
    ["is a folder", "emb", "EXPERIMENT_UNREADABLE", "this is a folder"],
    ["is not text", "emb/clip_text.npy", "EXPERIMENT_UNREADABLE", "it is not UTF-8 text"],
  ])("because it %s", async (_why, name, reason, words) => {
    const attempt = loadExperiment(file(name));
    await expect(attempt).rejects.toMatchObject({ code: 2, reason, path: file(name) });
    await expect(attempt).rejects.toThrow(words);
  });
});

describe("data that an experiment names", () => {
  it("are all reported when they are missing, each with its line", async () => {
    await rm(file("emb/clap_text.npy"));
    await rm(file("emb/clip_image_test_labels.npy"));
    const error = await failure();
    expect(error).toMatchObject({ code: 3, reason: "DATA_MISSING", path: "data.captions.embeddings.clap" });
    expect(error.details).toEqual([
      `${file("digits.yaml")}:11:50 data.captions.embeddings.clap: expected a readable file, found none at ${file("emb/clap_text.npy")}`,
      `${file("digits.yaml")}:14:90 data.test_images.labels: expected a readable file, found none at ${file("emb/clip_image_test_labels.npy")}`,
    ]);
    expect(error.message).toBe(error.details[0]);
  });

  it("are not looked at while the file itself is wrong", async () => {
    await rm(file("emb"), { recursive: true });
    expect(await failure(change(TEXT, "epochs: 36", "epochs: 0"))).toMatchObject({ code: 2, path: "connect.epochs" });
  });

  it.each<[string, () => Promise<void>, string, RegExp]>([
    ["a folder in place of a file", () => mkdir(file("emb/x.npy")), "DATA_UNREADABLE", /expected a file, found something else/],
    ["a file of another format", () => writeFile(file("emb/x.npy"), "hello"), "NPY_INVALID", /not a \.npy file/],
    ["a truncated file", async () => { await embeddings("x", 6, 8); await truncate("emb/x.npy", 200); }, "NPY_TRUNCATED", /truncated/],
    ["pickled objects", () => writeFile(file("emb/x.npy"), npyWith("{'descr': '|O', 'fortran_order': False, 'shape': (6, 8), }")), "NPY_PICKLED", /pickled/],
    ["doubles", () => writeNpy(file("emb/x.npy"), new Float64Array(48), [6, 8]), "DTYPE_MISMATCH", /expected float16 or float32, found float64/],
    ["one dimension", () => writeNpy(file("emb/x.npy"), new Float32Array(48), [48]), "SHAPE_MISMATCH", /expected embeddings of shape \(n, d\).*found shape \(48,\)/],
    ["a value that is not finite", () => writeNpy(file("emb/x.npy"), new Float32Array(48).fill(1).fill(NaN, 19, 20), [6, 8]), "DATA_CORRUPT", /row 2, column 3 is NaN/],
    ["a row of zeros", () => writeNpy(file("emb/x.npy"), new Float32Array(48).fill(1).fill(0, 32, 40), [6, 8]), "DATA_CORRUPT", /row 4 is all zeros/],
    ["no rows", () => writeNpy(file("emb/x.npy"), new Float32Array(0), [0, 8]), "SHAPE_MISMATCH", /found shape \(0, 8\)/],
  ])("are refused: %s", async (_what, write, reason, message) => {
    await write();
    const error = await failure(TEXT, ["data.captions.embeddings.clip=emb/x.npy"]);
    expect(error).toMatchObject({ code: 3, reason, path: "data.captions.embeddings.clip" });
    expect(error.message).toMatch(message);
    expect(error.message).toContain("--set data.captions.embeddings.clip=emb/x.npy data.captions.embeddings.clip: ");
  });

  it.each<[string, Buffer | string, RegExp]>([
    ["no such file", "hello", /no \.safetensors file/],
    ["two matrices", safetensors({ a: { dtype: "F32", shape: [1, 1], data_offsets: [0, 4] }, b: { dtype: "F32", shape: [1, 1], data_offsets: [4, 8] } }, 8), /expected one tensor in it, found a, b/],
    ["less data than announced", safetensors({ a: { dtype: "F32", shape: [6, 8], data_offsets: [0, 192] } }, 100), /truncated: 192 bytes announced, 100 there/],
    ["a header that is no JSON", Buffer.concat([Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]), Buffer.from("{{{{")]), /no JSON object/],
    ["an entry that is none", safetensors({ a: 3 }, 8), /not well-formed/],
  ])("are refused as .safetensors: %s", async (_what, content, message) => {
    await writeFile(file("emb/x.safetensors"), content);
    const error = await failure(TEXT, ["data.captions.embeddings.clip=emb/x.safetensors"]);
    expect(error).toMatchObject({ code: 3, reason: "DATA_CORRUPT" });
    expect(error.message).toMatch(message);
  });

  it("must have one row for each item in every space", async () => {
    await embeddings("clap_text", 5, 5);
    const error = await failure();
    expect(error).toMatchObject({ code: 3, reason: "SHAPE_MISMATCH", path: "data.captions.embeddings.clap" });
    expect(error.message).toContain(`expected 6 rows, one for each item of captions, as ${file("emb/clip_text.npy")} has them, found 5`);
  });

  it("must have one dimension in a space", async () => {
    await embeddings("clip_image_train", 7, 9);
    expect(await failure()).toMatchObject({ code: 3, reason: "SHAPE_MISMATCH", path: "data.images.embeddings.clip" });
  });

  it.each<[string, () => Promise<void>, string, RegExp]>([
    ["floats", () => writeNpy(file("emb/clap_audio_test_labels.npy"), new Float32Array(2), [2]), "DTYPE_MISMATCH", /expected integer labels, found float32/],
    ["a matrix", () => writeNpy(file("emb/clap_audio_test_labels.npy"), new Int32Array(2), [2, 1]), "SHAPE_MISMATCH", /found shape \(2, 1\)/],
    ["too many", () => writeNpy(file("emb/clap_audio_test_labels.npy"), new Int32Array(3), [3]), "SHAPE_MISMATCH", /expected 2 labels.*found 3/],
  ])("must have integer labels, one an item: %s", async (_what, write, reason, message) => {
    await write();
    const error = await failure();
    expect(error).toMatchObject({ code: 3, reason, path: "data.test_sounds.labels" });
    expect(error.message).toMatch(message);
  });

  it("must be as many on both sides for relevance by rows", async () => {
    const error = await failure(change(TEXT, "relevance: labels", "relevance: rows"));
    expect(error).toMatchObject({ code: 3, reason: "SHAPE_MISMATCH", path: "evaluate.0.relevance" });
    expect(error.message).toContain("found 2 rows of test_sounds and 3 of test_images");
  });

  it("include the file of relevance", async () => {
    const text = change(TEXT, "relevance: labels", "relevance: relevant.json");
    expect(await failure(text)).toMatchObject({ code: 3, reason: "DATA_MISSING", path: "evaluate.0.relevance" });
    await writeFile(file("relevant.json"), "[[0], [1]]");
    expect((await load(text)).files).toContain(file("relevant.json"));
  });

  it.each([
    ["labels: { path: words.json, key: colours }, templates: ['a photo of {}']", 'expected a list of texts under "colours", found something else; its map has shapes, forms', "labels.path"],
    ["labels: words.json, templates: ['a photo of {}']", "Name one: { path, key }", "labels"],
    ["labels: [square], templates: { path: words.json, key: shapes }", 'the template "square" has no {} where the label goes', "templates.path"],
    ["labels: [square], templates: empty.txt", "empty.txt has no templates", "templates"],
  ])("are lists of texts where prompts are made of them: %s", async (texts, said, field) => {
    await writeFile(file("words.json"), JSON.stringify({ shapes: ["square", "circle"], forms: ["a {}"] }));
    await writeFile(file("empty.txt"), "");
    const source = (of: string) => change(TEXT, "  images:      {", `  prompts: { modality: text, source: { type: prompts, ${of} } }\n  images:      {`);
    const error = await failure(source(texts));
    expect(error).toMatchObject({ code: 3, path: `data.prompts.source.${field}` });
    expect(error.message).toContain(said);
    expect((await load(source("labels: { path: words.json, key: shapes }, templates: { path: words.json, key: forms }"))).files).toContain(file("words.json"));
  });

  it("must fill a batch: here the setting is wrong, not the data", async () => {
    const error = await failure(change(TEXT, "batchSize: 4", "batchSize: 7"));
    expect(error).toMatchObject({ code: 2, reason: "IMPOSSIBLE_VALUE", path: "connect.batchSize" });
    expect(error.message).toContain("expected at most 6, the number of items of captions, found 7");
  });
});

async function truncate(name: string, bytes: number): Promise<void> {
  await cut(file(name), bytes);
}

function npyWith(header: string): Buffer {
  const text = Buffer.from(`${header.padEnd(117)}\n`, "latin1");
  return Buffer.concat([Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, text.length, 0]), text]);
}
