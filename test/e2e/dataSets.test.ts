import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, describe, expect, it } from "vitest";

import { cmcr, expectRefusal, jsonLines, start, succeed, Workplace } from "./support/cli.js";
import { isRunning, within } from "./support/processes.js";
import { type SmallCopyName, writeModelNet40Cache, writeModelNet40Coloured, writeSmallCopies, writeSmallCopy } from "./support/smallCopies.js";
import { StandInFfmpeg } from "./support/standInFfmpeg.js";

const place = new Workplace();
const { env } = place;
/** A command that is killed while the machine is busy says nothing. */
const LIMIT_MS = 180_000;
let number = 0;

afterAll(() => {
  place.remove();
});

/** A small copy in a folder of its own. */
function copyOf(name: SmallCopyName, media = true): { readonly root: string; readonly files: readonly string[] } {
  number += 1;
  const root = place.file(`copy${number}`, name);
  return { root, files: writeSmallCopy(name, root, { media }).files };
}

/** The annotations of a small copy with videos of these contents, by the names that the writer gives the others. */
function withVideos(name: SmallCopyName, contents: readonly string[], ids: (file: string) => string = (file) => file): { readonly root: string; readonly names: readonly string[] } {
  const { files } = copyOf(name);
  const { root } = copyOf(name, false);
  const folder = name === "music-solo" ? "audio/" : "frames/";
  const names = files.filter((file) => file.startsWith(folder)).map((file) => ids(file.slice(folder.length, -4))).slice(0, contents.length);
  place.folder(join(`copy${number}`, name, "videos"));
  for (const [index, video] of names.entries()) writeFileSync(join(root, "videos", `${video}.mp4`), contents[index] ?? "");
  return { root, names };
}

const partials = (root: string): readonly string[] => ["frames", "audio"].flatMap((folder) => (existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : [])).filter((file) => file.startsWith("."));
const ffmpeg = (name: string): StandInFfmpeg => new StandInFfmpeg(place.file(name));
const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1) ?? "";

describe("data list", () => {
  it("names each data set, what for, how large and under which licence", async () => {
    const { stdout } = await succeed(["data", "list"], { env });
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(15);
    expect(lines[0]).toMatch(/^name +for +size +licence$/);
    expect(stdout).toMatch(/^imagenet +memory +1,281,167 \+ 50,000 images/m);
  });

  it("says what of each lies in a folder", async () => {
    const parent = place.folder("lists");
    writeSmallCopies(parent, { items: 4 });
    rmSync(join(parent, "vgg-ss", "audio"), { recursive: true });
    rmSync(join(parent, "coco"), { recursive: true });
    const { stdout } = await succeed(["data", "list", "--root", parent], { env });
    expect(stdout).toMatch(/^ave .* all parts /m);
    expect(stdout).toMatch(/^vgg-ss .* lacks audio\/ /m);
    expect(stdout).toMatch(/^coco .* nothing /m);
    const json = jsonLines((await succeed(["data", "list", "vgg-ss", "--root", join(parent, "vgg-ss"), "--json"], { env })).stdout);
    expect(json).toMatchObject([{ event: "listed", sets: [{ name: "vgg-ss", counts: [{ name: "items", published: 5158 }, {}, {}], found: { there: ["vggss.json", "vggss_test.csv", "frames/"], lacking: ["audio/"] } }] }]);
  });

  it("tells all of one, with its layout as a tree", async () => {
    const { stdout } = await succeed(["data", "list", "MUSIC-Solo"], { env });
    expect(stdout).toContain("├── music_solo.json");
    expect(stdout).toContain("2,124 items");
    expect(stdout.replace(/\s+/g, " ")).toContain("1,647 of 2,124 are degenerate");
    expect(stdout).toContain("https://github.com/stoneMo/AVGN");
    expect(lastLine(stdout)).toBe("next: cmcr data prepare music-solo --root DIR");
  });

  it.each([
    ["an unknown name", ["data", "list", "vggs"], 2, 'there is no data set "vggs"'],
    ["a folder that is not there", ["data", "list", "--root", "nowhere"], 3, "nowhere is not there"],
  ] as const)("refuses %s", async (_, args, code, said) => {
    expectRefusal(await cmcr(args, { env }), code, said);
  });
});

