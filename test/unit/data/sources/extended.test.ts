import { describe, expect, it } from "vitest";

import type { Modality } from "../../../../src/config/compiled.js";
import { failureOf } from "../../../helpers/failures.js";
import { addFiles, folderWith, read } from "./reading.js";

const IDS = ["aaaaaaaaaaa_000001", "bbbbbbbbbbb_000002", "ccccccccccc_000003"];
const [A = "", B = "", C = ""] = IDS;
const OTHER = "ddddddddddd_000004";
const VGG = `[${IDS.map((file, at) => `{"file": "${file}", "class": "x", "bbox": [[0.1, 0.1, 0.${at + 5}, 0.9]]}`).join(", ")}]`;
/** Pairs of test images with sounds of others, one that is there twice, and an id that is not of the test with its own sound. */
const SILENT = `video,audio,label\n${A},${B},non-sounding\n${B},${C},non-sounding\n${C},${A},non-sounding\n${OTHER},${OTHER},non-sounding\n${A},${B},non-sounding\n`;
const MEDIA = Object.fromEntries([...IDS, OTHER].flatMap((id) => [[`frames/${id}.jpg`, "x"], [`audio/${id}.wav`, "x"]]));

describe("an extended set", () => {
  const place = (files: Readonly<Record<string, string>> = {}) => folderWith({ "vggss.json": VGG, "vggss_test_plus_silent.csv": SILENT, ...MEDIA, ...files });
  const extended = (folder: string, modality: Modality, options: object = {}) => read(folder, { type: "extended", path: "vggss_test_plus_silent.csv", positives: { type: "vgg-ss", path: "vggss.json" }, ...options }, modality);

  it("has the items that sound with their boxes, then those that don't with none; its header is no item", async () => {
    const { items, contents, reasons } = await extended(place(), "image");
    expect(contents).toEqual([A, B, C, A, B, C, OTHER, A].map((id) => `frames/${id}.jpg`));
    expect(items.map(({ attributes }) => attributes?.["label"])).toEqual([...IDS.map(() => "sounding"), ...[1, 2, 3, 4, 5].map(() => "non-sounding")]);
    expect(items.map(({ attributes }) => attributes?.["boxes"])).toEqual(["[[0.1,0.1,0.5,0.9]]", "[[0.1,0.1,0.6,0.9]]", "[[0.1,0.1,0.7,0.9]]", "[]", "[]", "[]", "[]", "[]"]);
    expect(reasons).toEqual(["DUPLICATE_ID"]);
  });

  it("pairs item i of the images with item i of the sounds, although files are there several times", async () => {
    const folder = place();
    const [images, sounds] = [await extended(folder, "image"), await extended(folder, "audio")];
    expect(sounds.contents).toEqual([A, B, C, B, C, A, OTHER, B].map((id) => `audio/${id}.wav`));
    const stem = (id: string) => id.replace(/\.\w+$/, "");
    expect(sounds.ids.map(stem)).toEqual(images.ids.map(stem));
    expect(new Set(images.ids).size).toBe(8);
    expect(images.items.map(({ attributes }) => attributes)).toEqual(sounds.items.map(({ attributes }) => attributes));
    // Each pair belongs to itself alone.
    expect(images.items.map(({ attributes }) => attributes?.["media"]).slice(2, 5)).toEqual([C, `${A}+${B}`, `${B}+${C}`]);
  });

  it("stays in step where files are missing and left out", async () => {
    const folder = folderWith({ "vggss.json": VGG, "s.csv": SILENT, ...Object.fromEntries(Object.entries(MEDIA).filter(([name]) => name !== `audio/${B}.wav`)) });
    const of = (modality: Modality) => read(folder, { type: "extended", path: "s.csv", positives: { type: "vgg-ss", path: "vggss.json" }, missing: "leave-out" }, modality);
    const [images, sounds] = [await of("image"), await of("audio")];
    expect(images.contents).toEqual([A, C, B, C, OTHER].map((id) => `frames/${id}.jpg`));
    expect(sounds.contents).toEqual([A, C, C, A, OTHER].map((id) => `audio/${id}.wav`));
  });

  it("takes Flickr-SoundNet's positives, whose ids are numbers, and files that lie elsewhere", async () => {
    const bbox = "<bbox><n/><xmin>0</xmin><ymin>0</ymin><xmax>128</xmax><ymax>256</ymax></bbox>";
    const folder = folderWith({
      "flickr_test.csv": "10000130166,202\n3908875350,0\n",
      "Annotations/10000130166.xml": `<a><one>${bbox}</one><two>${bbox}</two></a>`,
      "Annotations/3908875350.xml": `<a><one>${bbox}</one></a>`,
      "flickr_test_plus_silent.csv": "video,audio,label\n3908875350,10000130166,non-sounding\n",
      "test/frames/10000130166.jpg": "x",
      "test/frames/3908875350.jpg": "x",
      "more/extend_frames/3908875350.jpg": "x",
    });
    const { contents, items } = await read(
      folder,
      { type: "extended", path: "flickr_test_plus_silent.csv", root: "more", image: "extend_frames/{video}.jpg", positives: { type: "flickr-soundnet", path: "flickr_test.csv", root: "test" } },
      "image",
    );
    expect(contents).toEqual(["test/frames/10000130166.jpg", "test/frames/3908875350.jpg", "more/extend_frames/3908875350.jpg"]);
    expect(items.map(({ attributes }) => attributes?.["boxes"])).toEqual(["[[0,0,0.5,1],[0,0,0.5,1]]", "[[0,0,0.5,1]]", "[]"]);
  });

  it("passes over rows of another label, and refuses another table", async () => {
    const folder = place({ "odd.csv": `video,audio,label\n${A},${B},sounding\n${A},${B},non-sounding\n`, "bad.csv": `${A},${B},non-sounding\n${B},${A},non-sounding\n` });
    const { items, oddities } = await extended(folder, "image", { path: "odd.csv" });
    expect(items).toHaveLength(4);
    expect(oddities[0]).toMatchObject({ reason: "UNKNOWN_LABEL", place: expect.stringMatching(/odd\.csv:2$/) as string });
    expect(await failureOf(extended(folder, "image", { path: "bad.csv" }))).toMatchObject({ code: 3, reason: "MISSING_COLUMN" });
    addFiles(folder, { "out.csv": "video,audio,label\n../../x,y,non-sounding\n" });
    expect(await failureOf(extended(folder, "image", { path: "out.csv" }))).toMatchObject({ code: 3, reason: "PATH_LEADS_OUT" });
  });
});
