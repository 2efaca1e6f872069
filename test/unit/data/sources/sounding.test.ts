import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { Modality } from "../../../../src/config/compiled.js";
import { failureOf } from "../../../helpers/failures.js";
import { addFiles, folderWith, open, read } from "./reading.js";

const empty = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, "x"]));
const boxesOf = (items: readonly { readonly attributes?: Readonly<Record<string, string>> }[]) => items.map(({ attributes }) => JSON.parse(attributes?.["boxes"] ?? "null") as number[][]);

describe("VGG-SS", () => {
  // Byte for byte as vggss.json begins its entries, with the faults that it has.
  const ENTRIES = [
    '{"file": "-0jFOgK7WRs_000008", "class": "people marching", "bbox": [[0.1, 0.2, 0.5, 0.75], [0.6, 0.0, 1.0, 0.25]]}',
    '{"file": "_kbHD8R4fPc_000030", "class": "waterfall burbling, big", "bbox": [[-2.9e16, 0.25, 0.5, 0.75]]}',
    '{"file": "0abC_def-12_000190", "class": "playing tennis", "bbox": [[0.5, 0.25, 0.5, 0.75], [-0.0027, 0.1, 0.4, 0.9]]}',
  ];
  const FILES = ["-0jFOgK7WRs_000008", "_kbHD8R4fPc_000030", "0abC_def-12_000190"];
  const BASE = { "meta/vggss.json": `[${ENTRIES.join(", ")}]`, ...empty(...FILES.flatMap((file) => [`data/frames/${file}.jpg`, `data/audio/${file}.wav`])) };
  const place = (files: Readonly<Record<string, string>> = {}) => folderWith({ ...BASE, ...files });
  const vggSs = (folder: string, options: object = {}, modality: Modality = "image") => read(folder, { type: "vgg-ss", path: "meta/vggss.json", root: "data", ...options }, modality);

  it("has an image and a sound of each entry, in the file's order", async () => {
    const folder = place();
    const [images, sounds] = [await vggSs(folder), await vggSs(folder, {}, "audio")];
    expect(images.contents).toEqual(FILES.map((file) => `data/frames/${file}.jpg`));
    expect(sounds.contents).toEqual(FILES.map((file) => `data/audio/${file}.wav`));
    expect(images.ids).toEqual(FILES.map((file) => `${file}.jpg`));
    expect(images.items.map(({ attributes }) => [attributes?.["class"], attributes?.["media"]])).toEqual([
      ["people marching", FILES[0]],
      ["waterfall burbling, big", FILES[1]],
      ["playing tennis", FILES[2]],
    ]);
    expect(sounds.items.map(({ attributes }) => attributes)).toEqual(images.items.map(({ attributes }) => attributes));
  });

  it("cuts boxes to the frame, keeps those that cover nothing, and names both with their item", async () => {
    const { items, oddities } = await vggSs(place());
    expect(boxesOf(items)).toEqual([
      [[0.1, 0.2, 0.5, 0.75], [0.6, 0, 1, 0.25]],
      [[0, 0.25, 0.5, 0.75]],
      [[0.5, 0.25, 0.5, 0.75], [0, 0.1, 0.4, 0.9]],
    ]);
    expect(oddities.map(({ reason }) => reason)).toEqual(["CLIPPED_BOX", "DEGENERATE_BOX", "CLIPPED_BOX"]);
    expect(oddities[0]?.message).toMatch(/item 1 \(_kbHD8R4fPc_000030\): the box \[-29000000000000000, 0\.25, 0\.5, 0\.75\]/);
    expect(oddities[1]?.message).toContain("0abC_def-12_000190 covers nothing");
  });

  it("has the items of a list in its order: the test list, or the heard and unheard ones with a class beside", async () => {
    const lists = { "one.csv": `${FILES[2] ?? ""}\n${FILES[0] ?? ""}\n`, "heard.csv": `${FILES[1] ?? ""},"waterfall burbling, big"\r\n` };
    const folder = place(lists);
    expect((await vggSs(folder, { list: "one.csv" })).ids).toEqual([`${FILES[2] ?? ""}.jpg`, `${FILES[0] ?? ""}.jpg`]);
    expect((await vggSs(folder, { list: "heard.csv" })).ids).toEqual([`${FILES[1] ?? ""}.jpg`]);
    addFiles(folder, { "more.csv": `zzz_000001\n${FILES[0] ?? ""}\n`, "none.csv": "zzz_000001\n" });
    const { ids, oddities } = await vggSs(folder, { list: "more.csv" });
    expect(ids).toHaveLength(1);
    expect(oddities[0]).toMatchObject({ reason: "NO_ANNOTATION", message: expect.stringContaining("zzz_000001") as string });
    expect(await failureOf(vggSs(folder, { list: "none.csv" }))).toMatchObject({ code: 3, reason: "NO_ITEMS" });
  });

  it("leaves a pair out when either file is missing, so that images and sounds stay in step", async () => {
    const folder = folderWith({ "vggss.json": BASE["meta/vggss.json"] ?? "", ...empty(`frames/${FILES[0] ?? ""}.jpg`, `frames/${FILES[2] ?? ""}.jpg`, `audio/${FILES[1] ?? ""}.wav`, `audio/${FILES[2] ?? ""}.wav`) });
    const both = (modality: Modality) => read(folder, { type: "vgg-ss", path: "vggss.json", missing: "leave-out" }, modality);
    const [images, sounds] = [await both("image"), await both("audio")];
    expect(images.ids).toEqual([`${FILES[2] ?? ""}.jpg`]);
    expect(sounds.ids).toEqual([`${FILES[2] ?? ""}.wav`]);
    expect(images.reasons.filter((reason) => reason === "MISSING_FILE")).toHaveLength(2);
    // Otherwise they are items that cannot be read, and are counted as such.
    expect((await read(folder, { type: "vgg-ss", path: "vggss.json" }, "image")).ids).toHaveLength(3);
  });

  it("finds files by other names", async () => {
    const folder = place(empty("data/videos/-0jFOgK7WRs_000008.mp4"));
    const { items, contents } = await vggSs(folder, { image: "videos/{file}.*", missing: "leave-out", frame: 5 });
    expect(contents).toEqual(["data/videos/-0jFOgK7WRs_000008.mp4"]);
    expect(items[0]?.part).toEqual({ startSeconds: 5 });
  });

  it.each([
    ['[{"file": "a", "bbox": []}]', "expected an entry with file, class and a list bbox"],
    ['[{"file": "a_1", "class": "x", "bbox": [[0, 0, 1]]}]', "item 0 (a_1): expected a box of four numbers, found [0,0,1]"],
    ['[{"file": "a_1", "class": "x", "bbox": [[0, 0, 1, null]]}]', "expected a box of four numbers"],
  ])("%s is refused", async (content, message) => {
    const error = await failureOf(vggSs(place({ "meta/vggss.json": content })));
    expect(error).toMatchObject({ code: 3, reason: "BAD_ANNOTATION" });
    expect(error.message).toContain(message);
  });

  it("tells that its annotations or its list changed", async () => {
    const folder = place({ "list.csv": `${FILES[0] ?? ""}\n` });
    const source = await open(folder, { type: "vgg-ss", path: "meta/vggss.json", root: "data", list: "list.csv" }, "image");
    const before = await source.fingerprint();
    expect(await source.fingerprint()).toBe(before);
    utimesSync(join(folder, "list.csv"), 1, 1);
    expect(await source.fingerprint()).not.toBe(before);
  });
});