describe("data prepare", () => {
  it("makes the folders and says what to load and where to put it; the last line says what is missing", async () => {
    const root = place.file("new", "vgg-ss");
    const { stdout } = await succeed(["data", "prepare", "vgg-ss", "--root", root], { env });
    expect(readdirSync(root).sort()).toEqual(["audio", "frames", "videos"]);
    expect(stdout).toContain(`${root}/vggss.json`);
    expect(stdout).toContain("https://github.com/hche11/Localizing-Visual-Sounds-the-Hard-Way");
    expect(stdout).toContain("licence:");
    expect(lastLine(stdout)).toBe(`still missing: vggss.json, frames/, audio/; next: load vggss.json, then cmcr data prepare vgg-ss --root ${root}`);
  });

  it("cuts what is missing from the videos that are there, and changes nothing that is there", async () => {
    const tool = ffmpeg("cuts");
    const { root, names } = withVideos("vgg-ss", ["", "", "silent"]);
    const [first = "", second = "", third = ""] = names;
    place.folder(join(`copy${number}`, "vgg-ss", "frames"));
    writeFileSync(join(root, "frames", `${first}.jpg`), "mine");
    const outcome = await cmcr(["data", "prepare", "vgg-ss", "--root", root, "--processes", "1"], { env: { ...env, ...tool.env } });
    expectRefusal(outcome, 3, `audio/${third}.wav was not made`, "it has no sound track.", "1 file could not be cut");
    expect(readFileSync(join(root, "frames", `${first}.jpg`), "utf8")).toBe("mine");
    expect(readdirSync(join(root, "frames")).sort()).toEqual([first, second, third].map((id) => `${id}.jpg`).sort());
    expect(readdirSync(join(root, "audio")).sort()).toEqual([first, second].map((id) => `${id}.wav`).sort());
    expect(partials(root)).toEqual([]);
    // The frame that the boxes were drawn on; the sound of all of the clip, in one channel of 16 bits.
    expect(tool.asked[0]?.args.join(" ")).toContain("-map 0:a:0 -ac 1 -c:a pcm_s16le -f wav");
    expect(tool.asked[1]?.args.join(" ")).toContain("-ss 5.000 -i");
    expect(readFileSync(join(root, "pairs.csv"), "utf8").split("\n")[0]).toBe("id,image,audio,class");
    expect(outcome.stdout).toContain("pairs.csv: 2 items with both files");
    expect(outcome.stdout).toContain("frames/ has 3 of 12 files");
    expect(lastLine(outcome.stdout)).toBe(
      `still missing: 9 files of frames/, 10 files of audio/; next: put the other clips into videos/, and load the videos again of what could not be cut (audio/${third}.wav), or leave it out, then cmcr data prepare vgg-ss --root ${root}`,
    );
    const before = tool.asked.length;
    await cmcr(["data", "prepare", "vgg-ss", "--root", root], { env: { ...env, ...tool.env } });
    // Only the one that could not be made is tried again.
    expect(tool.asked.slice(before).map(({ args }) => args.at(-1))).toEqual([join(root, "audio", `.${third}.wav.partial`)]);
  }, LIMIT_MS);

  it("takes frames in the middle, where it is told, or by their number, as each data set needs it", async () => {
    const tool = ffmpeg("frames");
    const ave = withVideos("ave", [""]);
    await succeed(["data", "prepare", "ave", "--root", ave.root], { env: { ...env, ...tool.env } });
    expect(tool.asked.map(({ args }) => args.join(" ")).filter((args) => args.includes("-ss 5.020 -i") && args.includes("mjpeg"))).toHaveLength(1);
    expect(readFileSync(join(ave.root, "pairs.csv"), "utf8")).toContain("id,image,audio,category,split\n");
    const flickr = withVideos("flickr-soundnet", [""]);
    await succeed(["data", "prepare", "flickr-soundnet", "--root", flickr.root, "--frame", "2.5", "--seconds", "3-6"], { env: { ...env, ...tool.env } });
    const last = tool.asked.slice(-2).map(({ args }) => args.join(" ")).sort();
    expect(last[0]).toContain("-ss 2.500 -i");
    expect(last[1]).toContain("-ss 3 -t 3 -i");
    const music = withVideos("music-solo", [""]);
    await succeed(["data", "prepare", "music-solo", "--root", music.root], { env: { ...env, ...tool.env } });
    expect(tool.asked.map(({ args }) => args.join(" ")).filter((args) => args.includes("select=eq(n\\,90)"))).toHaveLength(1);
  }, LIMIT_MS);

  it("ends at Ctrl-C with what was finished, and goes on from there", async () => {
    const tool = ffmpeg("slow");
    const { root, names } = withVideos("vgg-ss", ["", "", "", "slow", ""]);
    const command = start(["data", "prepare", "vgg-ss", "--root", root, "--processes", "1"], { env: { ...env, ...tool.env }, limitMs: LIMIT_MS });
    const slow = (): boolean => tool.asked.some(({ args }) => args.at(-1)?.includes(names[3] ?? "") === true);
    expect(await within(LIMIT_MS, slow)).toBe(true);
    command.kill("SIGINT");
    const { exitCode, stderr } = await command;
    expect([exitCode, lastLine(stderr)]).toEqual([130, "interrupted: what was made is kept; give the same command again to go on"]);
    expect(readdirSync(join(root, "frames")).sort()).toEqual(names.slice(0, 3).map((id) => `${id}.jpg`).sort());
    expect(partials(root)).toEqual([]);
    expect(await within(10_000, () => !isRunning(tool.asked.at(-1)?.pid ?? 0))).toBe(true);
    writeFileSync(join(root, "videos", `${names[3] ?? ""}.mp4`), "");
    const { stdout } = await succeed(["data", "prepare", "vgg-ss", "--root", root], { env: { ...env, ...tool.env } });
    expect(stdout).toContain("cut from videos/: 4 files");
  }, LIMIT_MS);

  it("says how to get ffmpeg where there is none, and needs none where there is nothing to cut", async () => {
    const none = { ...env, PATH: place.folder("empty") };
    expectRefusal(await cmcr(["data", "prepare", "vgg-ss", "--root", withVideos("vgg-ss", [""]).root], { env: none }), 3, "2 files could be cut from videos/, and there is no ffmpeg", "apt install ffmpeg");
    const { stdout } = await succeed(["data", "prepare", "vgg-ss", "--root", copyOf("vgg-ss").root], { env: none });
    expect(lastLine(stdout)).toMatch(/^nothing is missing; next: cmcr data verify vgg-ss --root /);
  });

  it("leaves a pairs.csv of another state as it is, and says so", async () => {
    const { root } = copyOf("vgg-ss");
    await succeed(["data", "prepare", "vgg-ss", "--root", root], { env });
    const before = readFileSync(join(root, "pairs.csv"), "utf8");
    expect(before.split("\n")).toHaveLength(14);
    rmSync(join(root, readdirSync(join(root, "audio")).map((name) => `audio/${name}`)[0] ?? ""));
    expect((await succeed(["data", "prepare", "vgg-ss", "--root", root], { env })).stdout).toContain("pairs.csv is there and says something else; remove it to have one of 11 items");
    expect(readFileSync(join(root, "pairs.csv"), "utf8")).toBe(before);
  });

  it("unpacks ModelNet40's cache with the worker, to what verify and experiments read", async () => {
    const root = place.file("cached", "modelnet40");
    await writeModelNet40Cache(root, { items: 5 });
    const { stdout } = await succeed(["data", "prepare", "modelnet40", "--root", root], { env, limitMs: LIMIT_MS });
    expect(stdout).toContain("unpacked: 5 clouds of modelnet40_test_64pts_fps.dat to clouds/");
    expect(readdirSync(join(root, "clouds"))).toEqual(["000000.npy", "000001.npy", "000002.npy", "000003.npy", "000004.npy", "classes.txt"]);
    expect((await succeed(["data", "verify", "modelnet40", "--root", root], { env })).stdout).toContain("nothing is wrong with this subset");
    expect((await succeed(["data", "prepare", "modelnet40", "--root", root], { env })).stdout).not.toContain("unpacked");
    expectRefusal(await cmcr(["data", "prepare", "modelnet40", "--root", root, "--from", "modelnet40_test_64pts_fps.dat"], { env }), 2, "clouds is there already");
  }, LIMIT_MS);

  it("unpacks ULIP-2's file of clouds with the classes of its own list, and asks which where there are two", async () => {
    const root = place.file("coloured", "modelnet40");
    await writeModelNet40Coloured(root, { items: 5 });
    writeFileSync(join(root, "modelnet40_test_1024pts_fps.dat"), "x");
    expectRefusal(await cmcr(["data", "prepare", "modelnet40", "--root", root], { env }), 2, "--from: there are modelnet40_test_1024pts_fps.dat and modelnet40_colored_10k_pc.npy");
    expectRefusal(await cmcr(["data", "prepare", "modelnet40", "--root", root, "--from", "../x.dat"], { env }), 2, "--from: ../x.dat is no file below");
    await succeed(["data", "prepare", "modelnet40", "--root", root, "--from", "modelnet40_colored_10k_pc.npy"], { env, limitMs: LIMIT_MS });
    expect(readFileSync(join(root, "clouds", "classes.txt"), "utf8")).toBe("bookshelf\nbench\nbed\nbathtub\nairplane\n");
    expect((await succeed(["data", "verify", "modelnet40", "--root", root], { env })).stdout).toContain("nothing is wrong with this subset");
  }, LIMIT_MS);

  it.each([
    ["an unknown name", ["vggsss"], 2, 'Did you mean "vgg-ss"?'],
    ["a moment that is none", ["vgg-ss", "--frame", "soon"], 2, "--frame: expected middle, first or a moment in seconds"],
    ["seconds that end before they begin", ["vgg-ss", "--seconds", "5-2"], 2, "--seconds: expected all, a length such as 10"],
    ["no process", ["vgg-ss", "--processes", "0"], 2, "--processes: expected a whole number from 1 on"],
    ["an option that means nothing to the data set", ["coco", "--frame", "first"], 2, "--frame: nothing is cut from videos for coco"],
    ["a file to unpack where nothing is unpacked", ["vgg-ss", "--from", "x.dat"], 2, "--from: nothing is unpacked for vgg-ss"],
  ] as const)("refuses %s", async (_, args, code, said) => {
    expectRefusal(await cmcr(["data", "prepare", ...args, "--root", place.file("refused")], { env }), code, said);
    expect(existsSync(place.file("refused"))).toBe(false);
  });

  it("refuses a file in the folder's place", async () => {
    writeFileSync(place.file("plain"), "x");
    expectRefusal(await cmcr(["data", "prepare", "vgg-ss", "--root", place.file("plain")], { env }), 3, "is a file; --root is the folder of the copy");
  });
});

