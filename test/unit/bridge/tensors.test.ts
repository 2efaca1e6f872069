import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { type ServerReadableStream, type ServerWritableStream, status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";

import { bytesOf, float32Of, uint32Of, uint32OfTensor } from "../../../src/bridge/arrays.js";
import { ElementType, type ImportRequest, type ImportResponse, type DownloadRequest, type DownloadResponse, type Tensor, type UploadRequest, type UploadResponse } from "../../../src/bridge/gen/cmcr/v1/tensor.js";
import { destination, remoteTensor, TensorClient } from "../../../src/bridge/tensorClient.js";
import { writeNpy } from "../../../src/data/npy.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";
import { failure, fakeWorker } from "./fakeWorker.js";

const MATRIX = { handle: "m", rows: 3, dim: 2 };

describe("arrays and bytes", () => {
  it("share memory on the way out, also for a part of an array", () => {
    const whole = Float32Array.from([1, 2, 3, 4]);
    const bytes = bytesOf(whole.subarray(1, 3));
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4), bytes.length]).toEqual([2, 3, 8]);
    whole[1] = 7;
    expect(bytes.readFloatLE(0)).toBe(7);
  });

  it.each([0, 1, 2, 3])("are read from a buffer that begins %i bytes after a whole number", (offset) => {
    const values = Uint32Array.from([1, 2 ** 32 - 1, 3]);
    const shifted = Buffer.concat([Buffer.alloc(offset), bytesOf(values)]).subarray(offset);
    expect(uint32Of(shifted)).toEqual(values);
    const floats = Float32Array.from([0.5, -1, 3e38]);
    const data = Buffer.concat([Buffer.alloc(offset), bytesOf(floats)]).subarray(offset);
    expect(float32Of({ dtype: ElementType.ELEMENT_TYPE_FLOAT32, shape: [3, 1], data })).toEqual(floats);
  });

  it("are read from a small buffer of Node's shared pool", () => {
    const pooled = Buffer.from([1, 0, 0, 0]);
    expect(pooled.buffer.byteLength).toBeGreaterThan(4);
    expect(uint32Of(pooled)).toEqual(Uint32Array.of(1));
  });

  const float32 = (shape: number[], bytes: number): Tensor => ({ dtype: ElementType.ELEMENT_TYPE_FLOAT32, shape, data: Buffer.alloc(bytes) });
  it.each([
    ["bytes that are no whole numbers", () => uint32Of(Buffer.alloc(7))],
    ["too few bytes", () => float32Of(float32([2, 2], 12))],
    ["too many bytes", () => float32Of(float32([2, 2], 20))],
    ["no shape", () => float32Of(float32([], 8))],
    ["bytes for no rows", () => float32Of(float32([0, 3], 4))],
    ["another element type", () => float32Of({ ...float32([1], 4), dtype: ElementType.ELEMENT_TYPE_UINT32 })],
    ["half the precision", () => float32Of({ ...float32([2], 4), dtype: ElementType.ELEMENT_TYPE_FLOAT16 })],
    ["an element type of later versions", () => uint32OfTensor({ ...float32([1], 4), dtype: ElementType.UNRECOGNIZED })],
  ])("with %s are refused, exit 4", (_, read) => {
    expect(read).toThrow(expect.objectContaining({ code: 4, reason: "MALFORMED_TENSOR" }) as Error);
  });

  it.each([undefined, [], [3], [3, 2, 1]])("an answer with a matrix of shape %j is refused", (shape) => {
    const info = shape === undefined ? undefined : { handle: "m", dtype: ElementType.ELEMENT_TYPE_FLOAT32, shape };
    expect(() => remoteTensor(info, "Open")).toThrow(expect.objectContaining({ code: 4, reason: "MALFORMED_ANSWER" }) as Error);
  });

  it("results go to memory or to a path", () => {
    expect(destination("memory")).toEqual({ target: { $case: "memory", value: true } });
    expect(destination({ path: "/a/b.npy" })).toEqual({ target: { $case: "path", value: "/a/b.npy" } });
  });
});

