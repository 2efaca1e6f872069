import { inflateSync } from "node:zlib";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { Modality } from "../../../../src/config/compiled.js";
import { readIntegers } from "../../../../src/data/hdf5.js";
import { writeNpy } from "../../../../src/data/npy.js";
import { failureOf } from "../../../helpers/failures.js";
import { addFiles, folderWith, read } from "./reading.js";

const empty = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, "x"]));

describe("AudioSet", () => {
  const SEGMENTS = [
    "# Segments csv created Sun Mar  5 10:54:31 2017",
    "# num_ytids=3, num_segs=3, num_unique_labels=527, num_positive_labels=52882",
    "# YTID, start_seconds, end_seconds, positive_labels",
    '--4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/07q6cd_,/m/0bt9lr"',
    '--BfvyPmVMo, 20.000, 30.000, "/m/03l9g"',
    'A#b, 30.500, 40.000, "/m/09x0r,/t/dd00088"',
    "",
  ].join("\n");
  const LABELS = 'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/068hy,"Domestic animals, pets"\n2,/m/03l9g,Hammer\n';
  const audioset = (modality: Modality, options: object = {}) => read(folderWith({ "eval_segments.csv": SEGMENTS, "class_labels_indices.csv": LABELS, ...empty("wav/--4gqARaEJE.wav", "wav/--BfvyPmVMo.flac", "wav/A#b.mp4") }), { type: "audioset", path: "eval_segments.csv", root: "wav", ...options }, modality);

  it("passes over its three comment lines, the last of which is no header for anybody else, and over nothing more", async () => {
    const { ids, items } = await audioset("audio");
    // An id may hold the comment's character.
    expect(ids).toEqual(["--4gqARaEJE.wav", "--BfvyPmVMo.flac", "A#b.mp4"]);
    expect(items[0]?.attributes).toEqual({ label: "/m/068hy", labels: "/m/068hy; /m/07q6cd_; /m/0bt9lr", media: "--4gqARaEJE" });
  });

  it("names its labels, whose names have commas", async () => {
    const { items } = await audioset("audio", { labels: "class_labels_indices.csv" });
    expect(items.map(({ attributes }) => [attributes?.["label"], attributes?.["labels"]])).toEqual([
      ["Domestic animals, pets", "Domestic animals, pets; /m/07q6cd_; /m/0bt9lr"],
      ["Hammer", "Hammer"],
      ["Speech", "Speech; /t/dd00088"],
    ]);
  });

  it("cuts whole videos where that is asked for", async () => {
    expect((await audioset("audio", { cut: true })).items.map(({ part }) => part)).toEqual([
      { startSeconds: 0, durationSeconds: 10 },
      { startSeconds: 20, durationSeconds: 10 },
      { startSeconds: 30.5, durationSeconds: 9.5 },
    ]);
    expect((await audioset("audio")).items.every(({ part }) => part === undefined)).toBe(true);
    // The middle of the segment, not of the video.
    const frames = await audioset("image", { cut: true, file: "{YTID}.mp4", missing: "leave-out" });
    expect(frames.items.map(({ part }) => part)).toEqual([{ startSeconds: 35.25 }]);
  });
});

describe("VGGSound", () => {
  const LIST = '---g-f_I2yQ,1,people marching,test\n--0PQM4-hqg,30,"waterfall burbling, big",train\n--56QUhyDQM,185,playing tennis,train\n';
  const FILES = empty("---g-f_I2yQ_000001.mp4", "--0PQM4-hqg_000030.wav", "--56QUhyDQM_000185.mp4");
  const vggsound = (options: object = {}, modality: Modality = "audio") => read(folderWith({ "vggsound.csv": LIST, ...FILES }), { type: "vggsound", path: "vggsound.csv", ...options }, modality);

  it("has no header: its first row is a clip; files are named with six digits", async () => {
    const { ids, items, reasons } = await vggsound();
    expect(ids).toEqual(["---g-f_I2yQ_000001.mp4", "--0PQM4-hqg_000030.wav", "--56QUhyDQM_000185.mp4"]);
    expect(items.map(({ attributes }) => attributes?.["class"])).toEqual(["people marching", "waterfall burbling, big", "playing tennis"]);
    expect(reasons).toEqual([]);
  });

  it("has the clips of one split, cut out of whole videos where that is asked for", async () => {
    expect((await vggsound({ split: "train" })).ids).toEqual(["--0PQM4-hqg_000030.wav", "--56QUhyDQM_000185.mp4"]);
    expect((await vggsound({ split: "test", cut: true })).items[0]?.part).toEqual({ startSeconds: 1, durationSeconds: 10 });
  });
});

/** `order` of five int64, as h5py 3 writes it. */
const ORDER_H5 = inflateSync(
  Buffer.from(
    "eNrr9HBx4+WS4mIAAQ4OBhYGAQZk8B8KNDhQ+TD5BCjNCKU7oPQKJpg4I1hOAiouCDUfXV1IkKsrSPV/NACzx4AFQnMwjIKRCDxcHQNAdASUD0ulJ5hQ1eUXpaQWIaVHDwrtZWRghZjFCONDUjIjI0SAFaoORjMDXQaSEeCApVUHqDwHWJyJiYkRko4h5jAzwpK0BprNEwZlPAT7+buAcjQsHyowj6bNUTAKhipohtKrobQnlI6F0lOgNABJVDBS",
    "base64",
  ),
);