describe("data verify", () => {
  function damaged(): { readonly root: string; readonly gone: string; readonly cut: string } {
    const { root, files } = copyOf("vgg-ss");
    const [gone = "", cut = ""] = files.filter((file) => file.startsWith("frames/"));
    rmSync(join(root, gone));
    truncateSync(join(root, cut), 200);
    const boxes = join(root, "vggss.json");
    writeFileSync(boxes, readFileSync(boxes, "utf8").replace("[0.1,", '["0.1",'));
    return { root, gone, cut };
  }

  it("ends with 0 where nothing is wrong, and tells a subset", async () => {
    const { stdout, stderr } = await succeed(["data", "verify", "vgg-ss", "--root", copyOf("vgg-ss").root], { env });
    expect(stdout).toContain("12 items: a subset of 12 of 5,158");
    expect(lastLine(stdout)).toMatch(/^vgg-ss: nothing is wrong with this subset, 2 known oddities .*; 26 files in/);
    expect(stderr).toBe("");
  });

  it("names one file missing, one cut off and one annotation broken, with what to do, and ends with 3", async () => {
    const { root, gone, cut } = damaged();
    const outcome = await cmcr(["data", "verify", "vgg-ss", "--root", root], { env });
    expectRefusal(outcome, 3, "3 things are wrong");
    expect(outcome.stderr).not.toContain("--report");
    expect(outcome.stdout).toContain(`MISSING  ${gone}: is not there; vggss.json, item 0 names it\n    Load it, or cut it from the video`);
    expect(outcome.stdout).toContain(`TRUNCATED  ${cut}: is a JPEG without its end (200 bytes)\n    Load or make it again.`);
    expect(outcome.stdout).toMatch(/BAD_BOX {2}vggss.json, item 0: .*box 0 is not a list of four numbers: \["0.1",0.2,/);
  });

  it("gives every finding as JSON, and in a file", async () => {
    const { root, gone } = damaged();
    const report = place.file("report.jsonl");
    const outcome = await cmcr(["data", "verify", "vgg-ss", "--root", root, "--json", "--report", report], { env });
    const lines = jsonLines(outcome.stdout);
    expect(lines.map(({ event }) => event)).toEqual(["finding", "finding", "finding", "finding", "finding", "verified", "error"]);
    expect(lines.filter(({ severity }) => severity === "fault").map(({ reason }) => reason).sort()).toEqual(["BAD_BOX", "MISSING", "TRUNCATED"]);
    expect(lines.at(-2)).toMatchObject({ event: "verified", whole: false, subset: true });
    expect(lines.at(-1)).toMatchObject({ code: 3, reason: "SET_NOT_WHOLE" });
    expect(outcome.exitCode).toBe(3);
    const written = jsonLines(readFileSync(report, "utf8"));
    expect(written).toEqual(lines.slice(0, -1));
    expect(written).toContainEqual(expect.objectContaining({ reason: "MISSING", file: gone }));
    expectRefusal(await cmcr(["data", "verify", "vgg-ss", "--root", root, "--report", report], { env }), 2, "--report", "is there already");
  });

  it("shows the first twenty of many, and how many more there are", async () => {
    const { root, files } = copyOf("vgg-ss");
    for (const folder of ["frames/", "audio/"]) for (const file of files.filter((path) => path.startsWith(folder)).slice(1)) rmSync(join(root, file));
    const { stdout, stderr, exitCode } = await cmcr(["data", "verify", "vgg-ss", "--root", root], { env });
    expect(stdout.match(/^MISSING/gm)).toHaveLength(20);
    expect(stderr).toContain("All of them: --report FILE.");
    expect(stdout).toContain("… and 2 more wrong: --report FILE or --json has them all");
    expect(exitCode).toBe(3);
    expect((await succeed(["data", "verify", "vgg-ss", "--root", root, "--subset"], { env })).stdout).toContain("frames/: 1 of 12 files is there");
  });

  it.each([
    ["an unknown name", ["imagenett", "--root", "."], 2, 'Did you mean "imagenet"?'],
    ["no name", ["--root", "."], 2, "NAME is missing: cmcr data list has the names. See: cmcr data verify --help"],
    ["no folder", ["imagenet"], 2, "root"],
    ["a folder that is not there", ["imagenet", "--root", "nowhere"], 3, "Make it, with what it needs: cmcr data prepare imagenet --root nowhere"],
    ["a folder with nothing of it", ["imagenet", "--root", "docs"], 3, "has nothing of imagenet"],
  ] as const)("refuses %s", async (_, args, code, said) => {
    expectRefusal(await cmcr(["data", "verify", ...args], { env }), code, said);
  });

  it("ends at Ctrl-C with 130, and keeps the report of what was found", async () => {
    const { root } = copyOf("audioset");
    const rows = Array.from({ length: 400_000 }, (_, row) => `${row.toString(36).padStart(11, "A")}, 0.000, 10.000, "/m/09x0r"`);
    writeFileSync(join(root, "unbalanced_train_segments.csv"), `bad,0,10,"/m/09x0r"\n${rows.join("\n")}\n`);
    const report = place.file("interrupted.jsonl");
    const command = start(["data", "verify", "audioset", "--root", root, "--report", report], { env, limitMs: LIMIT_MS });
    expect(await within(LIMIT_MS, () => existsSync(report) && readFileSync(report, "utf8").includes("BAD_ID"))).toBe(true);
    command.kill("SIGINT");
    const { exitCode, stdout, stderr } = await command;
    expect([exitCode, lastLine(stderr)]).toEqual([130, "interrupted"]);
    expect(stdout).toContain("BAD_ID  unbalanced_train_segments.csv:1");
  }, LIMIT_MS);
});