describe("putting a file", () => {
  it("maps it where the worker sees our files", async () => {
    const paths: string[] = [];
    const fake = await fakeWorker({
      tensors: {
        open: (call, answer) => {
          paths.push(call.request.path);
          answer(null, { tensor: { handle: "m", dtype: 2, shape: [3, 2] } });
        },
      },
    });
    expect(await new TensorClient(fake.channel({ sharesFiles: true })).put("/data/a.npy")).toEqual(MATRIX);
    expect(paths).toEqual(["/data/a.npy"]);
  });

  it.each([
    ["float32", 400_000],
    ["float32", 6],
  ] as const)("sends a %s file of %i values in chunks of at most 1 MiB", async (_, count) => {
    const path = join(temporaryFolder(), "a.npy");
    await writeNpy(path, Float32Array.from({ length: count }, (__, index) => index / 3), [count / 2, 2]);
    const received: UploadRequest[] = [];
    const fake = await fakeWorker({
      tensors: {
        upload: (call: ServerReadableStream<UploadRequest, UploadResponse>, answer) => {
          call.on("data", (message: UploadRequest) => received.push(message));
          call.on("end", () => { answer(null, { tensor: { handle: "m", dtype: 2, shape: [count / 2, 2] } }); });
        },
      },
    });
    expect(await new TensorClient(fake.channel()).put(path)).toEqual({ handle: "m", rows: count / 2, dim: 2 });
    const [header, ...chunks] = received.map(({ part }) => part);
    expect(header).toEqual({ $case: "header", value: { dtype: ElementType.ELEMENT_TYPE_FLOAT32, shape: [count / 2, 2] } });
    const data = chunks.map((part) => (part?.$case === "chunk" ? part.value : Buffer.alloc(0)));
    expect(Math.max(...data.map(({ length }) => length))).toBeLessThanOrEqual(1024 * 1024);
    expect(Buffer.concat(data).equals((await readFile(path)).subarray(-4 * count))).toBe(true);
  });

  it("refuses a file of other numbers, and one that is none, before any call", async () => {
    const folder = temporaryFolder();
    await writeNpy(join(folder, "double.npy"), Float64Array.of(1, 2), [1, 2]);
    await writeFile(join(folder, "text.npy"), "no matrix");
    const fake = await fakeWorker({});
    const tensors = new TensorClient(fake.channel());
    expect(await failureOf(tensors.upload(join(folder, "double.npy")))).toMatchObject({ code: 3, reason: "WRONG_DTYPE" });
    expect((await failureOf(tensors.upload(join(folder, "text.npy")))).code).toBe(3);
    expect((await failureOf(tensors.upload(join(folder, "none.npy")))).code).toBe(3);
    expect(fake.calls.size).toBe(0);
  });

  it("stops sending when the worker refuses in the middle", async () => {
    const path = join(temporaryFolder(), "a.npy");
    await writeNpy(path, new Float32Array(20 * 1024 * 1024), [20 * 1024, 1024]);
    let received = 0;
    const fake = await fakeWorker({
      tensors: {
        upload: (call: ServerReadableStream<UploadRequest, UploadResponse>, answer) => {
          call.on("data", () => {
            received += 1;
            if (received === 3) answer(failure(status.RESOURCE_EXHAUSTED, "the device has too little memory", { reason: 11 }));
          });
        },
      },
    });
    expect(await failureOf(new TensorClient(fake.channel()).upload(path))).toMatchObject({ code: 4, reason: "OUT_OF_MEMORY" });
    expect(received).toBeLessThan(80);
  });
});

describe("fetching a matrix", () => {
  const download = async (...sizes: readonly number[]): Promise<Buffer> => {
    const data = Buffer.from(Array.from({ length: 64 }, (_, index) => index));
    const fake = await fakeWorker({
      tensors: {
        download: (call: ServerWritableStream<DownloadRequest, DownloadResponse>) => {
          call.write({ part: { $case: "header", value: { handle: call.request.handle, dtype: 2, shape: [3, 2] } } });
          let at = 0;
          for (const size of sizes) call.write({ part: { $case: "chunk", value: data.subarray(at, (at += size)) } });
          call.end();
        },
      },
    });
    const chunks: Buffer[] = [];
    await new TensorClient(fake.channel()).download(MATRIX, (chunk) => {
      chunks.push(chunk);
      return Promise.resolve();
    });
    return Buffer.concat(chunks);
  };

  it("gives its bytes in order", async () => {
    expect([...(await download(5, 0, 19))]).toEqual(Array.from({ length: 24 }, (_, index) => index));
  });

  it.each([[[]], [[20]], [[24, 4]]])("refuses %j bytes where 24 belong", async (sizes: number[]) => {
    expect(await failureOf(download(...sizes))).toMatchObject({ code: 4, reason: "MALFORMED_ANSWER" });
  });
});

describe("importing", () => {
  it("reports progress and gives the matrix of the last message", async () => {
    const requests: ImportRequest[] = [];
    const fake = await fakeWorker({
      tensors: {
        import: (call: ServerWritableStream<ImportRequest, ImportResponse>) => {
          requests.push(call.request);
          call.write({ rowsDone: 1, rowsTotal: 3 });
          call.write({ rowsDone: 3, rowsTotal: 3, tensor: { handle: "m", dtype: 2, shape: [3, 2] } });
          call.end();
        },
      },
    });
    const tensors = new TensorClient(fake.channel());
    const progress: [number, number][] = [];
    expect(await tensors.import("/a.safetensors", "key", { path: "/out.npy" }, (done, total) => progress.push([done, total]))).toEqual(MATRIX);
    await tensors.import(MATRIX, null, "memory", () => undefined);
    expect(progress).toEqual([[1, 3], [3, 3]]);
    expect(requests).toEqual([
      { source: { $case: "path", value: "/a.safetensors" }, key: "key", destination: { target: { $case: "path", value: "/out.npy" } } },
      { source: { $case: "handle", value: "m" }, key: "", destination: { target: { $case: "memory", value: true } } },
    ]);
  });

  it("refuses a stream without a matrix", async () => {
    const fake = await fakeWorker({ tensors: { import: (call: ServerWritableStream<ImportRequest, ImportResponse>) => { call.end(); } } });
    expect(await failureOf(new TensorClient(fake.channel()).import("/a.npy", null, "memory", () => undefined))).toMatchObject({ code: 4, reason: "MALFORMED_ANSWER" });
  });
});
