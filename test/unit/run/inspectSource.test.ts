import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { InterruptedError } from "../../../src/bridge/errors.js";
import { renderInspection, size } from "../../../src/report/inspection.js";
import { inspectSource } from "../../../src/run/inspectSource.js";
import { failureOf } from "../../helpers/failures.js";
import { folderWith } from "../data/sources/reading.js";
import { tar } from "../data/sources/tarBytes.js";

const inspect = (source: string, options: object = {}, signal = new AbortController().signal) => inspectSource({ source, limit: "5", ...options }, signal);

const EXPERIMENT = `version: 1
name: study
spaces: { a: { provider: precomputed }, b: { provider: precomputed } }
data:
  both: { modality: text, embeddings: { a: a.npy, b: b.npy } }
  photos: { modality: image, source: { type: class-folder, path: photos }, embeddings: { a: p.npy } }
  clips: { modality: audio, source: { type: vggsound, path: vggsound.csv, root: clips, missing: leave-out }, embeddings: { b: c.npy } }
  drawn: { modality: text, source: { type: builtin, generator: scenes, split: test }, embeddings: { a: d.npy } }
connect: { method: cmcr, overlap: both, sides: [{ space: a, memory: photos }, { space: b, memory: clips }] }
`;

const place = () =>
  folderWith({
    "study.yaml": EXPERIMENT,
    "photos/cat/a.png": "x".repeat(100),
    "photos/cat/b.jpg": "x".repeat(300),
    "photos/dog/c.png": "",
    "photos/odd.png": "y",
    "vggsound.csv": "one,30,dog barking,test\ntwo,5,cat purring,train\n",
    "clips/one_000030.wav": "sound",
    "captions.csv": "id,caption\n1,a dog\n2,\n3,a dog\n",
    "list.csv": "path\nphotos/cat/a.png\nnone.png\nphotos\nlist.csv\n",
    "a.tar": tar({ name: "1.jpg", content: "12345" }, { name: "1.txt", content: "a caption" }, { name: "2.txt", content: "b" }),
  });