/** As the annotations are written: a box's first element is no coordinate. */
const annotator = (name: string, boxes: readonly (readonly number[])[]) =>
  `  <${name}>\n${boxes.map(([a, b, c, d]) => `    <bbox>\n      <label/>\n      <xmin>${a}</xmin>\n      <ymin>${b}</ymin>\n      <xmax>${c}</xmax>\n      <ymax>${d}</ymax>\n    </bbox>\n`).join("")}  </${name}>\n`;
const XML = `<?xml version="1.0" ?>\n<!-- <bbox> of -->\n<annotation file="a > b">\n${annotator("first", [[32, 64, 128, 192]])}${annotator("second", [[0, 0, 256, 256], [40, 64, 120, 180]])}  <third/>\n</annotation>\n`;

describe("Flickr-SoundNet", () => {
  const IDS = ["10000130166", "3908875350", "6067281197"];
  const BASE = {
    "flickr_test.csv": "10000130166,202\n3908875350,0\n6067281197,0\n",
    "Annotations/10000130166.xml": XML,
    "Annotations/3908875350.xml": `<annotation>\n${annotator("a", [[0, 0, 64, 300]])}</annotation>`,
    "Annotations/6067281197.xml": "<annotation/>",
    // Of five thousand others.
    "Annotations/999.xml": "cut off <",
    ...empty(...IDS.flatMap((id) => [`frames/${id}.jpg`, `audio/${id}.wav`])),
  };
  const flickr = (files: Readonly<Record<string, string>> = {}, options: object = {}, modality: Modality = "image") =>
    read(folderWith({ ...BASE, ...files }), { type: "flickr-soundnet", path: "flickr_test.csv", ...options }, modality);

  it("has no header: its first row is an item, whose second column says nothing", async () => {
    const { ids, items } = await flickr();
    expect(ids).toEqual(IDS.map((id) => `${id}.jpg`));
    expect(items.map(({ attributes }) => attributes?.["media"])).toEqual(IDS);
    expect((await flickr({}, {}, "audio")).ids).toEqual(IDS.map((id) => `${id}.wav`));
  });

  it("has the boxes of all annotators, from pixels of a frame of 256, a box's first element being passed over", async () => {
    const { items, oddities } = await flickr();
    expect(boxesOf(items)).toEqual([[[0.125, 0.25, 0.5, 0.75], [0, 0, 1, 1], [0.15625, 0.25, 0.46875, 0.703125]], [[0, 0, 0.25, 1]], []]);
    expect(oddities.map(({ reason }) => reason)).toEqual(["CLIPPED_BOX", "NO_BOXES"]);
  });

  it("leaves an item out that has no annotation, and stops at one that is damaged, naming it", async () => {
    const { ids, oddities } = await flickr({ "flickr_test.csv": "1,0\n3908875350,0\n" });
    expect(ids).toEqual(["3908875350.jpg"]);
    expect(oddities[0]).toMatchObject({ reason: "NO_ANNOTATION", message: expect.stringContaining("1.xml is not there") as string });
    for (const [content, message] of [
      [XML.slice(0, 200), "cut off"],
      ["<a><b><bbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>3</ymax></bbox></b></a>", "expected a box of four numbers, found [1,2,3]"],
      [XML.replace("<xmin>32</xmin>", "<xmin>wide</xmin>"), 'found ["wide",64,128,192]'],
      ["JPEG", "no element"],
      ["<a></b>", "closes nothing"],
    ] as const) {
      const error = await failureOf(flickr({ "Annotations/3908875350.xml": content }));
      expect(error).toMatchObject({ code: 3, reason: "BAD_ANNOTATION", path: expect.stringMatching(/3908875350\.xml$/) as string });
      expect(error.message).toContain(message);
    }
    expect(await failureOf(flickr({ "flickr_test.csv": "../flickr_test,0\n" }))).toMatchObject({ code: 3, reason: "PATH_LEADS_OUT" });
  });

  it("tells that an annotation was written over", async () => {
    const folder = folderWith(BASE);
    const source = await open(folder, { type: "flickr-soundnet", path: "flickr_test.csv" }, "image");
    const before = await source.fingerprint();
    writeFileSync(join(folder, "Annotations/3908875350.xml"), "<annotation/>");
    utimesSync(join(folder, "Annotations/3908875350.xml"), 1, 1);
    expect(await source.fingerprint()).not.toBe(before);
  });
});

