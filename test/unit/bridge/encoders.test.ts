import type { ServerDuplexStream } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";

import { EncoderClient } from "../../../src/bridge/encoderClient.js";
import type { EncodeRequest, EncodeResponse, UnpackCloudsResponse } from "../../../src/bridge/gen/cmcr/v1/encoder.js";
import { ErrorReason } from "../../../src/bridge/gen/cmcr/v1/error.js";
import type { ItemBatch, ShardedEncoding, ShardMessage } from "../../../src/bridge/types.js";
import { MODALITIES } from "../../../src/config/compiled.js";
import { failureOf } from "../../helpers/failures.js";
import { fakeWorker } from "./fakeWorker.js";

const SPEC = { provider: "builtin", model: "scenes", checkpoint: null, options: { crop: 3 } };
const SOURCE = { generator: "scenes", split: "test", seed: 5 };

describe("encoding", () => {
  async function encode(batches: Iterable<ItemBatch> | AsyncIterable<ItemBatch>, last: EncodeResponse | null) {
    const received: EncodeRequest[] = [];
    const progress: [number, number][] = [];
    const fake = await fakeWorker({
      encoders: {
        encode: (call: ServerDuplexStream<EncodeRequest, EncodeResponse>) => {
          call.on("data", (message: EncodeRequest) => {
            received.push(message);
            if (message.part?.$case === "batch") call.write({ failures: [], notes: [], rowsDone: received.length - 1 });
          });
          call.on("end", () => {
            if (last !== null) call.write(last);
            call.end();
          });
        },
      },
    });
    const tensor = await new EncoderClient(fake.channel()).encode(SPEC, "audio", 3, batches, { path: "/out.npy" }, (done, total) => progress.push([done, total]));
    return { tensor, received, progress };
  }
  const DONE: EncodeResponse = { failures: [], notes: [], rowsDone: 3, tensor: { handle: "m", dtype: 2, shape: [3, 8] } };
  const BATCHES: readonly ItemBatch[] = [
    { kind: "texts", texts: ["a", "b"] },
    { kind: "files", paths: ["/a.wav"] },
    { kind: "generated", source: SOURCE, start: 7, count: 2 },
  ];

  it("sends the start and then each batch, whatever its items are", async () => {
    const { tensor, received, progress } = await encode(BATCHES, DONE);
    expect(tensor).toEqual({ handle: "m", rows: 3, dim: 8 });
    expect(progress).toEqual([[1, 3], [2, 3], [3, 3], [3, 3]]);
    expect(received.map(({ part }) => part)).toEqual([
      {
        $case: "start",
        value: {
          encoder: { provider: "builtin", model: "scenes", checkpoint: "", optionsJson: '{"crop":3}' },
          modality: 3,
          total: 3,
          limits: undefined,
          reportFailures: false,
          squash: false,
          patches: 0,
          destination: { target: { $case: "path", value: "/out.npy" } },
        },
      },
      { $case: "batch", value: { items: { $case: "texts", value: { texts: ["a", "b"] } } } },
      { $case: "batch", value: { items: { $case: "files", value: { paths: ["/a.wav"] } } } },
      { $case: "batch", value: { items: { $case: "generated", value: { source: SOURCE, start: 7, count: 2 } } } },
    ]);
  });

  it("refuses an answer without a matrix", async () => {
    expect(await failureOf(encode(BATCHES, null))).toMatchObject({ code: 4, reason: "MALFORMED_ANSWER" });
  });

  it("passes on what the items' source fails with", async () => {
    const gone = new Error("the folder went away");
    async function* batches(): AsyncGenerator<ItemBatch> {
      yield { kind: "texts", texts: ["a"] };
      await Promise.reject(gone);
    }
    await expect(encode(batches(), DONE)).rejects.toBe(gone);
  });
});