describe("an inspection", () => {
  it("counts a folder's items, their bytes and endings, and shows the first few", async () => {
    const folder = place();
    const { count, bytes, endings, items, oddities, modality, type } = await inspect(join(folder, "photos"), { limit: "2" });
    expect({ type, modality, count, endings }).toEqual({ type: "folder", modality: "image", count: 4, endings: { ".png": 3, ".jpg": 1 } });
    expect(bytes).toMatchObject({ total: 401, least: 0, most: 300 });
    expect(items).toEqual([
      { id: "cat/a.png", file: join(folder, "photos/cat/a.png"), bytes: 100 },
      { id: "cat/b.jpg", file: join(folder, "photos/cat/b.jpg"), bytes: 300 },
    ]);
    expect(oddities).toEqual([{ reason: "EMPTY_FILE", count: 1, first: [{ place: "dog/c.png", message: "dog/c.png has no bytes" }] }]);
  });

  it("takes a collection of an experiment file, in either way of naming it", async () => {
    const folder = place();
    const named = await inspect(`${join(folder, "study.yaml")}#photos`);
    expect(named.attributes).toEqual([{ name: "class", values: 2, most: [{ value: "cat", count: 2 }, { value: "dog", count: 1 }] }]);
    expect(named.oddities.map(({ reason }) => reason).sort()).toEqual(["EMPTY_FILE", "NO_CLASS"]);
    const clips = await inspect(join(folder, "study.yaml"), { data: "clips" });
    expect([clips.type, clips.count]).toEqual(["vggsound", 1]);
    expect(clips.oddities).toMatchObject([{ reason: "MISSING_FILE", count: 1 }]);
  });

  it("says what is odd in texts: empty ones and the same ones", async () => {
    const { count, items, oddities } = await inspect(join(place(), "captions.csv"));
    expect(count).toBe(2);
    expect(items[0]).toEqual({ id: "0", text: "a dog", bytes: 5 });
    expect(oddities.map(({ reason, count: times }) => [reason, times])).toEqual([["EMPTY_CAPTION", 1], ["SAME_TEXT", 1]]);
  });

  it("says which files of a list are missing, no files, or of another kind; each once", async () => {
    const { count, oddities, items } = await inspect(join(place(), "list.csv"), { modality: "image" });
    expect(count).toBe(4);
    expect(items.map(({ bytes }) => bytes)).toEqual([100, null, null, 47]);
    expect(Object.fromEntries(oddities.map(({ reason, count: times }) => [reason, times]))).toEqual({ MISSING_FILE: 1, NOT_A_FILE: 1, UNKNOWN_ENDING: 2 });
  });

  it("measures members of a tar where they lie", async () => {
    const { items, bytes, modality } = await inspect(join(place(), "a.tar"));
    expect([modality, items[0]?.bytes, bytes?.total]).toEqual(["image", 5, 5]);
    expect((await inspect(join(place(), "a.tar"), { modality: "text" })).items.map(({ text }) => text)).toEqual(["a caption", "b"]);
  });

  it("takes a type by name, and its modality from it", async () => {
    const folder = place();
    const { count, modality } = await inspect(join(folder, "vggsound.csv"), { type: "vggsound" });
    expect([count, modality]).toEqual([2, "audio"]);
    expect((await inspect(join(folder, "captions.csv"), { type: "csv" })).count).toBe(2);
  });

  it("explains why there are no items", async () => {
    const folder = folderWith({ "t.csv": "caption\n\"\"\n \n" });
    const error = await failureOf(inspect(join(folder, "t.csv")));
    expect(error).toMatchObject({ code: 3, reason: "NO_ITEMS" });
    expect(error.details.join()).toContain("EMPTY_CAPTION");
  });

  it.each<[string, string, object, number, RegExp]>([
    ["an unknown modality", "photos", { modality: "smell" }, 2, /--modality: expected one of text, image/],
    ["an unknown type", "photos", { type: "floder" }, 2, /--type: expected one of/],
    ["a type that needs more", "vggsound.csv", { type: "csv" }, 2, /none of its columns .* has a usual name for texts/],
    ["a type of another layout", "captions.csv", { type: "inline" }, 2, /needs more than a path/],
    ["a modality that the type has not", "vggsound.csv", { type: "vggsound", modality: "text" }, 2, /delivers audio, video, image/],
    ["a limit that is none", "photos", { limit: "few" }, 2, /--limit/],
    ["a collection beside a path", "photos", { data: "photos" }, 2, /--data/],
    ["an experiment without a collection", "study.yaml", {}, 2, /--data: name the collection.*both, photos, clips, drawn/],
    ["an unknown collection", "study.yaml", { data: "photo" }, 2, /no collection "photo"\. Did you mean "photos"/],
    ["a modality beside an experiment", "study.yaml", { data: "photos", modality: "image" }, 2, /--modality: an experiment file says that itself/],
    ["given embeddings", "study.yaml", { data: "both" }, 2, /no source/],
    ["generated items", "study.yaml", { data: "drawn" }, 2, /generated/],
    ["nothing", "none", {}, 3, /not there/],
  ])("refuses %s", async (_, source, options, code, message) => {
    const error = await failureOf(inspect(join(place(), source), options));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  it("can be interrupted", async () => {
    expect((await failureOf(inspect(join(place(), "photos"), {}, AbortSignal.abort(new InterruptedError())))).code).toBe(130);
  });

  it("finds the median of many sizes to a twelfth, without keeping them", async () => {
    const folder = folderWith({});
    const sizes = Array.from({ length: 501 }, (_, index) => 10 + index * 7);
    for (const [index, bytes] of sizes.entries()) writeFileSync(join(folder, `${index}.png`), Buffer.alloc(bytes));
    const { bytes } = await inspect(folder);
    const median = 10 + 250 * 7;
    expect(Math.abs((bytes?.median ?? 0) / median - 1)).toBeLessThan(1 / 12);
    expect([bytes?.least, bytes?.most]).toEqual([10, 10 + 500 * 7]);
  });
});

describe("an inspection as text", () => {
  it("fits the width, and shows nothing that would move the cursor", async () => {
    const folder = folderWith({ "t.txt": "a \u001b[31mred\u001b[0m dog with a very long caption that goes on and on\nb\n" });
    const lines = renderInspection(await inspect(join(folder, "t.txt")), 60);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(lines.join("\n")).not.toContain("\u001b");
    expect(lines[0]).toBe("source  lines");
    expect(lines[1]).toBe("items   2 text");
  });

  it.each([[0, "0 B"], [999, "999 B"], [1000, "1.0 kB"], [99_949, "99.9 kB"], [123_456, "123 kB"], [999_600, "1.0 MB"], [2.5e12, "2.5 TB"]])("%d bytes are %s", (bytes, text) => {
    expect(size(bytes)).toBe(text);
  });
});
