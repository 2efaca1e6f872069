import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { InterruptedError } from "../../../src/bridge/errors.js";
import type { RemoteTensor } from "../../../src/bridge/types.js";
import type { Worker } from "../../../src/bridge/worker.js";
import { readNpy } from "../../../src/data/npy.js";
import { EMBEDDINGS, produce, receiveAt, type RunContext, storedMatrix } from "../../../src/run/context.js";
import type { RunEvent } from "../../../src/run/events.js";
import type { ItemLists } from "../../../src/run/itemLists.js";
import { SkippedList } from "../../../src/run/skippedList.js";
import { experimentRoots } from "../../../src/run/workers.js";
import { Store, type StoreEntry } from "../../../src/store/store.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";
import { compile, DIGITS, MINIMAL } from "../config/samples.js";

interface Stage {
  readonly context: RunContext;
  readonly events: RunEvent[];
  /** How often the output was made. */
  made: number;
  run(changes?: { readonly fresh?: boolean; readonly inputs?: string; readonly make?: () => void }): Promise<StoreEntry>;
}

async function newStage(signal: AbortSignal = new AbortController().signal): Promise<Stage> {
  const events: RunEvent[] = [];
  const store = await Store.open(join(temporaryFolder(), "store"));
  const context: RunContext = {
    experiment: compile(MINIMAL),
    worker: undefined as unknown as Worker,
    store,
    signal,
    report: (event) => events.push(event),
    fresh: false,
    records: [],
    lists: undefined as unknown as ItemLists,
    skipped: new SkippedList(join(store.root, "skipped.jsonl")),
  };
  const stage: Stage = {
    context,
    events,
    made: 0,
    run: ({ fresh = false, inputs = "one", make = () => undefined } = {}) =>
      produce(
        { ...context, fresh },
        {
          stage: "encode",
          output: "images in clip",
          unit: "images",
          inputs,
          async make(pending, meter) {
            stage.made += 1;
            meter.update(3, 3);
            await writeFile(pending.file(EMBEDDINGS), `rows, made ${stage.made}`);
            make();
            return { files: [EMBEDDINGS], facts: { rows: 3, dim: 2 } };
          },
        },
      ),
  };
  return stage;
}

const outputs = (events: readonly RunEvent[]): boolean[] => events.flatMap((event) => (event.event === "output" ? [event.fromStore] : []));

describe("an output of a stage", () => {
  it("is made once, and taken from the store after that", async () => {
    const stage = await newStage();
    const first = await stage.run();
    const second = await stage.run();
    expect(stage.made).toBe(1);
    expect(second.manifest).toEqual(first.manifest);
    expect(outputs(stage.events)).toEqual([false, true]);
    expect(stage.context.records).toMatchObject([
      { stage: "encode", output: "images in clip", fromStore: false, key: first.manifest.key, inputs: "one", files: { [EMBEDDINGS]: first.manifest.files[EMBEDDINGS]?.sha256 } },
      { fromStore: true, key: first.manifest.key },
    ]);
    expect(stage.events).toContainEqual(expect.objectContaining({ event: "progress", done: 3, total: 3, unit: "images" }));
  });

  it("is made again of other inputs, and where everything is to be made anew", async () => {
    const stage = await newStage();
    await stage.run();
    await stage.run({ inputs: "two" });
    const anew = await stage.run({ fresh: true });
    expect(stage.made).toBe(3);
    expect(await readFile(anew.path(EMBEDDINGS), "utf8")).toBe("rows, made 3");
    expect(await readFile((await stage.run()).path(EMBEDDINGS), "utf8")).toBe("rows, made 3");
  });

  it("that is damaged is reported and made again", async () => {
    const stage = await newStage();
    const entry = await stage.run();
    await writeFile(entry.path(EMBEDDINGS), "rows, lost 1");
    await stage.run();
    expect(stage.made).toBe(2);
    expect(outputs(stage.events)).toEqual([false, false]);
    const warnings = stage.events.flatMap((event) => (event.event === "warning" ? [event.message] : []));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(entry.folder);
  });

  it("whose making fails leaves nothing, and is made by the next run", async () => {
    const stage = await newStage();
    const broken = new Error("a value is not finite");
    await expect(stage.run({ make: () => { throw broken; } })).rejects.toBe(broken);
    expect((await readdir(stage.context.store.root)).sort()).toEqual(["claims", "pending"]);
    expect(await readdir(stage.context.store.claims)).toEqual([]);
    expect(await readdir(join(stage.context.store.root, "pending"))).toEqual([]);
    expect(stage.context.records).toEqual([]);
    await stage.run();
    expect(stage.made).toBe(2);
  });

  it("is not kept when the user interrupts at its end, nor begun after that", async () => {
    const controller = new AbortController();
    const stage = await newStage(controller.signal);
    const error = await failureOf(stage.run({ make: () => { controller.abort(new InterruptedError()); } }));
    expect(error.code).toBe(130);
    expect(await readdir(join(stage.context.store.root, "pending"))).toEqual([]);
    expect((await failureOf(stage.run())).code).toBe(130);
    expect(stage.made).toBe(1);
  });

  it("is a matrix where its facts say so", async () => {
    const stage = await newStage();
    const entry = await stage.run();
    expect(storedMatrix(entry)).toMatchObject({ path: entry.path(EMBEDDINGS), rows: 3, dim: 2, sha256: entry.manifest.files[EMBEDDINGS]?.sha256 });
    const without = { ...entry, manifest: { ...entry.manifest, facts: {} } };
    expect(() => storedMatrix(without)).toThrow(expect.objectContaining({ code: 3, reason: "CORRUPT" }) as Error);
  });
});