describe("encoding in shards", () => {
  const LIMITS = { bytes: 1000, pixels: null, seconds: 2.5, points: null, workSeconds: null };
  async function* messages(): AsyncGenerator<ShardMessage> {
    yield { kind: "batch", batch: { kind: "items", items: [{ name: "a.png", content: { kind: "file", path: "/a.png", range: { offset: 3, length: 4 } }, part: { startSeconds: null, durationSeconds: null, position: 0.5 } }] } };
    yield { kind: "end", target: { path: "/shard.npy" } };
    yield { kind: "batch", batch: { kind: "items", items: [{ name: "b.png", content: { kind: "data", data: Uint8Array.of(1, 2) }, part: null }] } };
    yield await Promise.resolve({ kind: "end", target: "memory" });
  }

  async function encode(answers: readonly Partial<EncodeResponse>[], changes: Partial<ShardedEncoding> = {}) {
    const received: EncodeRequest["part"][] = [];
    const heard: unknown[] = [];
    const fake = await fakeWorker({
      encoders: {
        encode: (call: ServerDuplexStream<EncodeRequest, EncodeResponse>) => {
          call.on("data", ({ part }: EncodeRequest) => received.push(part));
          call.on("end", () => {
            for (const answer of answers) call.write({ rowsDone: 0, failures: [], notes: [], ...answer });
            call.end();
          });
        },
      },
    });
    await new EncoderClient(fake.channel()).encodeShards(
      { spec: SPEC, modality: "image", total: 2, limits: LIMITS, messages: messages(), ...changes },
      {
        onProgress: (done) => heard.push(done),
        onFailures: (failures) => { heard.push(failures); },
        onShard: (shard) => { heard.push(shard); },
        onNote: (note) => heard.push(note),
      },
    );
    return { received, heard };
  }
  const SHARD = { items: 1, rows: 1, tensor: { handle: "s", dtype: 2, shape: [1, 8] }, sha256: "ab", bytes: 160 };
  const EMPTY = { items: 1, rows: 0, tensor: undefined, sha256: "", bytes: 0 };

  it("sends limits and no destination, each batch, and each shard's end", async () => {
    const { received } = await encode([{ shard: SHARD }, { shard: EMPTY }]);
    expect(received).toEqual([
      {
        $case: "start",
        value: {
          encoder: { provider: "builtin", model: "scenes", checkpoint: "", optionsJson: '{"crop":3}' },
          modality: 2,
          total: 2,
          destination: undefined,
          limits: { bytes: 1000, pixels: 0, seconds: 2.5, points: 0, workSeconds: 0 },
          reportFailures: true,
          squash: false,
          patches: 0,
        },
      },
      { $case: "batch", value: { items: { $case: "list", value: { items: [{ name: "a.png", content: { $case: "file", value: { path: "/a.png", offset: 3, length: 4 } }, part: { position: 0.5 } }] } } } },
      { $case: "shardEnd", value: { destination: { target: { $case: "path", value: "/shard.npy" } } } },
      { $case: "batch", value: { items: { $case: "list", value: { items: [{ name: "b.png", content: { $case: "data", value: Buffer.from([1, 2]) }, part: undefined }] } } } },
      { $case: "shardEnd", value: { destination: { target: { $case: "memory", value: true } } } },
    ]);
  });

  it("sends regions with their items, and how rows are made", async () => {
    const boxes = [[0, 0, 1, 1], [0.25, 0.5, 0.75, 1]] as const;
    const wire = { regions: [{ left: 0, top: 0, right: 1, bottom: 1 }, { left: 0.25, top: 0.5, right: 0.75, bottom: 1 }] };
    async function* withRegions(): AsyncGenerator<ShardMessage> {
      yield { kind: "batch", batch: { kind: "items", items: [{ name: "a.png", content: { kind: "data", data: Uint8Array.of(1) }, part: null, regions: boxes }] } };
      yield await Promise.resolve({ kind: "batch", batch: { kind: "generated", source: SOURCE, start: 2, count: 1, regions: boxes } });
    }
    const { received } = await encode([], { messages: withRegions(), squash: true });
    expect(received[0]).toMatchObject({ value: { squash: true, patches: 0 } });
    expect(received.slice(1)).toEqual([
      { $case: "batch", value: { items: { $case: "list", value: { items: [{ name: "a.png", content: { $case: "data", value: Buffer.from([1]) }, part: undefined, regions: wire }] } } } },
      { $case: "batch", value: { items: { $case: "generated", value: { source: SOURCE, start: 2, count: 1, regions: wire } } } },
    ]);
  });

  it.each([["tokens", 1], ["values", 2]] as const)("asks for patches by %s", async (patches, number) => {
    async function* nothing(): AsyncGenerator<ShardMessage> {
      yield* await Promise.resolve([]);
    }
    const { received } = await encode([], { messages: nothing(), squash: true, patches });
    expect(received[0]).toMatchObject({ value: { squash: true, patches: number } });
  });

  it("hears failures before the shard that they are of, and notes", async () => {
    const { heard } = await encode([
      { rowsDone: 1, notes: ["batches were halved"] },
      { rowsDone: 2, failures: [{ item: 1, reason: ErrorReason.ERROR_REASON_DATA_CORRUPT, message: "b.png is broken" }], shard: SHARD },
      { rowsDone: 2, shard: EMPTY },
    ]);
    expect(heard).toEqual([
      "batches were halved",
      1,
      [{ item: 1, reason: "DATA_CORRUPT", message: "b.png is broken" }],
      2,
      { ...SHARD, tensor: { handle: "s", rows: 1, dim: 8 } },
      2,
      { ...EMPTY, tensor: null },
    ]);
  });

  it("refuses a worker that ends before the last shard", async () => {
    expect(await failureOf(encode([{ shard: SHARD }]))).toMatchObject({ code: 4, reason: "MALFORMED_ANSWER" });
  });
});

