import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { FileKind } from "../../../../src/data/sets/definition.js";
import { checkFile } from "../../../../src/data/sets/files/check.js";
import { encodeNpyHeader } from "../../../../src/data/npyHeader.js";
import { png } from "../../../e2e/support/media.js";
import { jpeg, monoWav } from "../../../e2e/support/smallCopiesFiles.js";
import { temporaryFolder } from "../../../helpers/temporaryFolder.js";

async function check(content: Buffer | string, kind: FileKind, name = "file"): Promise<string> {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  const { problem, points } = await checkFile(path, kind);
  return problem === null ? (points === undefined ? "whole" : `${points} points`) : `${problem.reason}: ${problem.message}`;
}

const picture = jpeg(4, 4, (x, y) => [x * 60, y * 60, 100]);
const photo = png(40, (x, y) => [(x * 37) % 256, (y * 91) % 256, (x * y) % 256]);
const sound = monoWav(1, 8000, (time) => Math.sin(1000 * time));
const zeros = Buffer.alloc(8192);

function riff(kind: string, length: number, there: number): Buffer {
  const head = Buffer.alloc(12);
  head.write("RIFF", 0, "latin1");
  head.writeUInt32LE(length, 4);
  head.write(kind, 8, "latin1");
  return Buffer.concat([head, Buffer.alloc(there)]);
}

function box(name: string, length: number, content = Buffer.alloc(Math.max(0, length - 8))): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(length, 0);
  head.write(name, 4, "latin1");
  return Buffer.concat([head, content]);
}

describe("an image", () => {
  it.each([
    ["a JPEG", picture, "whole"],
    ["a JPEG with bytes behind its end", Buffer.concat([picture, Buffer.alloc(300)]), "whole"],
    ["a JPEG cut in half", picture.subarray(0, picture.length >> 1), "TRUNCATED: is a JPEG without its end"],
    ["a JPEG whose rest is zeros, as of a broken download", Buffer.concat([picture.subarray(0, picture.length - 2), zeros]), "TRUNCATED: is a JPEG without its end"],
    ["a PNG under any name", photo, "whole"],
    ["a PNG without its last bytes", photo.subarray(0, photo.length - 5), "TRUNCATED: is a PNG without its end, IEND"],
    ["a WebP", riff("WEBP", 104, 100), "whole"],
    ["a WebP that lacks bytes", riff("WEBP", 500, 100), "TRUNCATED: is a WebP of 508 bytes by its header, and 112 are there"],
    ["an empty file", "", "EMPTY: is empty"],
    ["a page that says that the image is gone", "<!DOCTYPE html><html>", "NOT_AN_IMAGE: is no image that is read: it begins with a web page's <"],
  ])("%s", async (_, content, expected) => {
    expect(await check(content, "image")).toContain(expected);
  });
});

describe("a sound", () => {
  const unknown = Buffer.from(sound);
  unknown.writeUInt32LE(0xffffffff, 40);
  const long = Buffer.from(sound);
  long.writeUInt32LE(20_000, 40);
  const page = (flags: number) => Buffer.concat([Buffer.from("OggS\0", "latin1"), Buffer.from([flags]), Buffer.alloc(80)]);
  it.each([
    ["a WAV", sound, "whole"],
    ["a WAV of unknown length, as ffmpeg writes it into a pipe", unknown, "whole"],
    ["a WAV that lacks one byte", sound.subarray(0, sound.length - 1), "TRUNCATED: is a WAV whose header promises 16000 bytes of sound, and 15999 are there"],
    ["a WAV whose header promises more", long, "TRUNCATED: is a WAV whose header promises 20000 bytes of sound, and 16000 are there"],
    ["a WAV that ends in its header", sound.subarray(0, 30), "TRUNCATED: is a WAV that ends before its data"],
    ["a WAV without a sample", monoWav(0, 8000, () => 0), "EMPTY: is a WAV without a sample"],
    ["a FLAC", Buffer.from("fLaC0000"), "whole"],
    ["an MP3", Buffer.from([0xff, 0xfb, 0x90, 0x64]), "whole"],
    ["an Ogg with its last page", Buffer.concat([page(2), page(4)]), "whole"],
    ["an Ogg without it", Buffer.concat([page(2), page(0)]), "TRUNCATED: is an Ogg without its last page"],
    ["an M4A", Buffer.concat([box("ftyp", 16), box("moov", 40)]), "whole"],
    ["an M4A that is cut off", Buffer.concat([box("ftyp", 16), box("moov", 40), box("mdat", 400, Buffer.alloc(50))]), 'TRUNCATED: is an MP4 whose part "mdat" promises 400 bytes, and 58 are there'],
    ["anything else", "no sound", "NOT_A_SOUND: is no sound"],
  ])("%s", async (_, content, expected) => {
    expect(await check(content, "audio")).toContain(expected);
  });
});