describe("a matrix of the worker", () => {
  const tensor: RemoteTensor = { handle: "m", rows: 2, dim: 3 };
  const values = Float32Array.of(1, 2, 3, 4, 5, 6);
  const worker = (sharesFiles: boolean): Worker =>
    ({
      sharesFiles,
      tensors: {
        async download(_: RemoteTensor, onChunk: (chunk: Buffer) => Promise<void>) {
          const bytes = Buffer.from(values.buffer);
          await onChunk(bytes.subarray(0, 7));
          await onChunk(bytes.subarray(7));
        },
      },
    }) as unknown as Worker;

  it("is written by a worker that sees our files", async () => {
    const targets: unknown[] = [];
    const path = join(temporaryFolder(), "a.npy");
    expect(await receiveAt(worker(true), path, (target) => { targets.push(target); return Promise.resolve(tensor); })).toBe(tensor);
    expect(targets).toEqual([{ path }]);
  });

  it("is fetched from one that does not", async () => {
    const targets: unknown[] = [];
    const path = join(temporaryFolder(), "a.npy");
    await receiveAt(worker(false), path, (target) => { targets.push(target); return Promise.resolve(tensor); });
    expect(targets).toEqual(["memory"]);
    expect(await readNpy(path)).toEqual({ dtype: "float32", shape: [2, 3], data: values });
  });
});

describe("what the worker may read", () => {
  it("are the folders of the files that the experiment names", () => {
    const experiment = compile(DIGITS);
    const given = Object.values(experiment.data).flatMap(({ embeddings }) => Object.values(embeddings));
    const roots = experimentRoots(experiment);
    expect(given.length).toBeGreaterThan(0);
    for (const path of given) expect(roots).toContain(join(path, ".."));
  });

  it("are also the folders of items, of weights and of what else an encoder is made from", () => {
    const experiment = compile(DIGITS);
    const changed = {
      ...experiment,
      spaces: {
        clip: { name: "clip", provider: "builtin", model: "m", checkpoint: "/weights/a.safetensors", options: {}, batchSize: 8 },
        clap: { name: "clap", provider: "laion-clap", model: "m", checkpoint: null, options: { tokenizer: "/words/roberta", dtype: "float32" }, batchSize: 8 },
      },
      data: { photos: { name: "photos", modality: "image", source: { type: "folder", path: "/photos" }, embeddings: {}, labels: null, boxes: null, unreadable: { action: "skip", limit: 5 }, limits: null } },
    } as const;
    expect(experimentRoots({ ...changed })).toEqual(["/photos", "/weights", "/words"]);
  });
});
