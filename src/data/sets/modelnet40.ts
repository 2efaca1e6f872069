import { readFile } from "node:fs/promises";

import { systemCode } from "../../errors.js";
import { className } from "../sources/className.js";
import { CLOUD_CLASSES, cloudFile } from "../sources/modelNet40Files.js";
import { filesBelow } from "../sources/walk.js";
import type { SetCopy } from "./copy.js";
import type { SetDefinition, SetItem } from "./definition.js";

const NAMES = "modelnet40_shape_names.txt";
const LISTS = ["test", "train"] as const;
const COLOURED = "modelnet40_test_split_10k_colored.json";
const TEST = "modelnet40_test.txt";
const FIX = "Correct the line, or load the file again";
const AGAIN = "Remove clouds/ and unpack it again: cmcr data prepare modelnet40";

/** ModelNet40, clouds of CAD models. */
export const modelnet40: SetDefinition = {
  name: "modelnet40",
  title: "ModelNet40",
  uses: ["test"],
  purpose: "Zero-shot classification of clouds, 40 classes: top-1, top-3, top-5",
  size: "2,468 clouds of the test split",
  cite: "Wu et al., 3D ShapeNets: A Deep Representation for Volumetric Shapes, CVPR 2015 (arXiv 1406.5670); Xue et al., ULIP, CVPR 2023 (arXiv 2212.05171)",
  from: [
    { what: "modelnet40_normal_resampled (lists, clouds and caches) as ULIP reads it; for ULIP-2 modelnet40_colored_10k_pc.npy with its JSON", at: "https://github.com/salesforce/ULIP (Download datasets)" },
    { what: "the CAD models", at: "https://modelnet.cs.princeton.edu" },
  ],
  licence: "for academic research only, as published by its authors; the models are their makers'",
  layout: [
    { path: NAMES, what: "the 40 classes, one a line", need: "needed", by: "download", get: `${NAMES} of modelnet40_normal_resampled` },
    { path: "modelnet40_test.txt", what: "the ids of the test's clouds, such as airplane_0627", need: "needed", by: "download", get: "modelnet40_test.txt of modelnet40_normal_resampled" },
    { path: "modelnet40_train.txt", what: "the ids of the training's clouds", need: "optional", by: "download", get: "modelnet40_train.txt of modelnet40_normal_resampled" },
    { path: "labels.json", what: "the labels as prompts have them, under modelnet40", need: "needed", by: "download", get: "data/labels.json of ULIP's repository" },
    { path: "templates.json", what: "64 templates of prompts, under modelnet40_64", need: "needed", by: "download", get: "data/templates.json of ULIP's repository" },
    { path: "<class>/", what: "a cloud a file: x,y,z and a normal in each line", files: "<id>.txt", need: { choice: "forms of the clouds" }, by: "download", get: "The folders of modelnet40_normal_resampled, those of the test's clouds at least" },
    { path: "clouds/", what: `a cloud a file in the order of its list, and ${CLOUD_CLASSES} with their classes`, files: "000000.npy", need: { choice: "forms of the clouds" }, by: "prepare", get: "Unpacked by cmcr data prepare from one of the two below" },
    { path: "modelnet40_test_<points>pts_fps.dat", what: "all clouds of the test in one file, as ULIP's loader keeps them", need: "optional", by: "download", get: "modelnet40_test_8192pts_fps.dat of modelnet40_normal_resampled" },
    { path: "modelnet40_colored_10k_pc.npy", what: "the test's clouds of 10,000 points, as ULIP-2's authors hand them on", need: "optional", by: "download", get: `modelnet40_colored_10k_pc.npy with ${COLOURED}, both as ULIP-2's authors hand them on; OpenShape's test_pc.npy with test_split.json will do too` },
    { path: COLOURED, what: "the classes of those", need: "optional", by: "download", get: `${COLOURED}, beside modelnet40_colored_10k_pc.npy` },
  ],
  counts: [
    { name: "test", published: 2468 },
    { name: "train", published: 9843 },
    { name: "classes", published: 40 },
    { name: "labels", published: 40 },
    { name: "templates", published: 64 },
  ],
  faults: [
    { key: "names-with-underscores", what: "names of classes hold underscores (night_stand_0201)", published: null, handling: "the class is what comes before the last underscore of an id" },
    { key: "cache-of-objects", what: "the caches are pickled Python objects, which can run code when they are loaded", published: null, handling: "they are read by a reader that makes numbers alone, and unpacked to .npy" },
    { key: "cache-of-other-points", what: "ULIP's loader falls back to a cache of 8,192 points and thins it from a random start where there are fewer points in a file than asked for", published: null, handling: "the points of a file are taken as they are; the encoder says how many it takes" },
  ],
  attrition: false,
  prepare: { clouds: true },
  read: readModelNet,
};

