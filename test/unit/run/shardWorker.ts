import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";

import { type ServerDuplexStream, status } from "@grpc/grpc-js";

import { EncoderClient } from "../../../src/bridge/encoderClient.js";
import { ErrorReason } from "../../../src/bridge/gen/cmcr/v1/error.js";
import type { EncodeRequest, EncodeResponse, PatchEmbedding } from "../../../src/bridge/gen/cmcr/v1/encoder.js";
import { TensorClient } from "../../../src/bridge/tensorClient.js";
import type { Worker } from "../../../src/bridge/worker.js";
import { encodeNpyHeader } from "../../../src/data/npyHeader.js";
import { type FakeWorker, fakeWorker } from "../bridge/fakeWorker.js";

/** Dimensions of its rows. */
export const DIM = 2;

/** What a fake worker that embeds in shards may be told to do. */
export interface ShardWorkerOptions {
  readonly sharesFiles?: boolean;
  /** Fails an item, by its text, name or bytes. */
  readonly fails?: (item: string) => boolean;
  /** Called before each batch is answered; what it throws breaks the call. */
  readonly beforeBatch?: (batch: number) => void | Promise<void>;
  readonly beforeShard?: (shard: number) => void | Promise<void>;
  /** Changes an answer on its way. */
  readonly change?: (answer: EncodeResponse) => EncodeResponse;
}

/** A worker whose row of an item follows from its text, name or bytes. */
export interface ShardWorker {
  readonly worker: Worker;
  readonly fake: FakeWorker;
  /** Items of each batch that came, in order. */
  readonly batches: string[][];
  /** Totals that were announced. */
  readonly totals: number[];
  /** Items of each shard, in order. */
  readonly shards: number[];
  /** What else the starts said. */
  readonly starts: { readonly squash: boolean; readonly patches: PatchEmbedding }[];
}

/** The row that the fake worker makes of an item. */
export function rowOf(item: string): readonly [number, number] {
  const hash = createHash("sha256").update(item).digest();
  return [hash.readUInt16LE(0) / 65_536, hash.readUInt16LE(2) / 65_536];
}

function itemsOf(message: EncodeRequest): string[] {
  if (message.part?.$case !== "batch") return [];
  const { items } = message.part.value;
  if (items?.$case === "texts") return [...items.value.texts];
  if (items?.$case !== "list") throw new Error("only texts and items are known");
  return items.value.items.map(({ content, name }) => {
    if (content?.$case === "data") return content.value.length === 0 ? "" : content.value.toString("latin1");
    return name;
  });
}

/** What the rows of each item of a batch follow from: the item, or the item and the place of each of its regions. */
function namesOfRows(message: EncodeRequest): string[][] {
  const items = itemsOf(message);
  const list = message.part?.$case === "batch" && message.part.value.items?.$case === "list" ? message.part.value.items.value.items : [];
  return items.map((item, index) => list[index]?.regions?.regions.map(({ left, top }) => `${item}@${left},${top}`) ?? [item]);
}

/** An in-process worker that embeds in shards. */
export async function shardWorker({ sharesFiles = true, fails = () => false, beforeBatch, beforeShard, change = (answer) => answer }: ShardWorkerOptions = {}): Promise<ShardWorker> {
  const batches: string[][] = [];
  const totals: number[] = [];
  const starts: ShardWorker["starts"] = [];
  const held = new Map<string, Buffer>();
  const shards: number[] = [];
  const encode = async (call: ServerDuplexStream<EncodeRequest, EncodeResponse>): Promise<void> => {
    const answer = (message: Partial<EncodeResponse>): void => {
      call.write(change({ rowsDone: 0, failures: [], notes: [], ...message }));
    };
    let done = 0;
    let items = 0;
    let rows: number[] = [];
    for await (const message of call.iterator({ destroyOnReturn: false }) as AsyncIterable<EncodeRequest>) {
      if (message.part?.$case === "start") {
        totals.push(message.part.value.total);
        starts.push({ squash: message.part.value.squash, patches: message.part.value.patches });
      }
      if (message.part?.$case === "batch") {
        await beforeBatch?.(batches.length);
        const batch = itemsOf(message);
        batches.push(batch);
        const failed = batch.flatMap((item, index) => (item === "" || fails(item) ? [{ item: done + index, reason: ErrorReason.ERROR_REASON_DATA_CORRUPT, message: `${item} is broken` }] : []));
        const names = namesOfRows(message);
        for (const [index, item] of batch.entries()) if (item !== "" && !fails(item)) for (const name of names[index] ?? []) rows.push(...rowOf(name));
        done += batch.length;
        items += batch.length;
        answer({ rowsDone: done, failures: failed });
      }
      if (message.part?.$case === "shardEnd") {
        await beforeShard?.(shards.length);
        shards.push(items);
        const shape = [rows.length / DIM, DIM];
        const file = Buffer.concat([encodeNpyHeader("float32", shape), Buffer.from(Float32Array.from(rows).buffer)]);
        const target = message.part.value.destination?.target;
        const handle = `shard-${shards.length}`;
        const tensor = rows.length === 0 ? undefined : { handle, dtype: 2, shape };
        if (target?.$case === "path" && tensor !== undefined) writeFileSync(target.value, file);
        else held.set(handle, Buffer.from(Float32Array.from(rows).buffer));
        const written = target?.$case === "path" && tensor !== undefined;
        answer({ rowsDone: done, shard: { items, rows: rows.length / DIM, tensor, sha256: written ? createHash("sha256").update(file).digest("hex") : "", bytes: written ? file.length : 0 } });
        items = 0;
        rows = [];
      }
    }
    call.end();
  };
  const fake = await fakeWorker({
    encoders: {
      encode: (call) => {
        encode(call).catch((error: unknown) => call.emit("error", { code: status.UNAVAILABLE, details: String(error) }));
      },
    },
    tensors: {
      release: (_, answer) => {
        answer(null, {});
      },
      download: (call) => {
        const bytes = held.get(call.request.handle) ?? Buffer.alloc(0);
        for (let at = 0; at < bytes.length; at += 5) call.write({ part: { $case: "chunk", value: bytes.subarray(at, at + 5) } });
        call.end();
      },
    },
  });
  const channel = fake.channel();
  const worker = { sharesFiles, info: { device: "cpu" }, encoders: new EncoderClient(channel), tensors: new TensorClient(channel) } as unknown as Worker;
  return { worker, fake, batches, totals, shards, starts };
}