describe("unpacking clouds", () => {
  const unpack = async (answers: readonly UnpackCloudsResponse[]) => {
    const progress: [number, number][] = [];
    const fake = await fakeWorker({
      encoders: {
        unpackClouds: (call) => {
          expect(call.request).toEqual({ path: "/many.dat", folder: "/clouds" });
          for (const answer of answers) call.write(answer);
          call.end();
        },
      },
    });
    const clouds = await new EncoderClient(fake.channel()).unpackClouds({ path: "/many.dat", folder: "/clouds" }, (done, total) => progress.push([done, total]));
    return { clouds, progress };
  };

  it("reports progress, and gives the labels of the last message", async () => {
    const { clouds, progress } = await unpack([{ done: 1, total: 2, labels: [], layout: "" }, { done: 2, total: 2, labels: [7, 0], layout: "modelnet40 cache" }]);
    expect(clouds).toEqual({ count: 2, labels: [7, 0], layout: "modelnet40 cache" });
    expect(progress).toEqual([[1, 2], [2, 2]]);
    expect((await unpack([{ done: 2, total: 2, labels: [], layout: "samples" }])).clouds.labels).toBeNull();
  });

  it("refuses an answer that does not say what was written", async () => {
    expect(await failureOf(unpack([{ done: 1, total: 2, labels: [], layout: "" }]))).toMatchObject({ code: 4, reason: "MALFORMED_ANSWER" });
  });
});

describe("descriptions", () => {
  it("of an encoder have every modality by its name", async () => {
    const fake = await fakeWorker({
      encoders: {
        describeEncoder: (call, answer) => {
          expect(call.request.encoder?.checkpoint).toBe("/weights.safetensors");
          answer(null, { dimension: 8, modalities: [5, 4, 3, 2, 1, 99 as never], weightsSha256: "ab", revision: "2", computeDtype: "float16", preprocessingJson: "{}", patchGrid: undefined, patchesMissing: "it has none" });
        },
      },
    });
    const description = await new EncoderClient(fake.channel()).describe({ ...SPEC, checkpoint: "/weights.safetensors" });
    expect(description).toEqual({ dimension: 8, modalities: MODALITIES, weightsSha256: "ab", revision: "2", computeDtype: "float16", preprocessing: "{}", patchGrid: null, patchesMissing: "it has none" });
  });

  it("of an encoder have the grid of its patches", async () => {
    const fake = await fakeWorker({
      encoders: {
        describeEncoder: (_, answer) => {
          answer(null, { dimension: 8, modalities: [2], weightsSha256: "ab", revision: "2", computeDtype: "float32", preprocessingJson: "{}", patchGrid: { rows: 7, columns: 5 }, patchesMissing: "" });
        },
      },
    });
    expect(await new EncoderClient(fake.channel()).describe(SPEC)).toMatchObject({ patchGrid: { rows: 7, columns: 5 }, patchesMissing: "" });
  });

  it.each([
    [0, null],
    [1000, 1000],
  ])("of a split of %i items say %j", async (available, expected) => {
    const fake = await fakeWorker({
      encoders: {
        describeGenerated: (_, answer) => {
          answer(null, { available, revision: "1", captions: ["a red ring"], attributes: [{ name: "colour", values: ["red", "blue"], labels: [0] }], boxes: [] });
        },
      },
    });
    expect(await new EncoderClient(fake.channel()).describeGenerated(SOURCE, 1)).toEqual({
      available: expected,
      revision: "1",
      captions: ["a red ring"],
      attributes: [{ name: "colour", values: ["red", "blue"], labels: Uint32Array.of(0) }],
      boxes: null,
    });
  });

  it("of a split that has boxes have a list for each item", async () => {
    const fake = await fakeWorker({
      encoders: {
        describeGenerated: (_, answer) => {
          answer(null, { available: 2, revision: "1", captions: [], attributes: [], boxes: [{ regions: [{ left: 0.25, top: 0, right: 0.5, bottom: 1 }] }, { regions: [] }] });
        },
      },
    });
    expect(await new EncoderClient(fake.channel()).describeGenerated(SOURCE, 2)).toMatchObject({ boxes: [[[0.25, 0, 0.5, 1]], []] });
  });
});
