import { join } from "node:path";

import { execa } from "execa";

import { setupPaths } from "../../../src/setup/paths.js";
import { encodeNpyHeader } from "../../../src/data/npyHeader.js";
import { CopyWriter, type SmallCopyOptions, upTo, videoId } from "./smallCopiesMedia.js";

/** Small copies of the data sets that memories and clouds come from. */

const AUDIOSET_LABELS = [["/m/09x0r", "Speech"], ["/m/0bt9lr", "Dog"], ["/m/07jdr", "Train"], ["/m/05r5c", "Piano"], ["/t/dd00088", "Gush"], ["/m/02mfyn", "Car alarm"]] as const;

/** AudioSet: three lists with their three lines of comment and spaces after the commas, the names of the labels, a sound for each clip. */
export function writeAudioSet(root: string, { items = 12, media = true }: SmallCopyOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  copy.write("class_labels_indices.csv", `index,mid,display_name\n${AUDIOSET_LABELS.map(([id, name], index) => `${index},${id},"${name}"\n`).join("")}`);
  const lists = [["unbalanced_train", 2000, items], ["balanced_train", 3000, Math.max(2, items >> 1)], ["eval", 4000, Math.max(2, items >> 1)]] as const;
  for (const [name, first, count] of lists) {
    const rows = upTo(count).map((item) => {
      const labels = [item % 6, (item + 4) % 6].map((label) => AUDIOSET_LABELS[label]?.[0] ?? "");
      return `${videoId(first + item)}, ${(10 * item).toFixed(3)}, ${(10 * item + 10).toFixed(3)}, "${labels.join(",")}"\n`;
    });
    copy.write(`${name}_segments.csv`, `# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=${count}, num_segs=${count}, num_unique_labels=6, num_positive_labels=${2 * count}\n# YTID, start_seconds, end_seconds, positive_labels\n${rows.join("")}`);
    if (media) for (const item of upTo(count)) copy.sound(`audio/${videoId(first + item)}.wav`, item % 6, item);
  }
  return copy;
}

/** ImageNet: a folder for each class's WordNet number, in train/ and val/, files ending in .JPEG. */
export function writeImageNet(root: string, { items = 12 }: SmallCopyOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  const classes = ["n01440764", "n02099601", "n03884397", "n04310018"] as const;
  for (const item of upTo(items)) {
    const label = item % classes.length;
    copy.picture(`train/${classes[label] ?? ""}/${classes[label] ?? ""}_${100 + item}.JPEG`, label, item);
    if (item < classes.length) copy.picture(`val/${classes[label] ?? ""}/ILSVRC2012_val_${String(item + 1).padStart(8, "0")}.JPEG`, label, item);
  }
  return copy;
}

/** The names of ModelNet40's classes, in the order of modelnet40_shape_names.txt. */
export const MODELNET_CLASSES = [
  "airplane", "bathtub", "bed", "bench", "bookshelf", "bottle", "bowl", "car", "chair", "cone",
  "cup", "curtain", "desk", "door", "dresser", "flower_pot", "glass_box", "guitar", "keyboard", "lamp",
  "laptop", "mantel", "monitor", "night_stand", "person", "piano", "plant", "radio", "range_hood", "sink",
  "sofa", "stairs", "stool", "table", "tent", "toilet", "tv_stand", "vase", "wardrobe", "xbox",
] as const;

/** Sixty-four templates, as many as ULIP has for ModelNet40. */
const TEMPLATES = ["a", "the", "one", "some", "my", "this", "a small", "a large"].flatMap((which) =>
  ["a point cloud of", "a scan of", "a model of", "points of", "a rendering of", "a shape of", "a bad cloud of", "a good cloud of"].map((form) => `${form} ${which} {}.`),
);

export interface ModelNetOptions extends SmallCopyOptions {
  /** Points of a cloud (64 unless given). */
  readonly points?: number;
}

/** ModelNet40 as modelnet40_normal_resampled has it: lists of ids, and `CLASS/ID.txt` with x, y, z and a normal in each line; ULIP's labels and templates beside them. The test has `items` clouds, one of each class in turn. */
export function writeModelNet40(root: string, { items = 12, points = 64, media = true }: ModelNetOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  const ids = modelNetIds(items);
  copy.write("modelnet40_shape_names.txt", MODELNET_CLASSES.map((name) => `${name}\n`).join(""));
  copy.write("modelnet40_test.txt", ids.map(({ id }) => `${id}\n`).join(""));
  copy.write("labels.json", JSON.stringify({ modelnet40: MODELNET_CLASSES.map((name) => name.replaceAll("_", " ")) }));
  copy.write("templates.json", JSON.stringify({ modelnet40_64: TEMPLATES, shapenet_64: TEMPLATES }));
  copy.write("modelnet40_train.txt", upTo(4).map((label) => `${MODELNET_CLASSES[label] ?? ""}_0001\n`).join(""));
  if (!media) return copy;
  for (const { id, label, name } of ids) {
    const lines = upTo(points).map((point) => cloudPoint(label, point).map((value) => value.toFixed(6)).join(","));
    copy.write(`${name}/${id}.txt`, `${lines.join("\n")}\n`);
  }
  return copy;
}

