import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { execa } from "execa";
import { describe, expect, it } from "vitest";

import { readNpy } from "../../src/data/npy.js";
import { unpackClouds } from "../../src/run/unpackClouds.js";
import { failureOf } from "../helpers/failures.js";
import { temporaryFolder } from "../helpers/temporaryFolder.js";
import { read } from "../unit/data/sources/reading.js";
import { startedWorker, workerOptions } from "./realWorker.js";

const NAMES = ["airplane", "night_stand"];
const CODE = `
import pickle, sys, numpy as np
points = [np.full((2000, 6), n / 4, np.float32) for n in range(3)]
labels = [np.array([n % 2], np.int32) for n in range(3)]
pickle.dump([points, labels], open(sys.argv[1] + "/modelnet40_test_2000pts_fps.dat", "wb"))
np.save(sys.argv[1] + "/modelnet40_colored_10k_pc.npy", np.array([{"xyz": p[:, :3].astype(np.float16)} for p in points[:2]], dtype=object), allow_pickle=True)
`;

describe("a real worker", { timeout: 240_000 }, () => {
  it("unpacks ModelNet40's cache and its coloured set into clouds that the source finds", async () => {
    const root = temporaryFolder();
    const { python } = await workerOptions();
    await execa(python, ["-c", CODE, root]);
    writeFileSync(join(root, "modelnet40_test.txt"), "airplane_0001\nnight_stand_0001\nairplane_0002\n");
    writeFileSync(join(root, "broken.dat"), "\x80\x04cut off", "latin1");
    const worker = await startedWorker({ roots: [root] });
    const progress: [number, number][] = [];
    const request = { path: join(root, "modelnet40_test_2000pts_fps.dat"), folder: join(root, "clouds"), classes: { ofLabels: NAMES }, signal: undefined, onProgress: (done: number, total: number) => progress.push([done, total]) };
    expect(await unpackClouds(worker, request)).toEqual({ count: 3, labels: [0, 1, 0], layout: "modelnet40 cache" });
    expect(progress.at(-1)).toEqual([3, 3]);
    const unpacked = await read(root, { type: "modelnet40", root: ".", format: "unpacked" }, "pointcloud");
    expect(unpacked.contents).toEqual(["clouds/000000.npy", "clouds/000001.npy", "clouds/000002.npy"]);
    expect(unpacked.items.map(({ attributes }) => attributes?.["class"])).toEqual(["airplane", "night stand", "airplane"]);
    const { shape, data } = await readNpy(join(root, "clouds/000002.npy"));
    expect([shape, data.at(-1)]).toEqual([[2000, 6], 0.5]);

    const coloured = { ...request, path: join(root, "modelnet40_colored_10k_pc.npy"), folder: join(root, "coloured"), classes: { ofClouds: ["night_stand", "sofa"] } };
    expect(await unpackClouds(worker, coloured)).toEqual({ count: 2, labels: null, layout: "samples" });
    expect((await readNpy(join(root, "coloured/000001.npy"))).shape).toEqual([2000, 3]);

    const broken = await failureOf(unpackClouds(worker, { ...request, path: join(root, "broken.dat"), folder: join(root, "more") }));
    expect(broken).toMatchObject({ code: 3, reason: "DATA_CORRUPT" });
    expect(broken.message).toContain("broken.dat");
  });
});
