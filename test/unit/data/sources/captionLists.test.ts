import { describe, expect, it } from "vitest";

import type { Modality } from "../../../../src/config/compiled.js";
import { failureOf } from "../../../helpers/failures.js";
import { addFiles, folderWith, read } from "./reading.js";

const FIVE = "caption_1,caption_2,caption_3,caption_4,caption_5";
const empty = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, "x"]));

describe("AudioCaps", () => {
  const ORIGINAL = 'audiocap_id,youtube_id,start_time,caption\n91139,r1nicOVtvkQ,130,A woman talks nearby\n58146,-BUmZw47YrY,30,"A bell, then wind"\n90000,r1nicOVtvkQ,130,Another caption\n';
  const audiocaps = (content: string, modality: Modality, options: object = {}, name = "list.csv") => read(folderWith({ [name]: content, ...empty("Yr1nicOVtvkQ.wav", "Y-BUmZw47YrY.flac", "Ya.wav", "Yb.wav") }), { type: "audiocaps", path: name, ...options }, modality);

  it("has its original lists: a caption a row, and each sound once", async () => {
    const texts = await audiocaps(ORIGINAL, "text");
    expect(texts.contents).toEqual(["A woman talks nearby", "A bell, then wind", "Another caption"]);
    expect(texts.ids).toEqual(["91139", "58146", "90000"]);
    const sounds = await audiocaps(ORIGINAL, "audio");
    expect(sounds.ids).toEqual(["Yr1nicOVtvkQ.wav", "Y-BUmZw47YrY.flac"]);
    // The attribute that tells which captions belong to which sound.
    expect([texts.items, sounds.items].map((items) => items.map(({ attributes }) => attributes?.["media"]))).toEqual([["r1nicOVtvkQ", "-BUmZw47YrY", "r1nicOVtvkQ"], ["r1nicOVtvkQ", "-BUmZw47YrY"]]);
  });

  it("has WavCaps' lists, of one caption a row and of five", async () => {
    expect((await audiocaps("file_name,caption\nYa.wav,one\nYb.wav,two\n", "text")).contents).toEqual(["one", "two"]);
    const test = `file_name,${FIVE}\nYa.wav,a,b,c,d,"e, f"\nYb.wav,1,2,3,4,5\n`;
    const texts = await audiocaps(test, "text");
    expect(texts.contents).toEqual(["a", "b", "c", "d", "e, f", "1", "2", "3", "4", "5"]);
    expect(texts.ids.slice(0, 6)).toEqual(["0#1", "0#2", "0#3", "0#4", "0#5", "1#1"]);
    expect((await audiocaps(test, "audio")).ids).toEqual(["Ya.wav", "Yb.wav"]);
  });

  it("has WavCaps' JSON, of one caption and of five", async () => {
    const one = JSON.stringify({ num_captions_per_audio: 1, data: [{ caption: "one", audio: "Ya.wav", duration: 10, id: "a" }, { caption: "two", audio: "Yb.wav", duration: 10, id: "b" }] });
    expect((await audiocaps(one, "text", {}, "list.json")).contents).toEqual(["one", "two"]);
    expect((await audiocaps(one, "audio", {}, "list.json")).ids).toEqual(["Ya.wav", "Yb.wav"]);
    const five = JSON.stringify({ num_captions_per_audio: 5, data: [{ caption_1: "a", caption_2: "b", caption_3: "c", caption_4: "d", caption_5: "e", wav: "Ya.wav", id: "a" }] });
    expect((await audiocaps(five, "text", {}, "list.json")).contents).toEqual(["a", "b", "c", "d", "e"]);
    expect((await audiocaps(five, "audio", {}, "list.json")).ids).toEqual(["Ya.wav"]);
  });

  it("finds the files by another pattern, and names the layouts that it knows", async () => {
    expect((await audiocaps(ORIGINAL, "audio", { file: "{youtube_id}_{start_time}.wav" })).reasons).toEqual(["MISSING_FILE", "MISSING_FILE"]);
    const error = await failureOf(audiocaps("name,text\na,b\n", "text"));
    expect(error).toMatchObject({ code: 3, reason: "MISSING_COLUMN" });
    expect(error.message).toMatch(/audiocap_id, youtube_id, start_time, caption; or .*found name, text/);
  });
});

