import { readFile } from "node:fs/promises";

import { describe, expect, it } from "vitest";
import { parse } from "yaml";

import { collectionSchema, compileCollection } from "../../../src/config/collection.js";
import { describePlan } from "../../../src/config/planDescription.js";
import { parseExperiment } from "../../../src/config/load.js";
import { namedFiles } from "../../../src/config/namedFiles.js";
import { sourceInputs, sourceRoots } from "../../../src/config/sourceInputs.js";
import { sources } from "../../../src/config/sources/registry.js";
import { CmcrError } from "../../../src/errors.js";
import { MINIMAL } from "./samples.js";

const experiment = (collection: string) => parseExperiment(MINIMAL.replace("  left:", `  extra: ${collection}\n  left:`), "s.yaml", { folder: "/study" }).experiment;

function refusal(collection: string): string {
  try {
    experiment(collection);
  } catch (error) {
    if (error instanceof CmcrError) return error.details.join("\n");
    throw error;
  }
  throw new Error("the collection was accepted");
}

describe("the page on data", () => {
  it("has an example of every source, each of which is right", async () => {
    const text = await readFile("docs/data.md", "utf8");
    const blocks = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block = ""]) => parse(block) as { data: Record<string, unknown> });
    const types = new Set<string>();
    for (const { data } of blocks) {
      for (const [name, value] of Object.entries(data)) {
        const collection = collectionSchema.parse(value);
        const { source } = compileCollection(collection, name, (path) => `/study/${path}`);
        if (collection.source === undefined || source === null) continue;
        types.add(collection.source.type);
        expect(sources.get(collection.source.type).delivers(collection.source)).toContain(collection.modality);
        if (typeof collection.labels === "object") expect(sources.get(collection.source.type).attributes(collection.source)).toContain(collection.labels.attribute);
      }
    }
    expect([...types].sort()).toEqual(sources.names.filter((name) => name !== "builtin").sort());
  });
});

