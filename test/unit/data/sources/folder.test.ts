import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { InterruptedError } from "../../../../src/bridge/errors.js";
import type { Modality } from "../../../../src/config/compiled.js";
import { failureOf } from "../../../helpers/failures.js";
import { folderWith, open, read } from "./reading.js";

const files = (...names: readonly string[]) => folderWith(Object.fromEntries(names.map((name) => [name, `content of ${name}`])));
const folder = (path: string, modality: Modality = "image", options = {}) => read(path, { type: "folder", path: ".", ...options }, modality);

describe("a folder", () => {
  it("has the files of the modality's kinds, in the order of their relative paths", async () => {
    const path = files("b.png", "a/z.JPG", "a.png", "a-b/1.png", "B.jpeg", "a/10.webp", "a/9.webp", "ä.gif", "notes.txt", "sound.wav", "png", "c.png.bak");
    const { ids, contents, source } = await folder(path);
    const names = ["B.jpeg", "a-b/1.png", "a.png", "a/10.webp", "a/9.webp", "a/z.JPG", "b.png", "ä.gif"];
    expect(ids).toEqual(names);
    expect([...names].sort()).toEqual(names);
    expect(contents).toEqual(names);
    expect(source.roots).toEqual([path]);
    expect((await folder(path, "audio")).ids).toEqual(["sound.wav"]);
  });

  it("sorts a folder among files as its whole paths are sorted, whatever comes before the slash", async () => {
    const names = ["a!/x.png", "a.png", "a/x.png", "a0.png", "a b/x.png", "a+/y.png"];
    expect((await folder(files(...names))).ids).toEqual([...names].sort());
  });

  it("passes over hidden files and folders, and folders that are named like files", async () => {
    expect((await folder(files("a.png", "b.png/readme.txt", ".hidden.png", ".thumbnails/a.png", "sub/.DS_Store.png"))).ids).toEqual(["a.png"]);
  });

  it("passes over links and says so, wherever they lead", async () => {
    const path = files("a.png");
    const outside = files("secret.png");
    symlinkSync(join(outside, "secret.png"), join(path, "leak.png"));
    symlinkSync(outside, join(path, "leaks"));
    symlinkSync("a.png", join(path, "twin.png"));
    symlinkSync(".", join(path, "endless"));
    const { ids, oddities } = await folder(path);
    expect(ids).toEqual(["a.png"]);
    expect(oddities.map(({ reason, place }) => `${reason} ${place}`).sort()).toEqual(["LINK endless", "LINK leak.png", "LINK leaks", "LINK twin.png"]);
  });

  it("may be reached by a link; its items then lie where the link leads", async () => {
    const path = files("a.png");
    const place = files("x");
    symlinkSync(path, join(place, "link"));
    const { items } = await read(place, { type: "folder", path: "link" }, "image");
    expect(items[0]?.content).toEqual({ kind: "file", path: join(path, "a.png") });
  });

  it("has point clouds of every kind, and videos", async () => {
    const path = files("a.npy", "b.npz", "c.ply", "d.off", "e.obj", "f.txt", "g.png", "h.mp4");
    expect((await folder(path, "pointcloud")).ids).toEqual(["a.npy", "b.npz", "c.ply", "d.off", "e.obj", "f.txt"]);
    expect((await folder(path, "video")).ids).toEqual(["h.mp4"]);
  });

  it("has videos as images and sounds only where it is said which part of them", async () => {
    const path = files("a.png", "b.mp4", "c.wav", "d.MKV");
    expect((await folder(path)).ids).toEqual(["a.png"]);
    expect((await folder(path, "audio")).ids).toEqual(["c.wav"]);
    const parts = async (modality: Modality, options: object) => (await folder(path, modality, options)).items.map(({ id, part }) => [id, part]);
    expect(await parts("image", { frame: "middle" })).toEqual([["a.png", undefined], ["b.mp4", { position: 0.5 }], ["d.MKV", { position: 0.5 }]]);
    expect(await parts("image", { frame: "first" })).toContainEqual(["b.mp4", { position: 0 }]);
    expect(await parts("image", { frame: 2.5 })).toContainEqual(["b.mp4", { startSeconds: 2.5 }]);
    expect(await parts("audio", { segment: { start: 1, seconds: 3 } })).toEqual([
      ["b.mp4", { startSeconds: 1, durationSeconds: 3 }],
      ["c.wav", { startSeconds: 1, durationSeconds: 3 }],
      ["d.MKV", { startSeconds: 1, durationSeconds: 3 }],
    ]);
    expect(await parts("audio", { segment: {} })).toContainEqual(["b.mp4", { startSeconds: 0 }]);
  });

  it("has another fingerprint when a file comes, goes or is renamed, and none when one is written to", async () => {
    const path = files("a.png", "sub/b.png");
    const source = await open(path, { type: "folder", path: "." }, "image");
    const before = await source.fingerprint();
    writeFileSync(join(path, "sub/b.png"), "other content");
    expect(await source.fingerprint()).toBe(before);
    const changes = [() => { writeFileSync(join(path, "sub/c.png"), ""); }, () => { rmSync(join(path, "sub/c.png")); }, () => { mkdirSync(join(path, "sub/deep")); }];
    const seen = [before];
    for (const [index, change] of changes.entries()) {
      change();
      // Two changes within the clock's tick would have one time.
      utimesSync(join(path, "sub"), 1000 + index, 1000 + index);
      seen.push(await source.fingerprint());
    }
    expect(new Set(seen).size).toBe(4);
  });

  it("is the same items wherever it lies", async () => {
    const [one, other] = [files("a.png"), files("a.png")];
    expect((await folder(one)).source.identity).toEqual((await folder(other)).source.identity);
    expect(JSON.stringify((await folder(one)).source.identity)).not.toContain(one);
  });

  it("without such files, missing, or of a modality that it cannot hold is exit 3", async () => {
    const path = files("a.txt");
    expect(await failureOf(folder(path))).toMatchObject({ code: 3, reason: "NO_ITEMS" });
    expect(await failureOf(folder(join(path, "none")))).toMatchObject({ code: 3, reason: "DATA_MISSING" });
    expect(await failureOf(folder(join(path, "a.txt")))).toMatchObject({ code: 3, reason: "UNREADABLE" });
    expect(await failureOf(folder(path, "text"))).toMatchObject({ code: 3, reason: "WRONG_MODALITY", path: "data.items.source" });
  });

  it("can be interrupted while it is looked through", async () => {
    const signal = AbortSignal.abort(new InterruptedError());
    expect((await failureOf(read(files("a.png"), { type: "folder", path: "." }, "image", signal))).code).toBe(130);
  });
});