describe("Clotho", () => {
  const LIST = `file_name,${FIVE}\nDistorted AM Radio noise.wav,"A muddled noise, of a broken channel",b,c,d,e\nrain 02.wav,1,2,3,4,5\n`;

  it("has five captions of each sound", async () => {
    const folder = folderWith({ "list.csv": LIST, "audio/rain 02.wav": "x", "audio/Distorted AM Radio noise.wav": "x" });
    const clotho = (modality: Modality) => read(folder, { type: "clotho", path: "list.csv", root: "audio" }, modality);
    const texts = await clotho("text");
    expect(texts.contents).toEqual(["A muddled noise, of a broken channel", "b", "c", "d", "e", "1", "2", "3", "4", "5"]);
    const sounds = await clotho("audio");
    expect(sounds.ids).toEqual(["Distorted AM Radio noise.wav", "rain 02.wav"]);
    expect(texts.items[4]?.attributes).toEqual(sounds.items[0]?.attributes);
    expect(texts.items[5]?.attributes).toEqual(sounds.items[1]?.attributes);
  });

  it("is refused without its five columns", async () => {
    expect(await failureOf(read(folderWith({ "list.csv": "file_name,caption_1\na,b\n" }), { type: "clotho", path: "list.csv" }, "text"))).toMatchObject({ reason: "MISSING_COLUMN" });
  });
});

describe("CC3M", () => {
  const ROWS = 'a very typical "bus" station\thttp://lh6.ggpht.com/x.jpg\nsierra looked stunning, in this top\thttp://78.media.tumblr.com/y.jpg\n"young confused girl standing\thttps://media.gettyimages.com/z.jpg\n';
  const cc3m = (content: string, options: object = {}, modality: Modality = "text") => read(folderWith({ "list.tsv": content, "000000001.jpg": "x" }), { type: "cc3m", path: "list.tsv", ...options }, modality);

  it("has no header: its first row is a caption; quotes are characters", async () => {
    const { contents, items } = await cc3m(ROWS);
    expect(contents).toEqual(['a very typical "bus" station', "sierra looked stunning, in this top", '"young confused girl standing']);
    expect(items[0]?.attributes).toEqual({ url: "http://lh6.ggpht.com/x.jpg" });
  });

  it("may have the header that img2dataset wants", async () => {
    expect((await cc3m(`caption\turl\n${ROWS}`)).contents).toHaveLength(3);
  });

  it("has images where a pattern says how they are named", async () => {
    expect((await cc3m(ROWS, { file: "{row:09}.jpg", missing: "leave-out" }, "image")).ids).toEqual(["000000001.jpg"]);
  });
});

describe("Flickr30k", () => {
  it("has a header line, and captions whose commas and quotes are theirs", async () => {
    const folder = folderWith({
      "flickr30k_test_karpathy.txt": 'image,caption\n1007129816.jpg,The man with pierced ears, wearing glasses , "smiles".\n1007129816.jpg,A man.\n1009434119.jpg,"A dog, see b.jpg, runs\n',
      "images/1007129816.jpg": "x",
      "images/1009434119.jpg": "x",
    });
    const flickr = (modality: Modality) => read(folder, { type: "flickr30k", path: "flickr30k_test_karpathy.txt", root: "images" }, modality);
    const texts = await flickr("text");
    expect(texts.contents).toEqual(['The man with pierced ears, wearing glasses , "smiles".', "A man.", '"A dog, see b.jpg, runs']);
    expect(texts.items.map(({ attributes }) => attributes?.["media"])).toEqual(["1007129816.jpg", "1007129816.jpg", "1009434119.jpg"]);
    expect((await flickr("image")).ids).toEqual(["1007129816.jpg", "1009434119.jpg"]);
  });

  it("names a line without an image", async () => {
    const error = await failureOf(read(folderWith({ "f.txt": "image,caption\na.png,b\n" }), { type: "flickr30k", path: "f.txt" }, "text"));
    expect(error).toMatchObject({ code: 3, reason: "BAD_TABLE", path: expect.stringMatching(/f\.txt:2$/) as string });
  });
});

