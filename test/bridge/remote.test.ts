import { readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

import { describe, expect, it, onTestFinished } from "vitest";

import { Worker } from "../../src/bridge/worker.js";
import { loadExperiment } from "../../src/config/load.js";
import { readNpy, writeNpy } from "../../src/data/npy.js";
import { receiveAt } from "../../src/run/context.js";
import { startRun } from "../../src/run/engine.js";
import type { RunEvent } from "../../src/run/events.js";
import { RUN_FILES } from "../../src/run/folder.js";
import { fileSha256 } from "../../src/store/checksums.js";
import { failureOf } from "../helpers/failures.js";
import { temporaryFolder } from "../helpers/temporaryFolder.js";
import { startedWorker } from "./realWorker.js";
import { matrixFile } from "./smallMatrices.js";

/** A port of the loopback address that nobody listens on. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === "string") reject(new Error("no port"));
        else resolve(address.port);
      });
    });
  });
}

/** The address of a worker that sees none of our files. */
async function remoteAddress(): Promise<string> {
  const address = `127.0.0.1:${await freePort()}`;
  await startedWorker({ listen: address });
  return address;
}

const EXPERIMENT = (worker: string): string => `version: 1
name: small
seed: 3
worker: ${worker}
spaces: { sight: { provider: precomputed }, hearing: { provider: precomputed } }
data:
  captions: { modality: text, embeddings: { sight: captions-sight.npy, hearing: captions-hearing.npy } }
  images: { modality: image, embeddings: { sight: images.npy } }
  sounds: { modality: audio, embeddings: { hearing: sounds.npy } }
  test_images: { modality: image, embeddings: { sight: test-images.npy } }
  test_sounds: { modality: audio, embeddings: { hearing: test-sounds.npy } }
connect:
  method: cmcr
  overlap: captions
  sides: [{ space: sight, memory: images }, { space: hearing, memory: sounds }]
  optimizer: { type: adamw, lr: 1e-3 }
  batchSize: 32
  epochs: 3
evaluate:
  - { name: sound-image, task: retrieval, query: { data: test_sounds, space: hearing }, gallery: { data: test_images, space: sight }, relevance: rows, baselines: [pivot, procrustes+gap] }
`;

/** The inputs of such an experiment, in a folder. */
async function inputs(): Promise<string> {
  const folder = temporaryFolder();
  const matrices = { "captions-sight": [100, 8], "captions-hearing": [100, 6], images: [70, 8], sounds: [60, 6], "test-images": [20, 8], "test-sounds": [20, 6] } as const;
  for (const [index, [name, [rows, dim]]] of Object.entries(matrices).entries()) await matrixFile(folder, `${name}.npy`, rows, dim, index + 1);
  return folder;
}

/** Runs the experiment with that worker; what the run has and what it told. */
async function run(folder: string, worker: string) {
  const file = join(folder, `${worker.includes("address") ? "remote" : "own"}.yaml`);
  await writeFile(file, EXPERIMENT(worker));
  const { experiment, source } = await loadExperiment(file);
  const out = temporaryFolder();
  const events: RunEvent[] = [];
  const result = await startRun(experiment, { signal: new AbortController().signal, report: (event) => events.push(event), fresh: false, out, name: "small", source });
  const lines = (await readFile(join(result.folder, RUN_FILES.train), "utf8")).trim().split("\n");
  return {
    out,
    events,
    metrics: result.metrics,
    projectors: await fileSha256(join(result.folder, RUN_FILES.projectors)),
    losses: lines.map((line) => (JSON.parse(line) as { loss: number }).loss),
  };
}

describe("a worker that shares no files", () => {
  it("takes and gives matrices, bit by bit", async () => {
    const folder = temporaryFolder();
    const worker = await Worker.connect(await remoteAddress());
    onTestFinished(() => worker.close());
    expect(worker.sharesFiles).toBe(false);
    expect(worker.process).toBeNull();

    // More than one chunk.
    const path = await matrixFile(folder, "a.npy", 3000, 100, 7);
    const tensor = await worker.tensors.put(path);
    expect([tensor.rows, tensor.dim]).toEqual([3000, 100]);
    const back = join(folder, "back.npy");
    await receiveAt(worker, back, () => Promise.resolve(tensor));
    expect(await readNpy(back)).toEqual(await readNpy(path));

    // One that is to be normalised, and its mistakes.
    const raw = join(folder, "raw.npy");
    await writeNpy(raw, Float32Array.of(3, 4, 0, 2), [2, 2]);
    const source = await worker.tensors.upload(raw);
    const imported = await worker.tensors.import(source, null, "memory", () => undefined);
    const chunks: Buffer[] = [];
    await worker.tensors.download(imported, (chunk) => Promise.resolve(void chunks.push(chunk)));
    expect([...new Float32Array(Uint8Array.from(Buffer.concat(chunks)).buffer)]).toEqual([Math.fround(0.6), Math.fround(0.8), 0, 1]);

    const poisoned = join(folder, "poisoned.npy");
    await writeNpy(poisoned, Float32Array.of(1, 2, NaN, 4), [2, 2]);
    const bad = await worker.tensors.upload(poisoned);
    expect(await failureOf(worker.tensors.import(bad, null, "memory", () => undefined))).toMatchObject({ code: 3, reason: "DATA_CORRUPT", path: expect.stringContaining("row 1") as string });

    // Files of ours it may not touch, and what was released it does not know.
    expect(await failureOf(worker.tensors.import(source, null, { path: join(folder, "out.npy") }, () => undefined))).toMatchObject({ code: 3, reason: "PATH_FORBIDDEN" });
    await worker.tensors.release(tensor, source);
    await worker.tensors.release(tensor);
    expect(await failureOf(worker.tensors.average(tensor, new Uint32Array(3000), 1, "memory"))).toMatchObject({ code: 4, reason: "STALE_HANDLE", path: "source" });
    expect(readdirSync(folder).sort()).toEqual(["a.npy", "back.npy", "poisoned.npy", "raw.npy"]);
  });

  it("runs an experiment to the same numbers as a worker that does", async () => {
    const folder = await inputs();
    const remote = await run(folder, `{ address: "${await remoteAddress()}" }`);
    const own = await run(folder, "{ device: cpu }");
    expect(remote.metrics).toEqual(own.metrics);
    expect(remote.losses).toEqual(own.losses);
    expect(remote.losses).toHaveLength(9);
    expect(remote.projectors).toBe(own.projectors);
    expect(remote.events.at(-1)).toMatchObject({ event: "done", run: "small" });
    expect(readdirSync(join(remote.out, ".store", "pending"))).toEqual([]);
  });
});
