import type { ServerDuplexStream } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";

import { EncoderClient } from "../../../src/bridge/encoderClient.js";
import type { EncodeRequest, EncodeResponse } from "../../../src/bridge/gen/cmcr/v1/encoder.js";
import type { ItemBatch } from "../../../src/bridge/types.js";
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

describe("descriptions", () => {
  it("of an encoder have every modality by its name", async () => {
    const fake = await fakeWorker({
      encoders: {
        describeEncoder: (call, answer) => {
          expect(call.request.encoder?.checkpoint).toBe("/weights.safetensors");
          answer(null, { dimension: 8, modalities: [5, 4, 3, 2, 1, 99 as never], weightsSha256: "ab", revision: "2", computeDtype: "float16", preprocessingJson: "{}" });
        },
      },
    });
    const description = await new EncoderClient(fake.channel()).describe({ ...SPEC, checkpoint: "/weights.safetensors" });
    expect(description).toEqual({ dimension: 8, modalities: MODALITIES, weightsSha256: "ab", revision: "2", computeDtype: "float16", preprocessing: "{}" });
  });

  it.each([
    [0, null],
    [1000, 1000],
  ])("of a split of %i items say %j", async (available, expected) => {
    const fake = await fakeWorker({
      encoders: {
        describeGenerated: (_, answer) => {
          answer(null, { available, revision: "1", captions: ["a red ring"], attributes: [{ name: "colour", values: ["red", "blue"], labels: [0] }] });
        },
      },
    });
    expect(await new EncoderClient(fake.channel()).describeGenerated(SOURCE, 1)).toEqual({
      available: expected,
      revision: "1",
      captions: ["a red ring"],
      attributes: [{ name: "colour", values: ["red", "blue"], labels: Uint32Array.of(0) }],
    });
  });
});