/** ModelNet40's test as the folder `clouds/` that `cmcr data prepare` makes of one file with all clouds: 000000.npy and so on, in the order of the list, and classes.txt. */
export function writeModelNet40Clouds(root: string, options: ModelNetOptions = {}): CopyWriter {
  const { items = 12, points = 64 } = options;
  const copy = writeModelNet40(root, { ...options, media: false });
  for (const [item, { label }] of modelNetIds(items).entries()) {
    const values = Float32Array.from(upTo(points).flatMap((point) => cloudPoint(label, point)));
    copy.write(`clouds/${String(item).padStart(6, "0")}.npy`, Buffer.concat([encodeNpyHeader("float32", [points, 6]), Buffer.from(values.buffer)]));
  }
  copy.write("clouds/classes.txt", modelNetIds(items).map(({ name }) => `${name}\n`).join(""));
  return copy;
}

/** ModelNet40 with the pickled cache that ULIP's loader writes, `modelnet40_test_{points}pts_fps.dat`, in place of the text files. */
export async function writeModelNet40Cache(root: string, options: ModelNetOptions = {}): Promise<CopyWriter> {
  const { items = 12, points = 64 } = options;
  const copy = writeModelNet40(root, { ...options, media: false });
  const clouds = modelNetIds(items).map(({ label }) => ({ label, points: upTo(points).map((point) => cloudPoint(label, point)) }));
  const name = `modelnet40_test_${points}pts_fps.dat`;
  const code = [
    "import json, pickle, sys, numpy as np",
    "clouds = json.load(sys.stdin)",
    "points = [np.array(c['points'], dtype=np.float32) for c in clouds]",
    "labels = [np.array([c['label']], dtype=np.int32) for c in clouds]",
    "pickle.dump([points, labels], open(sys.argv[1], 'wb'))",
  ].join("\n");
  await execa(setupPaths().python, ["-c", code, join(root, name)], { input: JSON.stringify(clouds) });
  copy.files.push(name);
  return copy;
}

/** ModelNet40 with `modelnet40_colored_10k_pc.npy`, pickled dictionaries with xyz, and the JSON that has their classes, in another order than the list's. */
export async function writeModelNet40Coloured(root: string, options: ModelNetOptions = {}): Promise<CopyWriter> {
  const { items = 12, points = 64 } = options;
  const copy = writeModelNet40(root, { ...options, media: false });
  const ids = [...modelNetIds(items)].reverse();
  copy.write("modelnet40_test_split_10k_colored.json", JSON.stringify(ids.map(({ id, name }) => ({ id, category: name }))));
  const name = "modelnet40_colored_10k_pc.npy";
  const code = [
    "import json, sys, numpy as np",
    "clouds = json.load(sys.stdin)",
    "samples = np.empty(len(clouds), dtype=object)",
    "samples[:] = [{'xyz': np.array(c, dtype=np.float16)} for c in clouds]",
    "np.save(sys.argv[1], samples, allow_pickle=True)",
  ].join("\n");
  await execa(setupPaths().python, ["-c", code, join(root, name)], { input: JSON.stringify(ids.map(({ label }) => upTo(points).map((point) => cloudPoint(label, point).slice(0, 3)))) });
  copy.files.push(name);
  return copy;
}

function modelNetIds(items: number) {
  return upTo(items).map((item) => {
    const label = item % MODELNET_CLASSES.length;
    const name = MODELNET_CLASSES[label] ?? "";
    return { label, name, id: `${name}_${String(101 + Math.floor(item / MODELNET_CLASSES.length)).padStart(4, "0")}` };
  });
}

/** A point of a spiral whose shape is its class's, and a normal of length one. */
function cloudPoint(label: number, point: number): readonly number[] {
  const [angle, height] = [point * (0.3 + 0.05 * (label % 7)), (point % 32) / 16 - 1];
  const radius = 0.4 + 0.05 * (label % 11);
  return [radius * Math.cos(angle), height * (0.5 + 0.02 * label), radius * Math.sin(angle), Math.cos(angle), 0, Math.sin(angle)];
}