describe("a pattern", () => {
  const names = ["a/left_1.jpg", "a/right_1.jpg", "b/c/left_2.png", "left_3.jpg", "b/left_4.wav", "b/left_5.JPG"];
  const glob = async (pattern: string, modality: Modality = "image") => (await read(files(...names), { type: "glob", path: pattern }, modality)).ids;

  it("takes the files that match it, in the order of their paths", async () => {
    expect(await glob("**/left_*.{jpg,png}")).toEqual(["a/left_1.jpg", "b/c/left_2.png", "left_3.jpg"]);
    expect(await glob("*/left_*")).toEqual(["a/left_1.jpg", "b/left_5.JPG"]);
    expect(await glob("*/left_*", "audio")).toEqual(["b/left_4.wav"]);
    expect(await glob("left_[0-9].jpg")).toEqual(["left_3.jpg"]);
  });

  it("begins at its first part with a wildcard: ids and root are counted from there", async () => {
    const path = files(...names);
    const { ids, source } = await read(path, { type: "glob", path: "b/**/*.png" }, "image");
    expect([ids, source.roots]).toEqual([["c/left_2.png"], [join(path, "b")]]);
  });

  it("takes the experiment's own folder as it is, whatever characters it has", async () => {
    const path = join(files("odd [1] {x,y}/in/a.png"), "odd [1] {x,y}");
    expect((await read(path, { type: "glob", path: "in/*.png" }, "image")).ids).toEqual(["a.png"]);
  });

  it("that nothing matches is exit 3", async () => {
    expect(await failureOf(glob("*.webp"))).toMatchObject({ code: 3, reason: "NO_ITEMS" });
  });
});

describe("a folder of classes", () => {
  it("gives each file the first folder's name, and reports files beside the folders", async () => {
    const path = files("n01/a.png", "n01/deep/b.png", "n02/c.png", "cover.png", "n03/readme.md");
    const { items, oddities } = await read(path, { type: "class-folder", path: "." }, "image");
    expect(items.map(({ id, attributes }) => [id, attributes])).toEqual([
      ["n01/a.png", { class: "n01" }],
      ["n01/deep/b.png", { class: "n01" }],
      ["n02/c.png", { class: "n02" }],
    ]);
    expect(oddities).toEqual([{ reason: "NO_CLASS", place: "cover.png", message: expect.stringContaining("cover.png") as string }]);
  });
});
