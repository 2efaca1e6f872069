import { describe, expect, it } from "vitest";

import type { Modality } from "../../../../src/config/compiled.js";
import { parseExperiment } from "../../../../src/config/load.js";
import { CmcrError } from "../../../../src/errors.js";
import { failureOf } from "../../../helpers/failures.js";
import { MINIMAL } from "../../config/samples.js";
import { folderWith, read } from "./reading.js";

const AVE = "Bark&a1&good&0&10\nMale speech, man speaking&b2&good&2&5\nBark&a1&good&5&10\n";
const FILES = { "Annotations.txt": AVE, "videos/a1.mp4": "x", "videos/b2.mp4": "x", "frames/a1.jpg": "x", "frames/b2.jpg": "x", "wav/a1.wav": "x", "wav/b2.wav": "x" };

describe("several pairs of a recording", () => {
  const ave = (modality: Modality, options: object) => read(folderWith(FILES), { type: "ave", path: "Annotations.txt", root: "videos", ...options }, modality);

  it("are parts of equal length and the middle frame of each", async () => {
    const [sounds, images] = [await ave("audio", { pairs: 4 }), await ave("image", { pairs: 4 })];
    expect(sounds.items.slice(0, 4).map(({ part }) => part)).toEqual([0, 2.5, 5, 7.5].map((start) => ({ startSeconds: start, durationSeconds: 2.5 })));
    expect(images.items.slice(0, 4).map(({ part }) => part)).toEqual([1.25, 3.75, 6.25, 8.75].map((start) => ({ startSeconds: start })));
  });

  it("are items of their own, whose ids pair them up; a video that the list has again is another", async () => {
    const [sounds, images] = [await ave("audio", { pairs: 2, root: "wav" }), await ave("image", { pairs: 2 })];
    expect(images.ids).toEqual(["a1#1.mp4", "a1#2.mp4", "b2#1.mp4", "b2#2.mp4", "a1~2#1.mp4", "a1~2#2.mp4"]);
    expect(sounds.ids.map((id) => id.replace(".wav", ""))).toEqual(images.ids.map((id) => id.replace(".mp4", "")));
    // By which relevance: labels takes parts and twins of a video for equal.
    expect(images.items.map(({ attributes }) => attributes?.["media"])).toEqual(["a1", "a1", "b2", "b2", "a1", "a1"]);
    // A list's rows picked twice are two items as well.
    expect(sounds.reasons).toEqual(["DUPLICATE_ID"]);
  });

  it("divide the event where recordings are cut, and the segment that is given", async () => {
    expect((await ave("audio", { pairs: 2, cut: true })).items.map(({ part }) => part?.startSeconds)).toEqual([0, 5, 2, 3.5, 5, 7.5]);
    expect((await ave("image", { pairs: 2, cut: true })).items.map(({ part }) => part?.startSeconds)).toEqual([2.5, 7.5, 2.75, 4.25, 6.25, 8.75]);
    const segment = { start: 1, seconds: 4 };
    expect((await ave("audio", { pairs: 2, segment })).items.slice(0, 2).map(({ part }) => part)).toEqual([{ startSeconds: 1, durationSeconds: 2 }, { startSeconds: 3, durationSeconds: 2 }]);
    expect((await ave("image", { pairs: 2, segment })).items.slice(0, 2).map(({ part }) => part)).toEqual([{ startSeconds: 2 }, { startSeconds: 4 }]);
    expect((await ave("audio", { pairs: 2, segment: { start: 6 } })).items[1]?.part).toEqual({ startSeconds: 8, durationSeconds: 2 });
  });

  it("take another frame of each part where that is asked for", async () => {
    const starts = async (frame: unknown) => (await ave("image", { pairs: 2, frame })).items.slice(0, 2).map(({ part }) => part?.startSeconds);
    expect(await starts("first")).toEqual([0, 5]);
    expect(await starts(1)).toEqual([1, 6]);
  });

  it("are one of each unless asked for: the whole sound and the middle frame", async () => {
    for (const options of [{}, { pairs: "one" }, { pairs: 1 }]) {
      expect((await ave("audio", options)).items.map(({ id, part }) => [id, part])).toEqual([["a1.mp4", undefined], ["b2.mp4", undefined], ["a1~2.mp4", undefined]]);
      expect((await ave("image", options)).items.every(({ part }) => part?.position === 0.5)).toBe(true);
    }
  });

  it("need frames of their own where there are only stills", async () => {
    const error = await failureOf(ave("image", { pairs: 2, root: "frames" }));
    expect(error).toMatchObject({ code: 3, reason: "STILL_IMAGE" });
    expect(error.message).toContain("{segment}");
    const stills = folderWith({ ...FILES, ...Object.fromEntries(["a1/01", "a1/02", "b2/01", "b2/02"].map((name) => [`stills/${name}.jpg`, "x"])) });
    const { contents, ids, items } = await read(stills, { type: "ave", path: "Annotations.txt", root: "stills", file: "{VideoID}/{segment:02}.jpg", pairs: 2 }, "image");
    expect(contents.slice(0, 4)).toEqual(["stills/a1/01.jpg", "stills/a1/02.jpg", "stills/b2/01.jpg", "stills/b2/02.jpg"]);
    expect(ids).toEqual(["a1#1.jpg", "a1#2.jpg", "b2#1.jpg", "b2#2.jpg", "a1~2#1.jpg", "a1~2#2.jpg"]);
    expect(items.every(({ part }) => part === undefined)).toBe(true);
  });

  it("make another collection", async () => {
    const [one, two, three] = [await ave("audio", {}), await ave("audio", { pairs: 2 }), await ave("audio", { pairs: 2, cut: true })];
    expect(new Set([one, two, three].map(({ source }) => JSON.stringify(source.identity))).size).toBe(3);
  });
});