describe("COCO", () => {
  const COCO = {
    info: { description: "COCO" },
    annotations: [
      { image_id: 203564, id: 37, caption: "A bicycle replica with a clock." },
      { image_id: 179765, id: 38, caption: 'A black "Honda" motorcycle.' },
      { image_id: 203564, id: 49, caption: "" },
      { image_id: 1, id: 50, caption: "of no image" },
    ],
    images: [
      { id: 203564, file_name: "COCO_val2014_000000203564.jpg" },
      { id: 179765, file_name: "COCO_val2014_000000179765.jpg" },
    ],
  };
  const coco = (content: object, modality: Modality, options: object = {}) => read(folderWith({ "c.json": JSON.stringify(content), ...empty("COCO_val2014_000000203564.jpg", "COCO_val2014_000000179765.jpg", "val2014/a.jpg", "val2014/b.jpg") }), { type: "coco", path: "c.json", ...options }, modality);

  it("has its captions, with the image that each is of", async () => {
    const { ids, contents, items, reasons } = await coco(COCO, "text");
    expect([ids, contents]).toEqual([["37", "38"], ["A bicycle replica with a clock.", 'A black "Honda" motorcycle.']]);
    expect(items[0]?.attributes).toEqual({ media: "COCO_val2014_000000203564.jpg" });
    expect(reasons).toEqual(["EMPTY_CAPTION", "NO_IMAGE"]);
  });

  it("has the first captions of each image alone where that is asked for: some have six, and recall is measured with five", async () => {
    const annotations = [1, 2, 3].flatMap((number) => [203564, 179765].map((image) => ({ image_id: image, id: image * 10 + number, caption: `caption ${number} of ${image}` }))).slice(0, 5);
    const { contents } = await coco({ ...COCO, annotations }, "text", { captions: 2 });
    expect(contents).toEqual(["caption 1 of 203564", "caption 1 of 179765", "caption 2 of 203564", "caption 2 of 179765"]);
    const { source } = await coco({ ...COCO, annotations }, "text", { captions: 5 });
    expect(source.identity).not.toEqual((await coco({ ...COCO, annotations }, "text")).source.identity);
  });

  it("has its images in the order of their ids, as torchvision has them", async () => {
    const { ids, items } = await coco(COCO, "image");
    expect(ids).toEqual(["COCO_val2014_000000179765.jpg", "COCO_val2014_000000203564.jpg"]);
    expect(items[1]?.attributes).toEqual({ media: "COCO_val2014_000000203564.jpg" });
  });

  it("has Karpathy's own file, by its splits", async () => {
    const image = (filename: string, split: string, ...raw: readonly string[]) => ({ filepath: "val2014", filename, split, sentences: raw.map((text, index) => ({ raw: text, sentid: Number(`${filename.charCodeAt(0)}${index}`), tokens: [] })) });
    const karpathy = { dataset: "coco", images: [image("b.jpg", "test", "one", "two"), image("a.jpg", "train", "three"), image("c.jpg", "test", "four")] };
    expect((await coco(karpathy, "text", { split: "test" })).contents).toEqual(["one", "two", "four"]);
    expect((await coco(karpathy, "image", { split: "test", missing: "leave-out" })).ids).toEqual(["val2014/b.jpg"]);
    expect((await coco(karpathy, "text")).contents).toHaveLength(4);
    expect(await failureOf(coco(karpathy, "text", { split: "tset" }))).toMatchObject({ reason: "NO_ITEMS", message: expect.stringContaining("tset") as string });
    expect(await failureOf(coco(COCO, "text", { split: "test" }))).toMatchObject({ reason: "WRONG_FORMAT" });
  });

  it("refuses an image name that leads out", async () => {
    expect(await failureOf(coco({ images: [{ id: 1, file_name: "../../etc/passwd" }], annotations: [] }, "image"))).toMatchObject({ code: 3, reason: "PATH_LEADS_OUT" });
  });
});

