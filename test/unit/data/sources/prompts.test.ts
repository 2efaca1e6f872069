import { describe, expect, it } from "vitest";

import { failureOf } from "../../../helpers/failures.js";
import { compileSource, folderWith, open, read } from "./reading.js";

// As ULIP's labels.json and templates.json are: maps of lists.
const LABELS = '{\n    "modelnet40": [\n        "airplane",\n        "night stand"\n    ]\n}';
const TEMPLATES = '{"modelnet40_64": ["a point cloud model of {}.", "There is a {} in the scene, and {} again."], "shapenet_64": ["{}"]}';
const place = (files: Readonly<Record<string, string>> = {}) => folderWith({ "labels.json": LABELS, "templates.json": TEMPLATES, ...files });
const prompts = (labels: unknown, templates: unknown, files: Readonly<Record<string, string>> = {}) => read(place(files), { type: "prompts", labels, templates }, "text");

describe("prompts", () => {
  it("are every template for every label, label after label, of ULIP's files", async () => {
    const { contents, items, ids } = await prompts({ path: "labels.json", key: "modelnet40" }, { path: "templates.json", key: "modelnet40_64" });
    expect(contents).toEqual([
      "a point cloud model of airplane.",
      "There is a airplane in the scene, and airplane again.",
      "a point cloud model of night stand.",
      "There is a night stand in the scene, and night stand again.",
    ]);
    expect(items.map(({ attributes }) => attributes?.["class"])).toEqual(["airplane", "airplane", "night stand", "night stand"]);
    expect(ids).toEqual(["airplane#1", "airplane#2", "night stand#1", "night stand#2"]);
  });

  it("turn a label's underscores into spaces, in the text and as the class", async () => {
    const { contents, items } = await prompts(["night_stand", "tv_stand"], ["a {}"]);
    expect(contents).toEqual(["a night stand", "a tv stand"]);
    expect(items.map(({ attributes }) => attributes?.["class"])).toEqual(["night stand", "tv stand"]);
  });

  it("come from text files and JSON lists too, and a label may hold what a replacement would mean", async () => {
    const { contents } = await prompts("shape_names.txt", "forms.json", { "shape_names.txt": "flower_pot\n$& {}\n", "forms.json": '["a photo of a {c}."]' });
    expect(contents).toEqual(["a photo of a flower pot.", "a photo of a $& {}."]);
  });

  it("name what is wrong with their files", async () => {
    expect(await failureOf(prompts(["a"], "t.txt", { "t.txt": "a {}\na cloud\n" }))).toMatchObject({ code: 3, reason: "BAD_TEMPLATE", message: expect.stringContaining('"a cloud" has no {}') as string });
    expect((await failureOf(prompts({ path: "labels.json", key: "modelnet10" }, ["{}"]))).message).toMatch(/list of texts under "modelnet10".*its map has modelnet40/);
    expect((await failureOf(prompts("labels.json", ["{}"]))).message).toContain("Name one: { path, key }");
    expect(await failureOf(prompts("l.txt", ["{}"], { "l.txt": "a\n\nb\n" }))).toMatchObject({ reason: "EMPTY_ITEM", message: expect.stringContaining("label 2 is empty") as string });
    expect(await failureOf(prompts("l.json", ["{}"], { "l.json": "[]" }))).toMatchObject({ code: 3, reason: "NO_ITEMS" });
    expect(await failureOf(prompts("l.json", ["{}"], { "l.json": "[" }))).toMatchObject({ code: 3, reason: "BAD_TABLE" });
    expect((await prompts(["a", "a"], ["{}"])).reasons).toEqual(["DUPLICATE_LABEL"]);
  });

  it("are others when their texts are", async () => {
    const folder = place();
    const identity = async (templates: unknown) => (await open(folder, { type: "prompts", labels: ["a"], templates }, "text")).identity;
    expect(await identity(["a {}"])).not.toEqual(await identity(["the {}"]));
    expect(compileSource(folder, { type: "prompts", labels: "labels.json", templates: ["{}"] })).toMatchObject({ labels: { kind: "file", path: `${folder}/labels.json`, key: null } });
  });
});