describe("a plain list of ids", () => {
  it("names recordings, whatever follows a comma", async () => {
    const folder = folderWith({ "ids.txt": "10000130166,202\n_b-2\n", "wav/10000130166.wav": "x", "wav/_b-2.mp4": "x" });
    const { ids, items } = await read(folder, { type: "clips", path: "ids.txt", root: "wav" }, "audio");
    expect(ids).toEqual(["10000130166.wav", "_b-2.mp4"]);
    expect(items.map(({ attributes }) => attributes)).toEqual([{ media: "10000130166" }, { media: "_b-2" }]);
    const pairs = await read(folder, { type: "clips", path: "ids.txt", root: "wav", pairs: 2, segment: { seconds: 20 } }, "audio");
    expect(pairs.items.map(({ id, part }) => [id, part?.startSeconds])).toEqual([["10000130166#1.wav", 0], ["10000130166#2.wav", 10], ["_b-2#1.mp4", 0], ["_b-2#2.mp4", 10]]);
  });
});

describe("in an experiment file", () => {
  const refusal = (source: string, modality = "audio"): string => {
    try {
      parseExperiment(MINIMAL.replace("  left:", `  extra: { modality: ${modality}, source: ${source} }\n  left:`), "s.yaml", { folder: "/study" });
    } catch (error) {
      if (error instanceof CmcrError) return error.details.join("\n");
      throw error;
    }
    return "";
  };

  it.each([
    ["{ type: clips, path: a.txt, pairs: 3 }", "source.segment: expected segment: { seconds: N }"],
    ["{ type: flickr-soundnet, path: a.csv, pairs: 3 }", "source.segment: expected segment: { seconds: N }"],
    ["{ type: ave, path: a.txt, pairs: 3, cut: true, segment: { seconds: 3 } }", "no segment beside cut and pairs"],
    ["{ type: ave, path: a.txt, pairs: 3, segment: { start: 10 } }", "expected a start below 10"],
    ["{ type: ave, path: a.txt, pairs: 0 }", "expected one, or how many of each recording"],
    ["{ type: ave, path: a.txt, pairs: two }", "expected one, or how many of each recording"],
    ["{ type: music-solo, path: a.json, around: 3, segment: { seconds: 1 } }", "expected around alone"],
    ["{ type: extended, path: a.csv, positives: { type: vgg-ss, path: v.json, pairs: 2 } }", "positives.pairs: expected one pair of each"],
    ["{ type: extended, path: a.csv, positives: { type: music-solo, path: v.json } }", "positives.type"],
    ["{ type: extended, path: a.csv }", "positives"],
  ])("%s is refused", (source, message) => {
    expect(refusal(source)).toContain(message);
  });

  it.each([
    ["{ type: prompts, labels: [a], templates: [a cloud] }", "templates.0: expected a template with {} where the label goes"],
    ["{ type: prompts, labels: [], templates: ['{}'] }", "labels"],
    ["{ type: prompts, labels: l.csv, templates: ['{}'] }", "labels"],
  ])("%s is refused", (source, message) => {
    expect(refusal(source, "text")).toContain(message);
  });

  it("the folder of unpacked clouds needs their format", () => {
    expect(refusal("{ type: modelnet40, root: m, clouds: c }", "pointcloud")).toContain("expected format: unpacked beside clouds");
    expect(refusal("{ type: modelnet40, root: m, format: unpacked, clouds: c }", "pointcloud")).toBe("");
  });
});
