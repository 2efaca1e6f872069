import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { UnpackedClouds } from "../../../src/bridge/types.js";
import type { Worker } from "../../../src/bridge/worker.js";
import { unpackClouds, type UnpackRequest } from "../../../src/run/unpackClouds.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

/** A worker that writes one cloud, and says this of the file. */
function workerThatSays(answer: UnpackedClouds, folders: string[] = []): Worker {
  const unpack = (request: { readonly folder: string }, onProgress: (done: number, total: number) => void): Promise<UnpackedClouds> => {
    folders.push(request.folder);
    mkdirSync(request.folder);
    writeFileSync(join(request.folder, "000000.npy"), "x");
    onProgress(1, 2);
    return Promise.resolve(answer);
  };
  return { encoders: { unpackClouds: unpack } } as unknown as Worker;
}

const CACHE: UnpackedClouds = { count: 2, labels: [1, 0], layout: "modelnet40 cache" };
const COLOURED: UnpackedClouds = { count: 2, labels: null, layout: "samples" };

describe("clouds of one file", () => {
  const request = (changes: Partial<UnpackRequest> = {}): UnpackRequest => ({ path: "/data/many.dat", folder: join(temporaryFolder(), "clouds"), classes: null, signal: undefined, onProgress: () => undefined, ...changes });

  it("get a folder that appears whole, with their classes by label or one by one", async () => {
    const folders: string[] = [];
    const byLabel = request({ classes: { ofLabels: ["airplane", "night_stand"] } });
    expect(await unpackClouds(workerThatSays(CACHE, folders), byLabel)).toEqual(CACHE);
    expect(readFileSync(join(byLabel.folder, "classes.txt"), "utf8")).toBe("night_stand\nairplane\n");
    expect(readdirSync(byLabel.folder)).toEqual(["000000.npy", "classes.txt"]);
    expect(folders[0]).not.toBe(byLabel.folder);
    const oneByOne = request({ classes: { ofClouds: ["sofa", "sofa"] } });
    await unpackClouds(workerThatSays(COLOURED), oneByOne);
    expect(readFileSync(join(oneByOne.folder, "classes.txt"), "utf8")).toBe("sofa\nsofa\n");
    const none = request();
    await unpackClouds(workerThatSays(COLOURED), none);
    expect(readdirSync(none.folder)).toEqual(["000000.npy"]);
  });

  it.each<[string, UnpackedClouds, UnpackRequest["classes"], object]>([
    ["a label without a class", CACHE, { ofLabels: ["airplane"] }, { code: 3, reason: "BAD_LABELS" }],
    ["another number of classes", COLOURED, { ofClouds: ["sofa"] }, { code: 3, reason: "SHAPE_MISMATCH" }],
    ["no labels where classes are those of labels", COLOURED, { ofLabels: ["sofa"] }, { code: 3, reason: "NO_LABELS" }],
  ])("are refused for %s, and nothing stays", async (_, answer, classes, expected) => {
    const asked = request({ classes });
    expect(await failureOf(unpackClouds(workerThatSays(answer), asked))).toMatchObject(expected);
    expect(readdirSync(join(asked.folder, ".."))).toEqual([]);
  });

  it("never go where something is already", async () => {
    const asked = request();
    mkdirSync(asked.folder);
    expect(await failureOf(unpackClouds(workerThatSays(CACHE), asked))).toMatchObject({ code: 2, reason: "EXISTS" });
    expect(readdirSync(asked.folder)).toEqual([]);
  });

  it("leave nothing when they are interrupted, and begin anew after a crash", async () => {
    const stopped = new Error("stop");
    const asked = request({ onProgress: () => { throw stopped; } });
    await expect(unpackClouds(workerThatSays(CACHE), asked)).rejects.toBe(stopped);
    expect(readdirSync(join(asked.folder, ".."))).toEqual([]);
    mkdirSync(join(asked.folder, "..", ".clouds.partial"));
    await unpackClouds(workerThatSays(CACHE), { ...asked, onProgress: () => undefined });
    expect(existsSync(asked.folder)).toBe(true);
  });
});
