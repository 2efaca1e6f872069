import { join } from "node:path";

import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it } from "vitest";

import type { Modality } from "../../../../src/config/compiled.js";
import { compileFields, fieldsOfType, guessSource, guessSourceFields } from "../../../../src/data/sources/guess.js";
import { guessModality } from "../../../../src/data/sources/guessModality.js";
import { failureOf } from "../../../helpers/failures.js";
import { folderWith } from "./reading.js";
import { tar } from "./tarBytes.js";

const FIVE = "caption_1,caption_2,caption_3,caption_4,caption_5";
const parquet = Buffer.from(parquetWriteBuffer({ columnData: [{ name: "TEXT", data: ["a"], type: "STRING" }, { name: "audio_path", data: ["a.wav"], type: "STRING" }] }));
const FILES = {
  "photos/a.png": "",
  "photos/b.jpg": "",
  "photos/c.wav": "",
  "more/bytes.jpg": Buffer.of(0xff, 0xd8, 0xff, 0xe0),
  "tars/0.tar": tar({ name: "a.jpg" }, { name: "a.txt" }, { name: "b.jpg" }, { name: "b.txt" }),
  "texts.tar": tar({ name: "a.txt" }, { name: "b.json" }),
  "sounds.tar": tar({ name: "a.flac" }, { name: "a.json" }),
  "t.txt": "a dog\n",
  "t.csv": "id,caption\n1,a\n",
  "files.csv": "id,filename\n1,x.wav\n",
  "five.csv": `file_name,${FIVE}\na,b,c,d,e,f\n`,
  "odd.csv": "x,y\n1,2\n",
  "t.tsv": "filepath\ttitle\na.png\tb\n",
  "t.jsonl": '{"text":"a"}\n',
  "t.parquet": parquet,
  "list.json": '[{"caption":"a"}]',
  "coco.json": '{"images":[{"id":1}],"annotations":[]}',
  "msrvtt.json": '{"videos":[],"sentences":[{"caption":"a"}]}',
  "wavcaps.json": '{"data":[{"caption":"a","audio":"x.wav"}]}',
  "nothing.json": '{"a":1}',
  "eval_segments.csv": "# Segments csv created\n# x\n# YTID, start_seconds, end_seconds, positive_labels\na, 0, 10, \"/m/1\"\n",
  "audiocaps.csv": "audiocap_id,youtube_id,start_time,caption\n1,a,2,b\n",
  "jsfusion.csv": "key,vid_key,video_id,sentence\na,b,c,d\n",
  "vggsound.csv": "---g-f_I2yQ,1,people marching,test\n",
  "cc3m.tsv": "a bus station\thttp://x.org/y.jpg\n",
  "Annotations.txt": "Church bell&RUhOCu3LNXM&good&0&10\n",
  "flickr30k_test_karpathy.txt": "image,caption\na.jpg,b\n",
  "vgg/vggss.json": '[{"file": "a_000001", "class": "x", "bbox": [[0.1, 0.1, 0.5, 0.9]]}]',
  "vgg/vggss_test_plus_silent.csv": "video,audio,label\na,b,non-sounding\n",
  "flickr/flickr_test.csv": "10000130166,202\n3908875350,0\n",
  "flickr/flickr_test_plus_silent.csv": "video,audio,label\n1,2,non-sounding\n",
  "flickr/Annotations/3908875350.xml": "<a/>",
  "silent.csv": "video,audio,label\na,b,non-sounding\n",
  "music_solo.json": '[{"file": "a_000_00000", "class": "cello", "bbox": [0.1, 0.1, 0.5, 0.9]}]',
  "solotest.json": '{"a_0_1000/frame_013/00411.jpg": {"bbox": [], "wdith": 1}}',
  "modelnet/modelnet40_test.txt": "airplane_0001\n",
  "modelnet/modelnet40_train.txt": "airplane_0001\n",
  "unpacked/modelnet40_test.txt": "airplane_0001\n",
  "unpacked/clouds/000000.npy": "x",
  "ids.txt": "-0jFOgK7WRs\n_kbHD8R4fPc\n",
};

