import { open, stat } from "node:fs/promises";

import type { Channel } from "./connection.js";
import { bytesOf } from "./arrays.js";
import { readAll, unary, writeAll, DEADLINE_MS } from "./calls.js";
import { CHUNK_BYTES } from "./channel.js";
import { CmcrError, EXIT } from "../errors.js";
import { readNpyHeader } from "../data/npy.js";
import type { OnProgress, RemoteTensor, ResultTarget } from "./types.js";
import {
  type Destination,
  ElementType,
  type TensorInfo,
  type UploadRequest,
  type UploadResponse,
  TensorServiceClient,
} from "./gen/cmcr/v1/tensor.js";

const ELEMENT_TYPES: Readonly<Record<string, ElementType>> = {
  float16: ElementType.ELEMENT_TYPE_FLOAT16,
  float32: ElementType.ELEMENT_TYPE_FLOAT32,
};

/** Matrices that the worker holds. */
export class TensorClient {
  readonly #client: TensorServiceClient;
  constructor(private readonly channel: Channel) {
    this.#client = channel.client(TensorServiceClient);
  }

  /**
   * Puts a .npy file (n, d) at the worker's hands: mapped into its memory where both
   * see the same files, else sent over the wire.
   */
  async put(path: string): Promise<RemoteTensor> {
    if (!this.channel.sharesFiles) return this.upload(path);
    const answer = await unary(this.channel.context, "Open", DEADLINE_MS.work, this.#client.open.bind(this.#client), { path });
    return remoteTensor(answer.tensor, "Open");
  }

  /** Sends a .npy file in chunks; memory stays at a few of them. */
  async upload(path: string): Promise<RemoteTensor> {
    const header = await readNpyHeader(path);
    const dtype = ELEMENT_TYPES[header.dtype];
    if (dtype === undefined) {
      throw new CmcrError(`${path} has element type ${header.dtype}; expected float16 or float32.`, {
        code: EXIT.data,
        reason: "WRONG_DTYPE",
        path,
      });
    }
    const { size } = await stat(path);
    async function* messages(): AsyncGenerator<UploadRequest> {
      yield { part: { $case: "header", value: { dtype: dtype as ElementType, shape: [...header.shape] } } };
      const file = await open(path, "r");
      try {
        for (let at = header.dataOffset; at < size; ) {
          const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, size - at));
          const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
          if (bytesRead === 0) break;
          at += bytesRead;
          yield { part: { $case: "chunk", value: chunk.subarray(0, bytesRead) } };
        }
      } finally {
        await file.close();
      }
    }
    const answer = await writeAll<UploadRequest, UploadResponse>(
      this.channel.context,
      "Upload",
      (metadata, options, callback) => this.#client.upload(metadata, options, callback),
      messages(),
    );
    return remoteTensor(answer.tensor, "Upload");
  }

  /** The float32 bytes of a matrix, chunk by chunk; rejects when more or fewer come than it has. */
  async download(tensor: RemoteTensor, onChunk: (chunk: Buffer) => Promise<void>): Promise<void> {
    const expected = tensor.rows * tensor.dim * 4;
    let received = 0;
    await readAll(
      this.channel.context,
      "Download",
      (metadata, options) => this.#client.download({ handle: tensor.handle }, metadata, options),
      async (message) => {
        if (message.part?.$case !== "chunk") return;
        received += message.part.value.length;
        if (received <= expected) await onChunk(message.part.value);
      },
    );
    if (received !== expected) {
      throw new CmcrError(`the worker sent ${received} bytes of a matrix that has ${expected}`, { code: EXIT.worker, reason: "MALFORMED_ANSWER" });
    }
  }

  /**
   * Checks every value of a user's file and writes its rows L2-normalised as float32.
   * Rejects with exit code 3 for a value that is not finite, naming the row.
   */
  async import(source: string | RemoteTensor, key: string | null, target: ResultTarget, onProgress: OnProgress): Promise<RemoteTensor> {
    let result: TensorInfo | undefined;
    const request = {
      source:
        typeof source === "string"
          ? { $case: "path" as const, value: source }
          : { $case: "handle" as const, value: source.handle },
      key: key ?? "",
      destination: destination(target),
    };
    await readAll(
      this.channel.context,
      "Import",
      (metadata, options) => this.#client.import(request, metadata, options),
      (message) => {
        onProgress(message.rowsDone, message.rowsTotal);
        result = message.tensor ?? result;
      },
    );
    return remoteTensor(result, "Import");
  }

  /** Mean row of each group, L2-normalised: (groups, d). `groupOfRow` has a group below `groups` for every row. */
  async average(source: RemoteTensor, groupOfRow: Uint32Array, groups: number, target: ResultTarget): Promise<RemoteTensor> {
    const answer = await unary(this.channel.context, "Average", DEADLINE_MS.work, this.#client.average.bind(this.#client), {
      source: source.handle,
      groupOfRow: bytesOf(groupOfRow),
      groups,
      destination: destination(target),
    });
    return remoteTensor(answer.tensor, "Average");
  }

  /** Forgets matrices; unknown ones are passed over. */
  async release(...tensors: readonly RemoteTensor[]): Promise<void> {
    const handles = tensors.map((tensor) => tensor.handle);
    await unary(this.channel.context, "Release", DEADLINE_MS.short, this.#client.release.bind(this.#client), { handles });
  }
}

/** A target as the wire has it. */
export function destination(target: ResultTarget): Destination {
  return target === "memory"
    ? { target: { $case: "memory", value: true } }
    : { target: { $case: "path", value: target.path } };
}

/** A matrix of the worker's answer, which must be there and have two dimensions. */
export function remoteTensor(info: TensorInfo | undefined, call: string): RemoteTensor {
  const [rows, dim] = info?.shape ?? [];
  if (info === undefined || rows === undefined || dim === undefined || info.shape.length !== 2) {
    throw new CmcrError(`the worker's answer to ${call} has no matrix in it`, { code: EXIT.worker, reason: "MALFORMED_ANSWER" });
  }
  return { handle: info.handle, rows, dim };
}
