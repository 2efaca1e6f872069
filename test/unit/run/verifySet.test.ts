import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { describe, expect, it } from "vitest";

import type { Finding } from "../../../src/data/sets/findings.js";
import { sets } from "../../../src/data/sets/registry.js";
import { type Verification, verifySet, type VerifyRequest } from "../../../src/run/verifySet.js";
import { orderHdf5 } from "../../e2e/support/smallCopiesFiles.js";
import { SMALL_COPIES, type SmallCopyName, writeModelNet40Clouds, writeSmallCopy, writeWavCapsAudioCaps } from "../../e2e/support/smallCopies.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

interface Verified extends Verification {
  readonly found: readonly Finding[];
  /** The faults as `REASON file at`. */
  readonly faults: readonly string[];
  readonly known: readonly string[];
}

async function verify(name: SmallCopyName, root: string, options: Partial<VerifyRequest> = {}): Promise<Verified> {
  const found: Finding[] = [];
  const result = await verifySet(
    { definition: sets.get(name), root, quick: false, subset: false, ...options },
    { onFinding: (finding) => found.push(finding), onProgress: () => undefined },
    new AbortController().signal,
  );
  const said = (severity: Finding["severity"]) => found.filter((finding) => finding.severity === severity).map(({ reason, file, at }) => `${reason} ${file} ${at}`.trim());
  return { ...result, found, faults: said("fault"), known: said("known") };
}

function copyOf(name: SmallCopyName, items = 12): { readonly root: string; readonly files: readonly string[] } {
  const root = join(temporaryFolder(), name);
  const { files } = writeSmallCopy(name, root, { items });
  return { root, files };
}

const NAMES = Object.keys(SMALL_COPIES) as SmallCopyName[];

it.each(NAMES)("nothing is wrong with a small copy of %s, which is a subset", async (name) => {
  const { root } = copyOf(name);
  const result = await verify(name, root);
  expect(result.faults).toEqual([]);
  expect([result.whole, result.subset]).toEqual([true, true]);
  expect(result.counts.every(({ state }) => state === "subset" || state === "whole")).toBe(true);
  expect(result.counts.some(({ state }) => state === "subset")).toBe(true);
  expect(result.counts.length).toBeGreaterThan(0);
  for (const { named, there } of result.folders) expect(there).toBe(named);
});

/** Changes the text of a file; fails where it does not have what is to be replaced. */
function change(path: string, from: string | RegExp, to: string): void {
  const text = readFileSync(path, "utf8");
  const changed = text.replace(from, to);
  if (changed === text) throw new Error(`${path} has no ${String(from)}`);
  writeFileSync(path, changed);
}

