import { describe, expect, it } from "vitest";

import { failureOf } from "../../../helpers/failures.js";
import { addFiles, folderWith, open, read } from "./reading.js";

const ROOT = "modelnet40_normal_resampled";
const CLOUD = "0.5,0.1,0.2,0.0,0.0,1.0\n0.1,0.2,0.3,0.0,-1.0,0.0\n";
const IDS = ["airplane_0627", "night_stand_0201", "tv_stand_0301"];
const FILES = {
  [`${ROOT}/modelnet40_shape_names.txt`]: "airplane\nnight_stand\ntv_stand\n",
  [`${ROOT}/modelnet40_test.txt`]: `${IDS.join("\n")}\n`,
  [`${ROOT}/modelnet40_train.txt`]: "night_stand_0001\r\n",
  [`${ROOT}/airplane/airplane_0627.txt`]: CLOUD,
  [`${ROOT}/night_stand/night_stand_0201.txt`]: CLOUD,
  [`${ROOT}/night_stand/night_stand_0001.txt`]: CLOUD,
  [`${ROOT}/tv_stand/tv_stand_0301.txt`]: CLOUD,
};
const place = (files: Readonly<Record<string, string>> = {}) => folderWith({ ...FILES, ...files });
const modelNet = (folder: string, options: object = {}) => read(folder, { type: "modelnet40", root: ROOT, ...options }, "pointcloud");

describe("ModelNet40", () => {
  it("has the clouds of a list, whose class is all before the last underscore, as a prompt would say it", async () => {
    const { contents, items, reasons } = await modelNet(place());
    expect(contents).toEqual([`${ROOT}/airplane/airplane_0627.txt`, `${ROOT}/night_stand/night_stand_0201.txt`, `${ROOT}/tv_stand/tv_stand_0301.txt`]);
    expect(items.map(({ attributes }) => attributes)).toEqual([
      { class: "airplane", media: "airplane_0627" },
      { class: "night stand", media: "night_stand_0201" },
      { class: "tv stand", media: "tv_stand_0301" },
    ]);
    expect(reasons).toEqual([]);
    expect((await modelNet(place(), { split: "train" })).contents).toEqual([`${ROOT}/night_stand/night_stand_0001.txt`]);
  });

  it("has unpacked clouds in the order of the list, or of the classes beside them", async () => {
    const clouds = Object.fromEntries(["000000", "000001", "000002"].map((name) => [`${ROOT}/clouds/${name}.npy`, "x"]));
    const folder = place(clouds);
    const { contents, items } = await modelNet(folder, { format: "unpacked" });
    expect(contents).toEqual(["000000", "000001", "000002"].map((name) => `${ROOT}/clouds/${name}.npy`));
    expect(items.map(({ attributes }) => attributes?.["class"])).toEqual(["airplane", "night stand", "tv stand"]);
    // The coloured sets have an order of their own.
    addFiles(folder, { "coloured/000000.npy": "x", "coloured/000001.npy": "x", "coloured/classes.txt": "tv_stand\nnight_stand\n" });
    const coloured = await modelNet(folder, { format: "unpacked", clouds: "coloured" });
    expect(coloured.items.map(({ id, attributes }) => [id, attributes?.["class"], attributes?.["media"]])).toEqual([["000000.npy", "tv stand", "000000.npy"], ["000001.npy", "night stand", "000001.npy"]]);
  });

  it("names clouds that are not there, and refuses those of another split", async () => {
    const folder = place({ [`${ROOT}/clouds/000000.npy`]: "x", [`${ROOT}/clouds/000002.npy`]: "x" });
    expect((await modelNet(folder, { format: "unpacked" })).oddities).toMatchObject([{ reason: "MISSING_FILE", message: expect.stringContaining("000001.npy is not there") as string }]);
    expect(await failureOf(modelNet(folder, { format: "unpacked", split: "train" }))).toMatchObject({ code: 3, reason: "SHAPE_MISMATCH", message: expect.stringMatching(/2 clouds.*classes of 1/) as string });
    const bare = folderWith({ [`${ROOT}/modelnet40_test.txt`]: `${IDS.join("\n")}\n` });
    expect((await modelNet(bare)).reasons).toEqual(["MISSING_FILE", "MISSING_FILE", "MISSING_FILE"]);
    expect(await failureOf(modelNet(bare, { missing: "leave-out" }))).toMatchObject({ code: 3, reason: "NO_ITEMS" });
    expect(await failureOf(modelNet(place({ [`${ROOT}/modelnet40_test.txt`]: "airplane\n" })))).toMatchObject({ code: 3, reason: "BAD_TABLE", path: expect.stringMatching(/modelnet40_test\.txt:1$/) as string });
  });

  it("tells that clouds were added or removed", async () => {
    const folder = place({ [`${ROOT}/clouds/000000.npy`]: "x" });
    const source = await open(folder, { type: "modelnet40", root: ROOT, format: "unpacked" }, "pointcloud");
    const before = await source.fingerprint();
    addFiles(folder, { [`${ROOT}/clouds/classes.txt`]: "airplane\n" });
    expect(await source.fingerprint()).not.toBe(before);
  });
});
