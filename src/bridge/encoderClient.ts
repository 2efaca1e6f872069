import { MODALITIES, type Modality } from "../config/compiled.js";
import { CmcrError, EXIT } from "../errors.js";
import { converse, DEADLINE_MS, readAll, unary } from "./calls.js";
import type { Channel } from "./connection.js";
import type { RegionBox } from "../data/regions.js";
import { shortReason } from "./errors.js";
import { destination, remoteTensor } from "./tensorClient.js";
import type {
  DecodeLimits,
  EncoderDescription,
  EncoderSpec,
  GeneratedDescription,
  GeneratedSource,
  Item,
  ItemBatch,
  MediaPart,
  OnProgress,
  PatchSource,
  RemoteTensor,
  ResultTarget,
  ShardAnswers,
  ShardedEncoding,
  ShardMessage,
  UnpackedClouds,
} from "./types.js";
import {
  type DecodeLimits as WireLimits,
  EncoderServiceClient,
  type EncodeRequest,
  type EncoderSpec as WireSpec,
  type Item as WireItem,
  type ItemBatch as WireBatch,
  type MediaPart as WirePart,
  Modality as WireModality,
  PatchEmbedding,
  type Regions as WireRegions,
} from "./gen/cmcr/v1/encoder.js";
import type { TensorInfo } from "./gen/cmcr/v1/tensor.js";

const WIRE_MODALITIES: Readonly<Record<Modality, WireModality>> = {
  text: WireModality.MODALITY_TEXT,
  image: WireModality.MODALITY_IMAGE,
  audio: WireModality.MODALITY_AUDIO,
  pointcloud: WireModality.MODALITY_POINTCLOUD,
  video: WireModality.MODALITY_VIDEO,
};

const WIRE_PATCHES: Readonly<Record<PatchSource, PatchEmbedding>> = {
  tokens: PatchEmbedding.PATCH_EMBEDDING_TOKENS,
  values: PatchEmbedding.PATCH_EMBEDDING_VALUES,
};

/** Frozen encoders, and the generators of the built-in worlds. */
export class EncoderClient {
  readonly #client: EncoderServiceClient;
  constructor(private readonly channel: Channel) {
    this.#client = channel.client(EncoderServiceClient);
  }

  /** All that an encoder's embeddings depend on, without running it. */
  async describe(spec: EncoderSpec): Promise<EncoderDescription> {
    const answer = await unary(
      this.channel.context,
      "DescribeEncoder",
      DEADLINE_MS.work,
      this.#client.describeEncoder.bind(this.#client),
      { encoder: wireSpec(spec) },
    );
    return {
      dimension: answer.dimension,
      modalities: MODALITIES.filter((name) => answer.modalities.includes(WIRE_MODALITIES[name])),
      weightsSha256: answer.weightsSha256,
      revision: answer.revision,
      computeDtype: answer.computeDtype,
      preprocessing: answer.preprocessingJson,
      patchGrid: answer.patchGrid === undefined ? null : { rows: answer.patchGrid.rows, columns: answer.patchGrid.columns },
      patchesMissing: answer.patchesMissing,
    };
  }

  /** Embeds batches in the order given; rows are L2-normalised float32. */
  async encode(
    spec: EncoderSpec,
    modality: Modality,
    total: number,
    batches: Iterable<ItemBatch> | AsyncIterable<ItemBatch>,
    target: ResultTarget,
    onProgress: OnProgress,
  ): Promise<RemoteTensor> {
    async function* messages(): AsyncGenerator<EncodeRequest> {
      yield {
        part: {
          $case: "start",
          value: { encoder: wireSpec(spec), modality: WIRE_MODALITIES[modality], total, destination: destination(target), limits: undefined, reportFailures: false, squash: false, patches: PatchEmbedding.PATCH_EMBEDDING_UNSPECIFIED },
        },
      };
      for await (const batch of batches) yield { part: { $case: "batch", value: wireBatch(batch) } };
    }
    let result: TensorInfo | undefined;
    await converse(
      this.channel.context,
      "Encode",
      (metadata, options) => this.#client.encode(metadata, options),
      messages(),
      (message) => {
        onProgress(message.rowsDone, total);
        result = message.tensor ?? result;
      },
    );
    return remoteTensor(result, "Encode");
  }