describe("MSR-VTT", () => {
  const DATA = JSON.stringify({
    info: {},
    videos: [{ video_id: "video0", category: 9, split: "train" }, { video_id: "video1", category: 1 }, { video_id: "video7020", category: 2 }],
    sentences: [
      { caption: "a car is shown", video_id: "video0", sen_id: 2 },
      { caption: "cats play", video_id: "video1", sen_id: 3 },
      { caption: "a woman, cooking", video_id: "video7020", sen_id: 4 },
      { caption: "a red car", video_id: "video0", sen_id: 5 },
    ],
  });
  const TEST_1KA = "key,vid_key,video_id,sentence\nret0,msr7020,video7020,a woman creating a fondant baby\nret1,msr0,video0,\"a boy, playing\"\n";
  const msrVtt = (modality: Modality, options: object) => read(folderWith({ "MSRVTT_data.json": DATA, "MSRVTT_JSFUSION_test.csv": TEST_1KA, "MSRVTT_train.9k.csv": "video_id\nvideo1\nvideo0\n", ...Object.fromEntries(["video0.mp4", "video1.mp4", "video7020.webm"].map((name) => [`videos/${name}`, "x"])) }), { type: "msr-vtt", root: "videos", ...options }, modality);

  it("has every sentence and every video of its annotations", async () => {
    const texts = await msrVtt("text", { path: "MSRVTT_data.json" });
    expect(texts.contents).toEqual(["a car is shown", "cats play", "a woman, cooking", "a red car"]);
    expect(texts.ids).toEqual(["video0:2", "video1:3", "video7020:4", "video0:5"]);
    expect((await msrVtt("video", { path: "MSRVTT_data.json" })).ids).toEqual(["video0.mp4", "video1.mp4", "video7020.webm"]);
  });

  it("has the videos of a list alone, in the list's order", async () => {
    const options = { path: "MSRVTT_data.json", list: "MSRVTT_train.9k.csv" };
    expect((await msrVtt("text", options)).contents).toEqual(["a car is shown", "cats play", "a red car"]);
    expect((await msrVtt("video", options)).ids).toEqual(["video1.mp4", "video0.mp4"]);
  });

  it("has the test 1k-A: one sentence a video, row by row the same videos", async () => {
    const [texts, frames] = [await msrVtt("text", { path: "MSRVTT_JSFUSION_test.csv" }), await msrVtt("image", { path: "MSRVTT_JSFUSION_test.csv" })];
    expect(texts.contents).toEqual(["a woman creating a fondant baby", "a boy, playing"]);
    expect(frames.items.map(({ id, part }) => [id, part])).toEqual([["video7020.webm", { position: 0.5 }], ["video0.mp4", { position: 0.5 }]]);
    expect(texts.items.map(({ attributes }) => attributes)).toEqual(frames.items.map(({ attributes }) => attributes));
  });

  it("is refused with a list that has no video_id", async () => {
    const folder = folderWith({ "d.json": DATA });
    addFiles(folder, { "l.csv": "id\nvideo0\n" });
    expect(await failureOf(read(folder, { type: "msr-vtt", path: "d.json", list: "l.csv" }, "text"))).toMatchObject({ reason: "MISSING_COLUMN" });
  });
});