describe("MUSIC-Solo", () => {
  // The first ids begin with and hold underscores.
  const LIST = [
    '{"file": "-_-TDDxoaAc_000_00000", "class": "cello", "bbox": [0.328125, 0.125, 0.234375, 0.85]}',
    '{"file": "9XoXQXCVUQY_001_00037", "class": "saxophone", "bbox": [0.5, 0.25, 0.125, 0.75]}',
    '{"file": "HPyM9xzrih0_012_00367", "class": "acoustic_guitar", "bbox": [0.5, 0.5, 0.51, 0.25]}',
  ];
  const FILES = ["-_-TDDxoaAc_000_00000", "9XoXQXCVUQY_001_00037", "HPyM9xzrih0_012_00367"];
  const BASE = {
    "music_solo.json": `[${LIST.join(", ")}]`,
    "music_solo_test.csv": "9XoXQXCVUQY_001_00037,saxophone\n-_-TDDxoaAc_000_00000,cello\n",
    ...empty(...FILES.map((file) => `frames/${file}.jpg`), "audio/-_-TDDxoaAc.wav", "audio/9XoXQXCVUQY.wav", "audio/HPyM9xzrih0.wav"),
  };
  const music = (options: object = {}, modality: Modality = "image", files: Readonly<Record<string, string>> = {}) =>
    read(folderWith({ ...BASE, ...files }), { type: "music-solo", path: "music_solo.json", ...options }, modality);

  it("has boxes of x, y, width and height, which are no corners: by those the second would be degenerate", async () => {
    const { items, reasons } = await music();
    expect(boxesOf(items)).toEqual([[[0.328125, 0.125, 0.5625, 0.975]], [[0.5, 0.25, 0.625, 1]], [[0.5, 0.5, 1, 0.75]]]);
    // x and width may be a little more than the frame.
    expect(reasons).toEqual(["CLIPPED_BOX"]);
  });

  it("has a frame for each entry, and the sound of its video, whose id may hold underscores", async () => {
    const [images, sounds] = [await music(), await music({}, "audio")];
    expect(images.contents).toEqual(FILES.map((file) => `frames/${file}.jpg`));
    expect(sounds.contents).toEqual(["audio/-_-TDDxoaAc.wav", "audio/9XoXQXCVUQY.wav", "audio/HPyM9xzrih0.wav"]);
    // Frames of one video have one sound, but are items of their own.
    expect(sounds.ids).toEqual(FILES.map((file) => `${file}.wav`));
    expect(sounds.items.map(({ attributes }) => [attributes?.["class"], attributes?.["media"]])).toEqual([["cello", "-_-TDDxoaAc"], ["saxophone", "9XoXQXCVUQY"], ["acoustic guitar", "HPyM9xzrih0"]]);
    expect((await music({ list: "music_solo_test.csv" })).ids).toEqual(["9XoXQXCVUQY_001_00037.jpg", "-_-TDDxoaAc_000_00000.jpg"]);
  });

  it("has the seconds around the frame where that is asked for", async () => {
    const { items } = await music({ around: 3 }, "audio");
    expect(items.map(({ part }) => part)).toEqual([{ startSeconds: 0, durationSeconds: 3 }, { startSeconds: 0, durationSeconds: 3 }, { startSeconds: 11, durationSeconds: 3 }]);
    expect((await music({ around: 3 })).items.every(({ part }) => part === undefined)).toBe(true);
    expect((await music({}, "audio")).items.every(({ part }) => part === undefined)).toBe(true);
  });

  const ORIGINAL = [
    '"4Oy5VmaacaI_0_1000/frame_013/00411.jpg": {"bbox": [{"box": [224, 0, 239, 358], "normbox": [0.35, 0.0, 0.375, 0.75], "category_id": 1}], "wdith": 640, "height": 360}',
    '"5_NsbkyLO2Q_0_1000/frame_000/00014.jpg": {"bbox": [], "wdith": 640, "height": 360}',
    '"5_NsbkyLO2Q_0_1000/frame_174/05220.jpg": {"bbox": [{"box": [224, 0, 178, 356], "normbox": [0.25, 0.0, 0.5, 1.0], "category_id": 8}], "wdith": 640, "height": 360}',
  ];

  it("may be the original solotest.json, with its empty lists and its own paths", async () => {
    const files = { "solotest.json": `{${ORIGINAL.join(", ")}}`, "audio/4Oy5VmaacaI.wav": "x", "audio/5_NsbkyLO2Q.wav": "x", ...empty("4Oy5VmaacaI_0_1000/frame_013/00411.jpg", "5_NsbkyLO2Q_0_1000/frame_000/00014.jpg", "5_NsbkyLO2Q_0_1000/frame_174/05220.jpg") };
    const { items, contents, reasons, ids } = await music({ path: "solotest.json" }, "image", files);
    expect(contents).toEqual(["4Oy5VmaacaI_0_1000/frame_013/00411.jpg", "5_NsbkyLO2Q_0_1000/frame_000/00014.jpg", "5_NsbkyLO2Q_0_1000/frame_174/05220.jpg"]);
    expect(ids).toEqual(contents);
    expect(boxesOf(items)).toEqual([[[0.35, 0, 0.725, 0.75]], [], [[0.25, 0, 0.75, 1]]]);
    expect(items.map(({ attributes }) => attributes?.["class"])).toEqual(["cello", "saxophone", "saxophone"]);
    expect(reasons).toEqual(["NO_BOXES"]);
    expect((await music({ path: "solotest.json" }, "audio", files)).contents).toEqual(["audio/4Oy5VmaacaI.wav", "audio/5_NsbkyLO2Q.wav", "audio/5_NsbkyLO2Q.wav"]);
  });

  it.each([
    ["[{}]", "expected an entry with file, class and bbox"],
    ['[{"file": "short", "class": "x", "bbox": [0, 0, 1, 1]}]', 'named VIDEO_SSS_FFFFF, found "short"'],
    ['[{"file": "a_000_00000", "class": "x", "bbox": [[0, 0, 1, 1]]}]', "expected a box of four numbers"],
    ['{"a.jpg": {"bbox": []}}', "expected a key such as"],
    ['{"a_0_1000/frame_013/00411.jpg": {"bbox": [{"box": [1, 2, 3, 4]}]}}', "expected a box of four numbers"],
    ["[{", "no JSON"],
    ["3", "expected a list of frames"],
  ])("%s is refused", async (content, message) => {
    const error = await failureOf(music({}, "image", { "music_solo.json": content }));
    expect(error).toMatchObject({ code: 3, reason: "BAD_ANNOTATION" });
    expect(error.message).toContain(message);
  });
});