describe("AVE", () => {
  const ROWS = ["Church bell&RUhOCu3LNXM&good&0&10", "Male speech, man speaking&a1&good&2&5", "Bark&b2&good&0&10", "Bark&a1&good&0&10", "Ukulele&c3&good&7&10", "Bark&a1&good&1&3"];
  const HEADER = "Category&VideoID&Quality&StartTime&EndTime";
  const FILES = empty(...["RUhOCu3LNXM", "a1", "b2", "c3"].map((id) => `videos/${id}.mp4`));
  const folder = (content: string) => folderWith({ "Annotations.txt": content, ...FILES });
  const ave = (path: string, options: object = {}) => read(path, { type: "ave", path: "Annotations.txt", root: "videos", ...options }, "audio");

  it.each([["without", `${ROWS.join("\n")}\n`], ["with", `${HEADER}\n${ROWS.join("\n")}\n`], ["with Windows breaks and", `${[HEADER, ...ROWS].join("\r\n")}\r\n`]])("%s a header has the same items", async (_, content) => {
    const { ids, items, reasons } = await ave(folder(content));
    // Names of categories hold commas, and a video that is listed again is another item.
    expect(items.map(({ attributes }) => attributes?.["category"])).toEqual(["Church bell", "Male speech, man speaking", "Bark", "Bark", "Ukulele", "Bark"]);
    expect(ids).toEqual(["RUhOCu3LNXM.mp4", "a1.mp4", "b2.mp4", "a1~2.mp4", "c3.mp4", "a1~3.mp4"]);
    expect(reasons).toEqual(["DUPLICATE_ID", "DUPLICATE_ID"]);
    expect(items[5]?.attributes?.["media"]).toBe("a1");
  });

  it.each([["without", ROWS.join("\n")], ["with", `${HEADER}\n${ROWS.join("\n")}\n`]])("%s a header has the rows of a split, counted from 0 without the header, in the split's order", async (_, content) => {
    const path = folder(content);
    addFiles(path, { "order.txt": "4\n0\n3\n" });
    await writeNpy(join(path, "order.npy"), new BigInt64Array([4n, 0n, 3n]), [3]);
    for (const rows of ["order.txt", "order.npy"]) {
      const { items } = await ave(path, { rows });
      expect(items.map(({ attributes }) => `${attributes?.["media"]} ${attributes?.["category"]}`)).toEqual(["c3 Ukulele", "RUhOCu3LNXM Church bell", "a1 Bark"]);
    }
  });

  it("reads its splits from HDF5, wherever in the file the numbers lie", async () => {
    const path = folder(Array.from({ length: 200 }, (_, row) => `Bark&v${row}&good&0&10`).join("\n"));
    writeFileSync(join(path, "test_order.h5"), ORDER_H5);
    const { items } = await ave(path, { rows: "test_order.h5" });
    expect(items.map(({ attributes }) => attributes?.["media"])).toEqual(["v131", "v171", "v73", "v93", "v148"]);
  });

  it("cuts to the event where that is asked for", async () => {
    expect((await ave(folder(ROWS.join("\n")), { cut: true })).items[1]?.part).toEqual({ startSeconds: 2, durationSeconds: 3 });
  });

  it("refuses a split that is not of this list", async () => {
    const path = folder(ROWS.join("\n"));
    addFiles(path, { "order.txt": "4\n9\n", "bad.txt": "1\nx\n", "bad.h5": "not HDF5 at all" });
    expect(await failureOf(ave(path, { rows: "order.txt" }))).toMatchObject({ code: 3, reason: "NO_SUCH_ROW", message: expect.stringMatching(/row 9.*rows 0 to 5/) as string });
    expect(await failureOf(ave(path, { rows: "bad.txt" }))).toMatchObject({ code: 3, reason: "BAD_TABLE", path: expect.stringMatching(/bad\.txt:2$/) as string });
    expect(await failureOf(ave(path, { rows: "bad.h5" }))).toMatchObject({ code: 3, reason: "BAD_HDF5" });
  });
});

describe("a list of numbers in HDF5", () => {
  const file = (bytes: Buffer) => join(folderWith({ "x.h5": bytes }), "x.h5");

  it("is found by its name", async () => {
    expect(await readIntegers(file(ORDER_H5), "order")).toEqual([131, 171, 73, 93, 148]);
    expect((await failureOf(readIntegers(file(ORDER_H5), "other"))).message).toContain('expected the dataset "other" in it, found order');
  });

  it("that is damaged anywhere is refused or read, and never hangs or breaks", async () => {
    for (let at = 0; at < ORDER_H5.length; at += 3) {
      for (const byte of [0x00, 0xff]) {
        const bytes = Buffer.from(ORDER_H5);
        bytes[at] = byte;
        const numbers = await readIntegers(file(bytes), "order").catch((error: unknown) => error);
        if (!Array.isArray(numbers)) expect(numbers).toMatchObject({ code: 3, reason: "BAD_HDF5" });
      }
    }
    for (let length = 0; length < ORDER_H5.length; length += 7) {
      expect(await failureOf(readIntegers(file(ORDER_H5.subarray(0, length)), "order"))).toMatchObject({ code: 3, reason: "BAD_HDF5" });
    }
  });
});