  /**
   * Embeds items in shards, each a matrix of its own, leaving out those that cannot be read.
   * Rejects when the worker ends the stream before the last shard.
   */
  async encodeShards({ spec, modality, total, limits, squash = false, patches, messages }: ShardedEncoding, answers: ShardAnswers): Promise<void> {
    let sent = 0;
    let finished = 0;
    async function* requests(): AsyncGenerator<EncodeRequest> {
      yield {
        part: {
          $case: "start",
          value: {
            encoder: wireSpec(spec),
            modality: WIRE_MODALITIES[modality],
            total,
            destination: undefined,
            limits: limits === null ? undefined : wireLimits(limits),
            reportFailures: true,
            squash,
            patches: patches === undefined ? PatchEmbedding.PATCH_EMBEDDING_UNSPECIFIED : WIRE_PATCHES[patches],
          },
        },
      };
      for await (const message of messages) {
        if (message.kind === "end") sent += 1;
        yield wireMessage(message);
      }
    }
    await converse(
      this.channel.context,
      "Encode",
      (metadata, options) => this.#client.encode(metadata, options),
      requests(),
      async ({ rowsDone, failures, notes, shard }) => {
        for (const note of notes) answers.onNote(note);
        if (failures.length > 0) {
          await answers.onFailures(failures.map(({ item, reason, message }) => ({ item, reason: shortReason(reason), message })));
        }
        answers.onProgress(rowsDone);
        if (shard === undefined) return;
        finished += 1;
        const { items, rows, tensor, sha256, bytes } = shard;
        await answers.onShard({ items, rows, tensor: tensor === undefined ? null : remoteTensor(tensor, "Encode"), sha256, bytes });
      },
    );
    if (finished < sent) {
      throw new CmcrError(`the worker finished ${finished} of ${sent} shards and said nothing of the others`, { code: EXIT.worker, reason: "MALFORMED_ANSWER" });
    }
  }

  /** Count, and for the first `count` items attributes, captions and boxes, of a generator's split. */
  async describeGenerated(source: GeneratedSource, count: number): Promise<GeneratedDescription> {
    const answer = await unary(
      this.channel.context,
      "DescribeGenerated",
      DEADLINE_MS.work,
      this.#client.describeGenerated.bind(this.#client),
      { source, count },
    );
    return {
      available: answer.available === 0 ? null : answer.available,
      revision: answer.revision,
      captions: answer.captions,
      attributes: answer.attributes.map(({ name, values, labels }) => ({ name, values, labels: Uint32Array.from(labels) })),
      boxes: answer.boxes.length === 0 ? null : answer.boxes.map(({ regions }) => regions.map(({ left, top, right, bottom }) => [left, top, right, bottom] as const)),
    };
  }

  /** Writes each cloud of a file that holds many as a .npy of its own into `folder`, which must be new or empty. */
  async unpackClouds(request: { readonly path: string; readonly folder: string }, onProgress: OnProgress): Promise<UnpackedClouds> {
    let last: UnpackedClouds | undefined;
    await readAll(
      this.channel.context,
      "UnpackClouds",
      (metadata, options) => this.#client.unpackClouds(request, metadata, options),
      ({ done, total, labels, layout }) => {
        onProgress(done, total);
        if (layout !== "") last = { count: total, labels: labels.length === 0 ? null : labels, layout };
      },
    );
    if (last !== undefined) return last;
    throw new CmcrError("the worker ended UnpackClouds without saying what it wrote", { code: EXIT.worker, reason: "MALFORMED_ANSWER" });
  }
}

function wireSpec(spec: EncoderSpec): WireSpec {
  return {
    provider: spec.provider,
    model: spec.model,
    checkpoint: spec.checkpoint ?? "",
    optionsJson: JSON.stringify(spec.options),
  };
}

function wireMessage(message: ShardMessage): EncodeRequest {
  return message.kind === "batch"
    ? { part: { $case: "batch", value: wireBatch(message.batch) } }
    : { part: { $case: "shardEnd", value: { destination: destination(message.target) } } };
}

function wireLimits({ bytes, pixels, seconds, points, workSeconds }: DecodeLimits): WireLimits {
  return { bytes: bytes ?? 0, pixels: pixels ?? 0, seconds: seconds ?? 0, points: points ?? 0, workSeconds: workSeconds ?? 0 };
}

function wireBatch(batch: ItemBatch): WireBatch {
  switch (batch.kind) {
    case "items":
      return { items: { $case: "list", value: { items: batch.items.map(wireItem) } } };
    case "texts":
      return { items: { $case: "texts", value: { texts: [...batch.texts] } } };
    case "files":
      return { items: { $case: "files", value: { paths: [...batch.paths] } } };
    case "generated":
      return { items: { $case: "generated", value: { source: batch.source, start: batch.start, count: batch.count, regions: wireRegions(batch.regions) } } };
  }
}

function wireItem({ name, content, part, regions }: Item): WireItem {
  return { name, content: wireContent(content), part: part === null ? undefined : wirePart(part), regions: wireRegions(regions) };
}

function wireRegions(boxes: readonly RegionBox[] | undefined): WireRegions | undefined {
  return boxes === undefined ? undefined : { regions: boxes.map(([left, top, right, bottom]) => ({ left, top, right, bottom })) };
}

function wireContent(content: Item["content"]): WireItem["content"] {
  switch (content.kind) {
    case "text":
      return { $case: "text", value: content.text };
    case "file":
      return { $case: "file", value: { path: content.path, offset: content.range?.offset, length: content.range?.length } };
    case "data":
      return { $case: "data", value: Buffer.from(content.data.buffer, content.data.byteOffset, content.data.byteLength) };
  }
}

function wirePart({ startSeconds, durationSeconds, position }: MediaPart): WirePart {
  return { startSeconds: startSeconds ?? undefined, durationSeconds: durationSeconds ?? undefined, position: position ?? undefined };
}