describe("a video", () => {
  it.each([
    ["an MP4", Buffer.concat([box("ftyp", 16), box("mdat", 100), box("moov", 40)]), "whole"],
    ["an MP4 whose writing was broken off", Buffer.concat([box("ftyp", 16), box("mdat", 100)]), "TRUNCATED: is an MP4 without its index"],
    ["an MP4 with an impossible part", Buffer.concat([box("ftyp", 16), box("mdat", 3)]), "BAD_VIDEO: is a damaged MP4: its part at 16"],
    ["a WebM", Buffer.from([0x1a, 0x45, 0xdf, 0xa3, 0, 0]), "whole"],
    ["an AVI that lacks bytes", riff("AVI ", 900, 100), "TRUNCATED: is an AVI of 908 bytes"],
    ["a web page", "<html></html>", "NOT_A_VIDEO: is no video that is known: it begins with a web page's <"],
  ])("%s", async (_, content, expected) => {
    expect(await check(content, "video")).toContain(expected);
  });
});

describe("a cloud", () => {
  const npy = Buffer.concat([encodeNpyHeader("float32", [10, 6]), Buffer.alloc(240)]);
  const lines = (count: number) => Array.from({ length: count }, (_, at) => `${at}.5,-1.25,0.000001,0,0,1`).join("\n");
  it.each([
    ["a .npy", npy, "a.npy", "10 points"],
    ["a .npy that lacks a byte", npy.subarray(0, npy.length - 1), "a.npy", "TRUNCATED: the file is truncated"],
    ["a .npy of one row", Buffer.concat([encodeNpyHeader("float32", [30]), Buffer.alloc(120)]), "a.npy", "BAD_CLOUD: has the shape (30)"],
    ["a .npy without points", encodeNpyHeader("float32", [0, 3]), "a.npy", "EMPTY: has no points"],
    ["an empty .npy", "", "a.npy", "EMPTY: is empty"],
    ["text", `${lines(7)}\n`, "a.txt", "7 points"],
    ["text without a last line break", lines(7), "a.txt", "7 points"],
    ["text that is longer than a piece", `${lines(30_000)}\n`, "a.txt", "30000 points"],
    ["text that ends within a line", lines(7).slice(0, -8), "a.txt", "TRUNCATED: ends within line 7: 6 numbers are expected there"],
    ["text of anything else", "not a cloud\n", "a.txt", "BAD_CLOUD: its first line is not x,y,z"],
    ["empty text", "", "a.txt", "EMPTY: is empty"],
  ])("%s", async (_, content, name, expected) => {
    expect(await check(content, "cloud", name)).toContain(expected);
  });
});

it("a file that is not there cannot be read, and nothing is thrown", async () => {
  expect((await checkFile(join(temporaryFolder(), "none"), "image")).problem).toEqual({ reason: "UNREADABLE", message: "cannot be read (ENOENT)" });
});