describe("a path alone", () => {
  const place = () => folderWith(FILES);
  const guess = async (name: string, modality: Modality) => {
    const folder = place();
    const { path, ...rest } = await guessSourceFields(join(folder, name), modality);
    expect(path).toBe(join(folder, name));
    // What is guessed must be what an experiment file may say.
    await guessSource(join(folder, name), modality);
    return rest;
  };

  it.each<[string, Modality, object]>([
    ["photos", "image", { type: "folder" }],
    ["photos/*.{png,jpg}", "image", { type: "glob" }],
    ["tars", "image", { type: "webdataset" }],
    ["tars/{0..3}.tar", "text", { type: "webdataset" }],
    ["texts.tar", "text", { type: "webdataset" }],
    ["t.txt", "text", { type: "lines" }],
    ["t.csv", "text", { type: "csv", text: "caption" }],
    ["files.csv", "audio", { type: "csv", file: "filename" }],
    ["five.csv", "text", { type: "csv", text: FIVE.split(",") }],
    ["five.csv", "audio", { type: "csv", file: "file_name" }],
    ["t.tsv", "text", { type: "tsv", text: "title" }],
    ["t.tsv", "image", { type: "tsv", file: "filepath" }],
    ["t.jsonl", "text", { type: "jsonl", text: "text" }],
    ["t.parquet", "text", { type: "parquet", text: "TEXT" }],
    ["list.json", "text", { type: "json", text: "caption" }],
    ["coco.json", "image", { type: "coco" }],
    ["msrvtt.json", "text", { type: "msr-vtt" }],
    ["wavcaps.json", "audio", { type: "audiocaps" }],
    ["eval_segments.csv", "audio", { type: "audioset" }],
    ["audiocaps.csv", "text", { type: "audiocaps" }],
    ["jsfusion.csv", "text", { type: "msr-vtt" }],
    ["vggsound.csv", "audio", { type: "vggsound" }],
    ["cc3m.tsv", "text", { type: "cc3m" }],
    ["Annotations.txt", "audio", { type: "ave" }],
    ["flickr30k_test_karpathy.txt", "text", { type: "flickr30k" }],
    ["vgg/vggss.json", "text", { type: "vgg-ss" }],
    ["flickr/flickr_test.csv", "text", { type: "flickr-soundnet" }],
    ["music_solo.json", "image", { type: "music-solo" }],
    ["solotest.json", "audio", { type: "music-solo" }],
    ["ids.txt", "audio", { type: "clips" }],
    ["ids.txt", "text", { type: "lines" }],
  ])("%s as %s", async (name, modality, expected) => {
    expect(await guess(name, modality)).toEqual(expected);
  });

  it.each<[string, Modality]>([
    ["photos", "image"],
    ["tars", "image"],
    ["sounds.tar", "audio"],
    ["texts.tar", "text"],
    ["photos/*", "image"],
    ["t.csv", "text"],
    ["files.csv", "audio"],
    ["t.parquet", "text"],
    ["t.txt", "text"],
    ["silent.csv", "image"],
    ["modelnet", "pointcloud"],
  ])("%s is %s", async (name, modality) => {
    expect(await guessModality(join(place(), name))).toBe(modality);
  });

  it.each([
    ["odd.csv", 2, "UNKNOWN_SOURCE", /x, y/],
    ["nothing.json", 2, "UNKNOWN_SOURCE", /no list of objects/],
    ["none.csv", 3, "DATA_MISSING", /not there/],
  ])("%s is refused", async (name, code, reason, message) => {
    const error = await failureOf(guessSourceFields(join(place(), name), "text"));
    expect(error).toMatchObject({ code, reason });
    expect(error.message).toMatch(message);
  });

  it("of an extended set takes the positives that lie beside it", async () => {
    const folder = place();
    const positives = async (name: string) => ((await guessSourceFields(join(folder, name), "image")) as { positives?: { type: string; path: string } }).positives;
    expect(await positives("vgg/vggss_test_plus_silent.csv")).toEqual({ type: "vgg-ss", path: join(folder, "vgg/vggss.json") });
    expect(await positives("flickr/flickr_test_plus_silent.csv")).toEqual({ type: "flickr-soundnet", path: join(folder, "flickr/flickr_test.csv") });
    await guessSource(join(folder, "vgg/vggss_test_plus_silent.csv"), "image");
    // Without them it is a table that names files.
    expect(await guessSourceFields(join(folder, "silent.csv"), "image")).toEqual({ type: "csv", path: join(folder, "silent.csv"), file: "audio" });
    expect(await fieldsOfType("extended", join(folder, "vgg/vggss_test_plus_silent.csv"), "image")).toMatchObject({ positives: { type: "vgg-ss" } });
  });

  it("of ModelNet40 is its folder or one of its lists, unpacked or not", async () => {
    const folder = place();
    const guess = async (name: string) => guessSourceFields(join(folder, name), "pointcloud");
    const root = join(folder, "modelnet");
    expect(await guess("modelnet")).toEqual({ type: "modelnet40", root, split: "test", format: "text" });
    expect(await guess("modelnet/modelnet40_train.txt")).toEqual({ type: "modelnet40", root, split: "train", format: "text" });
    expect(await guess("unpacked")).toEqual({ type: "modelnet40", root: join(folder, "unpacked"), split: "test", format: "unpacked" });
    expect(await fieldsOfType("modelnet40", root, "pointcloud")).toEqual({ type: "modelnet40", root, split: "test", format: "text" });
    await guessSource(root, "pointcloud");
  });

  it("that is a single photo is no list of photos", async () => {
    const photo = join(place(), "photos/a.png");
    const error = await failureOf(guessSourceFields(photo, "image"));
    expect(error).toMatchObject({ code: 2, reason: "UNKNOWN_SOURCE" });
    expect(error.message).toBe(`${photo} is a single file, not a folder or a list of image items. Give the folder that it lies in, or a pattern such as ${photo.replace("a.png", "*.png")}.`);
    // Its bytes are no text, and nobody takes it for a list.
    expect((await failureOf(guessSourceFields(join(place(), "more/bytes.jpg"), "image"))).message).toContain("is a single file");
    expect((await failureOf(guessSourceFields(join(place(), "photos/c.wav"), "text"))).message).toContain("is a single file");
  });

  it("with a type that needs more says what", () => {
    expect(() => compileFields({ type: "inline", path: "x" })).toThrow(/needs more than a path/);
  });
});