async function* readModelNet(copy: SetCopy): AsyncGenerator<SetItem> {
  const names = new Set<string>();
  for await (const { text, at } of copy.lines(NAMES)) {
    const name = text.trim();
    if (names.has(name)) copy.fault("REPEATED_ID", at, `${name} is there already`, FIX);
    names.add(name);
  }
  copy.count("classes", names.size);
  await checkPrompts(copy, names);
  const raw = await hasClassFolder(copy, names);
  for (const list of LISTS) {
    const file = `modelnet40_${list}.txt`;
    const ids = new Set<string>();
    for await (const { text, at } of copy.lines(file)) {
      const id = text.trim();
      const name = id.slice(0, Math.max(0, id.lastIndexOf("_")));
      copy.count(list);
      if (ids.has(id)) copy.fault("REPEATED_ID", at, `${id} is there already`, FIX);
      ids.add(id);
      if (names.size > 0 && !names.has(name)) {
        copy.fault("UNKNOWN_CLASS", at, `the class of "${id}" is none of ${NAMES}`, FIX);
        continue;
      }
      // Experiments take the test alone, and only few have the clouds of the training.
      if (raw && list === "test") yield { id, place: `${file}:${at.at}`, claims: [{ path: `${name}/${id}.txt`, kind: "cloud", folder: "<class>/" }] };
    }
    if (list === "test") yield* unpacked(copy, names, copy.unread.has(file) ? null : ids.size);
  }
}

/** Holds labels against the classes, and templates against having a place for one. */
async function checkPrompts(copy: SetCopy, names: ReadonlySet<string>): Promise<void> {
  const labels = await listOf(copy, "labels.json", "modelnet40");
  const known = new Set([...names].map(className));
  for (const [index, label] of (labels ?? []).entries()) {
    if (known.size > 0 && !known.has(className(label))) copy.fault("UNKNOWN_CLASS", { file: "labels.json", at: `modelnet40 ${index}` }, `"${label}" is none of ${NAMES}`, FIX);
  }
  if (labels !== null) copy.count("labels", labels.length);
  const templates = await listOf(copy, "templates.json", "modelnet40_64");
  for (const [index, template] of (templates ?? []).entries()) {
    if (!template.includes("{}")) copy.fault("BAD_TEMPLATE", { file: "templates.json", at: `modelnet40_64 ${index}` }, `"${template}" has no place for a label, {}`, FIX);
  }
  if (templates !== null) copy.count("templates", templates.length);
}

/** A list of texts in a JSON document; null where there is none, which is told. */
async function listOf(copy: SetCopy, file: string, key: string): Promise<readonly string[] | null> {
  if ((await copy.kindOf(file)) !== "file") return null;
  const fault = (message: string): null => {
    copy.unread.add(file);
    copy.fault("BAD_TABLE", { file, at: "" }, message, "Load the file again");
    return null;
  };
  let document: unknown;
  try {
    document = JSON.parse(await readFile(copy.path(file), "utf8"));
  } catch (error) {
    if (systemCode(error) !== "") return fault(`cannot be read (${systemCode(error)})`);
    return fault("is no whole JSON document");
  }
  const list: unknown = typeof document === "object" && document !== null ? (document as Readonly<Record<string, unknown>>)[key] : undefined;
  if (!Array.isArray(list) || !list.every((entry) => typeof entry === "string")) return fault(`has no list of texts under ${key}`);
  return list;
}

/** Whether a folder of one of the classes is there. */
export async function hasClassFolder(copy: SetCopy, names: ReadonlySet<string>): Promise<boolean> {
  for (const name of names) if ((await copy.kindOf(name)) === "folder") return true;
  return false;
}

/** The clouds of the folder `clouds/`, a class in each line of classes.txt; without that they are those of the test's list. */
async function* unpacked(copy: SetCopy, names: ReadonlySet<string>, listed: number | null): AsyncGenerator<SetItem> {
  if ((await copy.kindOf("clouds")) !== "folder") return;
  const classes = `clouds/${CLOUD_CLASSES}`;
  const own = await copy.has(classes);
  const list = own ? classes : TEST;
  const known = new Set([...names].map(className));
  let count = 0;
  for await (const { text, at } of copy.lines(list)) {
    if (own && known.size > 0 && !known.has(className(text.trim()))) copy.fault("UNKNOWN_CLASS", at, `"${text.trim()}" is none of ${NAMES}`, AGAIN);
    const path = `clouds/${cloudFile(count)}`;
    count += 1;
    yield { id: path, place: `${list}:${at.at}`, claims: [{ path, kind: "cloud", folder: "clouds/" }] };
  }
  let files = 0;
  for await (const _ of filesBelow(copy.path("clouds"), { accept: (name) => name.endsWith(".npy"), depth: 0, signal: copy.signal, onOddity: () => undefined })) files += 1;
  if (count > 0 && files > count) copy.fault("WRONG_COUNT", { file: "clouds", at: "" }, `has ${files} clouds, and ${list} has the classes of ${count}`, AGAIN);
  // The coloured clouds have a list of their own.
  if (own && listed !== null && !(await copy.has(COLOURED)) && !(await copy.has("test_split.json")) && count !== listed) copy.fault("WRONG_COUNT", { file: classes, at: "" }, `has ${count} clouds, and ${TEST} has ${listed}`, "Take both from the same place");
}

/** The classes that the JSON beside the coloured clouds gives them; rejects when it is no list of them. */
export async function colouredClasses(path: string): Promise<readonly string[] | null> {
  const document: unknown = JSON.parse(await readFile(path, "utf8"));
  if (!Array.isArray(document)) return null;
  const classes = (document as readonly unknown[]).map((entry) => (typeof entry === "object" && entry !== null && "category" in entry && typeof entry.category === "string" ? entry.category : null));
  return classes.every((name) => name !== null) ? classes : null;
}