describe("a source in an experiment file", () => {
  it("names its files and folders, each with its field", () => {
    const compiled = experiment("{ modality: audio, source: { type: audioset, path: eval.csv, labels: labels.csv, root: wav } }");
    const files = namedFiles(compiled).filter(({ field }) => field[1] === "extra");
    expect(files.map(({ path, field, use }) => [path, field.join("."), use.kind === "source" ? use.expected : ""])).toEqual([
      ["/study/eval.csv", "data.extra.source.path", "file"],
      ["/study/wav", "data.extra.source.root", "folder"],
      ["/study/labels.csv", "data.extra.source.labels", "file"],
    ]);
  });

  it.each([
    ["{ type: folder, path: a }", [["/study/a", "folder"]], ["/study/a"]],
    ["{ type: glob, path: a/b*/c.png }", [["/study/a", "folder"]], ["/study/a"]],
    ['{ type: webdataset, path: "t/{0..2}.tar" }', [["/study/t/0.tar", "file"], ["/study/t/1.tar", "file"], ["/study/t/2.tar", "file"]], ["/study/t"]],
    ['{ type: webdataset, path: ["t/{0..99999}.tar", x/*.tar, y.tar, z] }', [["/study/t", "folder"], ["/study/x", "folder"], ["/study/y.tar", "file or folder"], ["/study/z", "file or folder"]], ["/study/t", "/study/x", "/study", "/study/z"]],
    ["{ type: csv, path: l/t.csv, file: path }", [["/study/l/t.csv", "file"]], ["/study/l"]],
    ["{ type: ave, path: Annotations.txt, rows: o.h5, root: v, }", [["/study/Annotations.txt", "file"], ["/study/v", "folder"], ["/study/o.h5", "file"]], ["/study/v"]],
    ["{ type: msr-vtt, path: d.json, list: l.csv }", [["/study/d.json", "file"], ["/study/l.csv", "file"]], ["/study"]],
    ["{ type: coco, path: c.json, root: r }", [["/study/c.json", "file"], ["/study/r", "folder"]], ["/study/r"]],
    ["{ type: vgg-ss, path: m/v.json, list: t.csv }", [["/study/m/v.json", "file"], ["/study/t.csv", "file"]], ["/study/m"]],
    ["{ type: flickr-soundnet, path: m/f.csv, root: r }", [["/study/m/f.csv", "file"], ["/study/m/Annotations", "folder"], ["/study/r", "folder"]], ["/study/r"]],
    ["{ type: extended, path: e.csv, root: r, positives: { type: vgg-ss, path: m/v.json } }", [["/study/e.csv", "file"], ["/study/m/v.json", "file"], ["/study/r", "folder"], ["/study/r", "folder"]], ["/study/r"]],
    ["{ type: modelnet40, root: n, format: unpacked }", [["/study/n", "folder"], ["/study/n/clouds", "folder"]], ["/study/n/clouds"]],
    ["{ type: modelnet40, root: n }", [["/study/n", "folder"]], ["/study/n"]],
    ["{ type: prompts, labels: l.txt, templates: { path: t.json, key: k } }", [["/study/l.txt", "file"], ["/study/t.json", "file"]], []],
  ])("%s has its inputs, and the folders that a worker reads", (source, inputs, roots) => {
    const modality = source.includes("ave") ? "audio" : source.includes("modelnet40") ? "pointcloud" : source.includes("prompts") ? "text" : "image";
    const compiled = experiment(`{ modality: ${modality}, source: ${source} }`).data["extra"]?.source ?? null;
    if (compiled === null) throw new Error("no source");
    expect(sourceInputs(compiled).map(({ path, expected }) => [path, expected])).toEqual(inputs);
    expect(sourceRoots(compiled)).toEqual(roots);
  });

  it.each([
    ["{ modality: text, source: { type: csv, path: t.csv } }", "data.extra.source.text: expected text, the column of the captions, or file, that of the files, found neither"],
    ["{ modality: image, source: { type: csv, path: t.csv, text: a } }", "data.extra.source: expected a source that delivers image, found csv, which delivers text"],
    ["{ modality: text, source: { type: vggsound, path: v.csv } }", "expected a source that delivers text, found vggsound"],
    ["{ modality: image, source: { type: glob, path: photos } }", "data.extra.source.path: expected a pattern with *"],
    ["{ modality: image, source: { type: glob, path: photos } }", "For a folder: { type: folder }"],
    ['{ modality: image, source: { type: webdataset, path: "{0..9999999}.tar" } }', "expected a pattern of at most 100,000 names"],
    ["{ modality: text, source: { type: coco, path: c.csv } }", "expected the path of a .json file"],
    ["{ modality: image, source: { type: folder, path: p, frame: last } }", "data.extra.source.frame: expected middle, first or a number of seconds"],
    ["{ modality: audio, source: { type: folder, path: p, segment: { seconds: 0 } } }", "data.extra.source.segment.seconds: expected a number above 0"],
    ["{ modality: audio, source: { type: vggsound, path: v.csv, split: val } }", "expected one of train, test"],
    ["{ modality: image, source: { type: class-folder, path: p }, labels: { attribute: label } }", "data.extra.labels.attribute: expected one of class"],
    ["{ modality: text, source: { type: parqet, path: p } }", 'Did you mean "parquet"?'],
    ["{ modality: image, embeddings: { a: clip.pt } }", "expected the path of a .npy or .safetensors file, or of a folder that clip-retrieval wrote"],
    ["{ modality: image, embeddings: { a: \"\" } }", "expected the path of a .npy or .safetensors file"],
  ])("%s is refused", (collection, message) => {
    expect(refusal(collection)).toContain(message);
  });

  it.each(["emb/", "emb", "../out.v1/", "a/b.d/c", "x.npy", "x.safetensors", "..", "."])("has embeddings at %s", (path) => {
    expect(experiment(`{ modality: image, embeddings: { a: ${path} } }`).data["extra"]?.embeddings["a"]).toBeDefined();
  });

  it("is described in the plan", () => {
    const described = (source: string, modality = "image") => describePlan(experiment(`{ modality: ${modality}, source: ${source} }`), { rows: new Map(), dimensions: new Map() }).find((line) => line.includes("extra"));
    expect(described("{ type: glob, path: a/*.png }")).toContain("from /study/a/*.png");
    expect(described('{ type: webdataset, path: ["t/{0..2}.tar", b.tar] }')).toContain("webdataset /study/t/{0..2}.tar and 1 more");
    expect(described("{ type: clotho, path: c.csv, root: wav }", "audio")).toContain("clotho /study/c.csv with files below /study/wav");
    expect(described("{ type: coco, path: c.json }")).toContain("coco /study/c.json");
    expect(described("{ type: music-solo, path: m.json }")).toContain("music-solo /study/m.json");
    expect(described("{ type: modelnet40, root: n }", "pointcloud")).toContain("modelnet40 test /study/n");
    expect(described("{ type: prompts, labels: [a, b], templates: { path: t.json, key: k } }", "text")).toContain("prompts: 2 of the file, each in those of /study/t.json (k)");
  });
});
