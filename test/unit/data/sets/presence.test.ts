import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, it } from "vitest";

import { SetCopy } from "../../../../src/data/sets/copy.js";
import { Presence } from "../../../../src/data/sets/presence.js";
import { temporaryFolder } from "../../../helpers/temporaryFolder.js";

function presence(...files: readonly string[]): Presence {
  const root = temporaryFolder();
  mkdirSync(join(root, "audio"));
  for (const file of files) writeFileSync(join(root, file), "x");
  return new Presence(new SetCopy(root, { report: () => undefined }));
}

it("finds a file by its name", async () => {
  const files = presence("audio/a.wav");
  expect((await files.find("audio/a.wav", "audio"))?.path).toBe("audio/a.wav");
  expect(await files.find("audio/b.wav", "audio")).toBeNull();
});

it("finds the first of a kind's endings, as sources do, and no file that only begins alike", async () => {
  const files = presence("audio/a.mp3", "audio/a.wav", "audio/b.flac", "audio/c.txt", "audio/cc.wav");
  expect((await files.find("audio/a.*", "audio"))?.path).toBe("audio/a.wav");
  expect((await files.find("audio/b.*", "audio"))?.path).toBe("audio/b.flac");
  expect(await files.find("audio/c.*", "audio")).toBeNull();
  expect(await files.find("nowhere/c.*", "audio")).toBeNull();
});