/** Of each data set: a file that is taken away, one that is cut, an annotation that is broken, and what names that. */
const DAMAGES: Readonly<Record<SmallCopyName, { readonly gone: RegExp; readonly cut: RegExp; readonly broken: readonly [file: string, from: string | RegExp, to: string, finding: string] | null }>> = {
  ave: { gone: /^frames/, cut: /^audio/, broken: ["Annotations.txt", "Bark&", "Brak&", "UNKNOWN_CATEGORY Annotations.txt 3"] },
  "flickr-soundnet": { gone: /^audio/, cut: /^frames/, broken: ["Annotations/3908875350.xml", "</annotation>", "", "BAD_XML Annotations/3908875350.xml"] },
  "vgg-ss": { gone: /^frames/, cut: /^audio/, broken: ["vggss.json", "[0.1,", '["0.1",', "BAD_BOX vggss.json item 0"] },
  "music-solo": { gone: /^frames/, cut: /^audio/, broken: ["music_solo.json", "0.25,0.3,0.5", "0.25,0.7,0.5", "BAD_BOX music_solo.json item 0"] },
  "vgg-ss-extended": { gone: /^audio/, cut: /^frames/, broken: ["vggss_test_plus_silent.csv", "non-sounding", "sounding", "BAD_LABEL vggss_test_plus_silent.csv 2"] },
  "flickr-soundnet-extended": { gone: /^frames/, cut: /^audio/, broken: ["flickr_test_plus_silent.csv", "3908875350,", "1,", "UNKNOWN_ID flickr_test_plus_silent.csv 2"] },
  modelnet40: { gone: /^airplane/, cut: /^bed\//, broken: ["modelnet40_test.txt", "car_", "cra_", "UNKNOWN_CLASS modelnet40_test.txt 8"] },
  audiocaps: { gone: /^audio/, cut: /^audio/, broken: ["val.csv", /,\d+,"/, ',x,"', "BAD_TIMES val.csv 2"] },
  clotho: { gone: /^development/, cut: /^evaluation/, broken: ["clotho_captions_validation.csv", /("[^\n]*")\n/, "\n", "WRONG_COLUMNS clotho_captions_validation.csv 2"] },
  coco: { gone: /^train2014/, cut: /^val2014/, broken: ["captions_train2014.json", '"image_id":22', '"image_id":23', "UNKNOWN_ID captions_train2014.json annotations 6"] },
  cc3m: { gone: /^Train/, cut: /^none/, broken: ["Validation_GCC-1.1.0-Validation.tsv", "\t", " ", "WRONG_COLUMNS Validation_GCC-1.1.0-Validation.tsv 1"] },
  "msr-vtt": { gone: /^MSRVTT_data/, cut: /^none/, broken: ["MSRVTT_train.9k.csv", "video1\n", "video3\n", "IN_TWO_SPLITS MSRVTT_train.9k.csv 3"] },
  audioset: { gone: /^audio/, cut: /^audio/, broken: ["eval_segments.csv", "/m/09x0r", "m09x0r", "BAD_LABEL eval_segments.csv 4"] },
  imagenet: { gone: /^none/, cut: /^train/, broken: null },
};

describe.each(NAMES)("a copy of %s with one file missing, one cut off and one annotation broken", (name) => {
  const { gone, cut, broken } = DAMAGES[name];
  it("names each", async () => {
    const { root, files } = copyOf(name);
    const missing = files.find((path) => gone.test(path));
    const truncated = files.filter((path) => cut.test(path)).at(-1);
    const expected: string[] = [];
    if (truncated !== undefined) {
      const path = join(root, truncated);
      truncateSync(path, Math.floor(readFileSync(path).length * 0.6));
      expected.push(`TRUNCATED ${truncated}`);
    }
    if (broken !== null) change(join(root, broken[0]), broken[1], broken[2]);
    if (missing !== undefined) rmSync(join(root, missing));
    const result = await verify(name, root);
    for (const each of expected) expect(result.faults).toContain(each);
    // AudioSet's sounds may have any ending.
    const absent = name === "audioset" ? missing?.replace(".wav", ".*") : missing;
    if (absent !== undefined) expect(result.found.map(({ reason, file }) => `${reason} ${file}`)).toContain(`MISSING ${absent}`);
    if (broken !== null) expect(result.faults).toContain(broken[3]);
    expect(result.whole).toBe(false);
    // And nothing else.
    const named = new Set([absent, truncated, broken?.[0]]);
    for (const { severity, file } of result.found) if (severity !== "known") expect(named).toContain(file);
  });
});

describe("VGG-SS", () => {
  it.each([
    ["three numbers", [[0.1, 0.2, 0.3]], "BAD_BOX", "box 0 is not a list of four numbers: [0.1,0.2,0.3]"],
    ["a text among them", [[0.1, 0.2, "0.5", 0.9]], "BAD_BOX", "box 0 is not a list of four numbers"],
    ["pixels", [[10, 20, 200, 180]], "BAD_BOX", "beyond the image; are these pixels?"],
    ["no box", [], "NO_BOX", "has no list of boxes"],
  ])("a box of %s is a fault", async (_, bbox, reason, said) => {
    const { root } = copyOf("vgg-ss");
    const items = JSON.parse(readFileSync(join(root, "vggss.json"), "utf8")) as { bbox: unknown }[];
    if (items[2] !== undefined) items[2].bbox = bbox;
    writeFileSync(join(root, "vggss.json"), JSON.stringify(items));
    const { found } = await verify("vgg-ss", root);
    expect(found.filter(({ severity }) => severity === "fault")).toMatchObject([{ reason, file: "vggss.json", at: "item 2", message: expect.stringContaining(said) as string }]);
  });

  it("has degenerate and negative boxes by nature, which are named and no fault", async () => {
    const { known, whole } = await verify("vgg-ss", copyOf("vgg-ss").root);
    expect(known).toEqual(["DEGENERATE_BOX vggss.json item 4", "NEGATIVE_BOX vggss.json item 5"]);
    expect(whole).toBe(true);
  });

  it("cut off in its middle is named once, and what was read before counts for nothing", async () => {
    const { root } = copyOf("vgg-ss");
    truncateSync(join(root, "vggss.json"), 500);
    const { faults } = await verify("vgg-ss", root);
    expect(faults).toEqual(["BAD_TABLE vggss.json"]);
  });

  it("names ids that are twice, malformed, or in one list alone", async () => {
    const { root } = copyOf("vgg-ss");
    const items = JSON.parse(readFileSync(join(root, "vggss.json"), "utf8")) as { file: string }[];
    const [first, second, third] = items;
    if (first === undefined || second === undefined || third === undefined) throw new Error("too few");
    const was = second.file;
    second.file = first.file;
    third.file = third.file.replace(/_\d+$/, "_2");
    writeFileSync(join(root, "vggss.json"), JSON.stringify(items));
    const { faults } = await verify("vgg-ss", root);
    expect(faults.filter((fault) => !fault.startsWith("MISSING"))).toEqual(["REPEATED_ID vggss.json item 1", "BAD_ID vggss.json item 2", "UNKNOWN_ID vggss_test.csv 2", "UNKNOWN_ID vggss_test.csv 3"]);
    expect(readFileSync(join(root, "vggss_test.csv"), "utf8")).toContain(was);
  });

  it("with half its files is full of faults, or a subset where that is asked for", async () => {
    const { root, files } = copyOf("vgg-ss");
    for (const file of files.filter((path) => path.startsWith("audio/")).slice(0, 6)) rmSync(join(root, file));
    const strict = await verify("vgg-ss", root);
    expect([strict.whole, strict.findings.fault, strict.findings.missing]).toEqual([false, 6, 0]);
    const subset = await verify("vgg-ss", root, { subset: true });
    expect([subset.whole, subset.findings.fault, subset.findings.missing]).toEqual([true, 0, 6]);
    expect(subset.folders).toContainEqual({ folder: "audio/", named: 12, there: 6 });
  });

  it("without a folder says so once, not for each file", async () => {
    const { root } = copyOf("vgg-ss");
    rmSync(join(root, "audio"), { recursive: true });
    expect((await verify("vgg-ss", root)).faults).toEqual(["MISSING audio/"]);
  });

  it("--quick looks at names and sizes alone", async () => {
    const { root, files } = copyOf("vgg-ss");
    const [one = "", other = ""] = files.filter((path) => path.startsWith("frames/"));
    truncateSync(join(root, one), 200);
    writeFileSync(join(root, other), "");
    expect((await verify("vgg-ss", root, { quick: true })).faults).toEqual([`EMPTY ${other}`]);
    expect((await verify("vgg-ss", root)).faults).toEqual([`TRUNCATED ${one}`, `EMPTY ${other}`]);
  });
});

describe("MUSIC-Solo", () => {
  it("with corners in place of sizes is named as such", async () => {
    const { root } = copyOf("music-solo");
    const items = JSON.parse(readFileSync(join(root, "music_solo.json"), "utf8")) as { bbox: [number, number, number, number] }[];
    for (const item of items) item.bbox = [item.bbox[0], item.bbox[1], item.bbox[0] + item.bbox[2], item.bbox[1] + item.bbox[3]];
    writeFileSync(join(root, "music_solo.json"), JSON.stringify(items));
    const { found } = await verify("music-solo", root);
    const faults = found.filter(({ severity }) => severity === "fault");
    expect(faults).toHaveLength(12);
    expect(faults[0]?.message).toContain("Are these corners? x, y, width and height are expected");
  });
});

describe("Flickr-SoundNet", () => {
  it("names the list of 249 clips, which lacks 3908875350", async () => {
    const { root } = copyOf("flickr-soundnet", 250);
    change(join(root, "flickr_test.csv"), "3908875350,0\n", "");
    const { known, counts, whole } = await verify("flickr-soundnet", root);
    expect(known).toEqual(["249_OF_250 flickr_test.csv"]);
    expect(counts).toMatchObject([{ found: 249, state: "variant", what: expect.stringContaining("3908875350") as string }]);
    expect(whole).toBe(true);
  });

  it.each([
    ["a coordinate that is no number", "<xmin>20</xmin>", "<xmin>left</xmin>", "BAD_BOX Annotations/3908875350.xml bbox 0"],
    ["a coordinate that is gone", "<xmin>20</xmin>", "", "BAD_BOX Annotations/3908875350.xml bbox 0"],
    ["a box beyond its frame", "<xmax>130</xmax>", "<xmax>300</xmax>", "BAD_BOX Annotations/3908875350.xml bbox 0"],
    ["no box", /<annotator0>[^]*<\/annotator2>/, "<annotator0/>", "NO_BOX Annotations/3908875350.xml"],
    ["nothing in it", /[^]*/, "", "EMPTY Annotations/3908875350.xml"],
  ])("names an XML with %s", async (_, from, to, fault) => {
    const { root } = copyOf("flickr-soundnet");
    change(join(root, "Annotations/3908875350.xml"), from, to);
    expect((await verify("flickr-soundnet", root)).faults).toEqual([fault]);
  });

  it("names an XML that is not there", async () => {
    const { root } = copyOf("flickr-soundnet");
    rmSync(join(root, "Annotations/3908875350.xml"));
    expect((await verify("flickr-soundnet", root)).faults).toEqual(["MISSING Annotations/3908875350.xml"]);
  });
});

describe("AVE", () => {
  it.each([["with", "Category&VideoID&Quality&StartTime&EndTime\n"], ["without", ""]])("%s a header has the same rows", async (_, header) => {
    const { root } = copyOf("ave");
    writeFileSync(join(root, "Annotations.txt"), header + readFileSync(join(root, "Annotations.txt"), "utf8"));
    const { faults, counts } = await verify("ave", root);
    expect(faults).toEqual([]);
    expect(counts.find(({ name }) => name === "events")?.found).toBe(12);
  });

  it.each([
    ["that overlap", [0, 3, 6, 9, 1], "REPEATED_ROW test_order.h5 row 1"],
    ["that reach beyond the list", [0, 3, 6, 9, 99], "NO_SUCH_ROW test_order.h5 row 99"],
    ["that leave a row out", [0, 3, 6], "ROW_IN_NO_SPLIT Annotations.txt row 9"],
  ])("names splits %s", async (_, rows, fault) => {
    const { root } = copyOf("ave");
    writeFileSync(join(root, "test_order.h5"), orderHdf5(rows));
    expect((await verify("ave", root)).faults).toEqual([fault]);
  });

  it("names a damaged split and goes on", async () => {
    const { root } = copyOf("ave");
    truncateSync(join(root, "val_order.h5"), 300);
    expect((await verify("ave", root)).faults).toEqual(["BAD_HDF5 val_order.h5"]);
  });

  it("names the video that is in the list again, as known", async () => {
    expect((await verify("ave", copyOf("ave").root)).known).toEqual(["REPEATED_VIDEO Annotations.txt 12"]);
  });
});

describe("ModelNet40", () => {
  it("names a cloud that was cut between two lines, by its points", async () => {
    const { root } = copyOf("modelnet40");
    const path = join(root, "bed", "bed_0101.txt");
    writeFileSync(path, readFileSync(path, "utf8").split("\n").slice(0, 40).join("\n") + "\n");
    const { found } = await verify("modelnet40", root);
    expect(found).toMatchObject([{ reason: "FEWER_POINTS", file: "bed/bed_0101.txt", message: "has 40 points, and 11 of 12 clouds have 64" }]);
  });

  it("may have its clouds unpacked, with or without their classes beside them", async () => {
    const root = join(temporaryFolder(), "modelnet40");
    writeModelNet40Clouds(root);
    expect((await verify("modelnet40", root)).faults).toEqual([]);
    truncateSync(join(root, "clouds", "000003.npy"), 900);
    rmSync(join(root, "clouds", "000004.npy"));
    change(join(root, "clouds", "classes.txt"), "bed", "bad");
    expect((await verify("modelnet40", root)).faults).toEqual(["UNKNOWN_CLASS clouds/classes.txt 3", "TRUNCATED clouds/000003.npy", "MISSING clouds/000004.npy"]);
    rmSync(join(root, "clouds", "classes.txt"));
    expect((await verify("modelnet40", root)).faults).toEqual(["TRUNCATED clouds/000003.npy", "MISSING clouds/000004.npy"]);
  });

  it("has classes with underscores in their names", async () => {
    const { faults, folders } = await verify("modelnet40", copyOf("modelnet40", 40).root);
    expect(faults).toEqual([]);
    expect(folders).toEqual([{ folder: "<class>/", named: 40, there: 40 }]);
  });

  it("without any form of the clouds lacks one thing", async () => {
    const root = join(temporaryFolder(), "modelnet40");
    writeSmallCopy("modelnet40", root, { media: false });
    expect((await verify("modelnet40", root)).faults).toEqual(["MISSING <class>/ or clouds/"]);
  });
});

it("WavCaps' AudioCaps is told by its columns", async () => {
  const root = join(temporaryFolder(), "audiocaps");
  writeWavCapsAudioCaps(root);
  const { faults, counts } = await verify("audiocaps", root);
  expect(faults).toEqual([]);
  expect(counts.map(({ found }) => found)).toEqual([12, 3, 6]);
});

it("AudioSet's clips that are gone are counted, and no fault", async () => {
  const { root, files } = copyOf("audioset");
  rmSync(join(root, files.find((path) => path.startsWith("audio/")) ?? ""));
  const { whole, findings } = await verify("audioset", root);
  expect([whole, findings.missing]).toEqual([true, 1]);
});

it("AudioSet's sounds may have any ending of sounds", async () => {
  const { root, files } = copyOf("audioset");
  const file = files.find((path) => path.startsWith("audio/")) ?? "";
  renameSync(join(root, file), join(root, file.replace(".wav", ".flac")));
  expect((await verify("audioset", root)).findings).toEqual({ fault: 0, known: 0, missing: 0 });
});

it("CC3M with the header that img2dataset wants has the same captions", async () => {
  const { root } = copyOf("cc3m");
  const path = join(root, "Train_GCC-training.tsv");
  writeFileSync(path, `caption\turl\n${readFileSync(path, "utf8")}`);
  const { faults, counts } = await verify("cc3m", root);
  expect([faults, counts[0]?.found]).toEqual([[], 12]);
});

it("COCO's images may have more than five captions, and no fewer", async () => {
  const { root } = copyOf("coco");
  expect((await verify("coco", root)).faults).toEqual([]);
  change(join(root, "captions_val2014.json"), /,\{"image_id":5013[^}]*\}/, "");
  expect((await verify("coco", root)).faults).toEqual(["FEW_CAPTIONS captions_val2014.json image 5013"]);
});

it("ImageNet's stray files, empty classes and images of another class are named", async () => {
  const { root } = copyOf("imagenet");
  mkdirSync(join(root, "train", "n00000001"));
  mkdirSync(join(root, "train", "cats"));
  appendFileSync(join(root, "train", "n01440764", "n02099601_5.JPEG"), readFileSync(join(root, "train", "n01440764", "n01440764_100.JPEG")));
  writeFileSync(join(root, "train", "n02099601.tar"), "x");
  writeFileSync(join(root, "train", "n01440764", "notes.txt"), "x");
  const { faults } = await verify("imagenet", root);
  expect([...faults].sort()).toEqual(["EMPTY train/cats", "EMPTY train/n00000001", "NOT_AN_IMAGE train/n01440764/notes.txt", "UNKNOWN_CLASS train/cats", "WRONG_CLASS train/n01440764/n02099601_5.JPEG"]);
});

describe("a folder", () => {
  it("without anything of the data set is refused, with what to do", async () => {
    const error = await failureOf(verify("vgg-ss", temporaryFolder()));
    expect(error).toMatchObject({ code: 3, reason: "DATA_MISSING", message: expect.stringContaining("cmcr data prepare vgg-ss --root") as string });
  });

  it("that is the parent of the one that was meant is told apart", async () => {
    const { root } = copyOf("vgg-ss");
    expect((await failureOf(verify("vgg-ss", dirname(root)))).message).toContain(`Did you mean --root ${root}?`);
  });
});

it("ends at once when it is broken off", async () => {
  const { root } = copyOf("vgg-ss");
  const controller = new AbortController();
  controller.abort(new Error("stop"));
  await expect(verifySet({ definition: sets.get("vgg-ss"), root, quick: false, subset: false }, { onFinding: () => undefined, onProgress: () => undefined }, controller.signal)).rejects.toThrow("stop");
});

it("tells how far it is, with a total", async () => {
  const { root } = copyOf("vgg-ss");
  const totals: (number | null)[] = [];
  await verifySet({ definition: sets.get("vgg-ss"), root, quick: false, subset: false }, { onFinding: () => undefined, onProgress: ({ total }) => totals.push(total) }, new AbortController().signal);
  expect(totals).toEqual([null, ...new Array<number>(24).fill(24)]);
});
