/** What the rest of cmcr sees of the worker: plain types, nothing of gRPC. */

import type { Modality } from "../config/compiled.js";
import type { PlannedStep } from "../connect/plan.js";
import type { RegionBox } from "../data/regions.js";

/** A matrix that the worker holds: (rows, dim). */
export interface RemoteTensor {
  readonly handle: string;
  readonly rows: number;
  readonly dim: number;
}

/** A connector that the worker holds. */
export interface RemoteConnector {
  readonly handle: string;
  readonly outputDim: number;
}

/** Where a result goes: a .npy file that the worker writes whole, or its memory. */
export type ResultTarget = { readonly path: string } | "memory";

export interface WorkerInfo {
  readonly protocolVersion: number;
  readonly workerVersion: string;
  readonly gitRevision: string;
  readonly pythonVersion: string;
  readonly torchVersion: string;
  readonly cudaVersion: string;
  readonly device: string;
  readonly deviceName: string;
  readonly threads: number;
  readonly pid: number;
  readonly encoders: readonly string[];
  readonly connectors: readonly string[];
  readonly heads: readonly string[];
  readonly generators: readonly string[];
  readonly roots: readonly string[];
}

export interface EncoderSpec {
  readonly provider: string;
  readonly model: string;
  /** Other weights than the provider's own; absolute path. */
  readonly checkpoint: string | null;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface EncoderDescription {
  readonly dimension: number;
  readonly modalities: readonly Modality[];
  readonly weightsSha256: string;
  readonly revision: string;
  readonly computeDtype: string;
  /**
   * What is done to an item of each modality before the forward pass, as canonical JSON; under `regions` and
   * `patches` what embedding those depends on besides.
   */
  readonly preprocessing: string;
  /** Patches of an image that have embeddings of their own, row-major; null where there are none. */
  readonly patchGrid: PatchGrid | null;
  /** Why there are no patches, in a few words; empty where there are. */
  readonly patchesMissing: string;
}

export interface PatchGrid {
  readonly rows: number;
  readonly columns: number;
}

/** Where patches' embeddings come from: the last layer's tokens, or its attention's values. */
export type PatchSource = "tokens" | "values";

export interface GeneratedSource {
  readonly generator: string;
  readonly split: string;
  readonly seed: number;
}

/** Which part of a recording is meant; a field that is null says nothing. An image from a video is one frame. */
export interface MediaPart {
  readonly startSeconds: number | null;
  /** Null: to the end. */
  readonly durationSeconds: number | null;
  /** Of a frame: a fraction of the length, in [0, 1]. */
  readonly position: number | null;
}

/** One item as the worker is asked for it. */
export interface Item {
  /** What messages call it; its ending tells the format where the bytes do not. */
  readonly name: string;
  readonly content:
    | { readonly kind: "text"; readonly text: string }
    /** A file, or a run of bytes in it, such as a member of a tar. */
    | { readonly kind: "file"; readonly path: string; readonly range: { readonly offset: number; readonly length: number } | null }
    /** The encoded bytes themselves, such as those of a JPEG. */
    | { readonly kind: "data"; readonly data: Uint8Array };
  readonly part: MediaPart | null;
  /** Of an image: these are embedded in its place, one row for each, in their order; at least one. */
  readonly regions?: readonly RegionBox[];
}

/** What one item may ask for before it counts as unreadable; null: no limit beyond the worker's own. */
export interface DecodeLimits {
  readonly bytes: number | null;
  readonly pixels: number | null;
  readonly seconds: number | null;
  readonly points: number | null;
  readonly workSeconds: number | null;
}

/** A batch of items to encode together. */
export type ItemBatch =
  | { readonly kind: "items"; readonly items: readonly Item[] }
  | { readonly kind: "texts"; readonly texts: readonly string[] }
  | { readonly kind: "files"; readonly paths: readonly string[] }
  | { readonly kind: "generated"; readonly source: GeneratedSource; readonly start: number; readonly count: number; /** Of each image. */ readonly regions?: readonly RegionBox[] };

/** What an encoding in shards sends: batches, and after those of each shard its end. */
export type ShardMessage = { readonly kind: "batch"; readonly batch: ItemBatch } | { readonly kind: "end"; readonly target: ResultTarget };

/** What the worker is to embed in shards. */
export interface ShardedEncoding {
  readonly spec: EncoderSpec;
  readonly modality: Modality;
  /** Items that will come in all. */
  readonly total: number;
  readonly limits: DecodeLimits | null;
  /** Squash images, and regions of them, to squares first; left out: no. */
  readonly squash?: boolean;
  /** A row for each patch of each image; left out: one for the image. */
  readonly patches?: PatchSource;
  /** Read as fast as the worker takes them. */
  readonly messages: AsyncIterable<ShardMessage>;
}

/** An item that has no row. */
export interface FailedItem {
  /** Counted from 0 over all items sent. */
  readonly item: number;
  /** Stable, upper-case, such as `DATA_CORRUPT`. */
  readonly reason: string;
  readonly message: string;
}

/** A finished shard. */
export interface FinishedShard {
  /** Items that it was made from, and rows that it has: more where items have regions or patches. */
  readonly items: number;
  readonly rows: number;
  /** Null where no row is left; nothing was written then. */
  readonly tensor: RemoteTensor | null;
  /** SHA-256 and size of the file that was written; empty and 0 where the worker keeps it in its memory. */
  readonly sha256: string;
  readonly bytes: number;
}

/** Hears an encoding in shards; no further answer comes before a promise is settled. */
export interface ShardAnswers {
  /** Items that are done, those that failed among them. */
  readonly onProgress: (done: number) => void;
  readonly onFailures: (failures: readonly FailedItem[]) => void | Promise<void>;
  /** Once for each shard, in order. */
  readonly onShard: (shard: FinishedShard) => void | Promise<void>;
  /** What a user should know, such as that batches were halved. */
  readonly onNote: (note: string) => void;
}

/** What was written of a file that holds many clouds: 000000.npy and so on. */
export interface UnpackedClouds {
  readonly count: number;
  /** Of each cloud; null where the file has none. */
  readonly labels: readonly number[] | null;
  /** What the file is, such as "modelnet40 cache". */
  readonly layout: string;
}

export interface GeneratedDescription {
  /** Items in the split; null where there is no end. */
  readonly available: number | null;
  readonly revision: string;
  readonly captions: readonly string[];
  readonly attributes: readonly { readonly name: string; readonly values: readonly string[]; readonly labels: Uint32Array }[];
  /** Where in its picture each described item sounds; null where the split has no such thing. */
  readonly boxes: readonly (readonly RegionBox[])[] | null;
}

export type HeadLayer = { readonly kind: "linear"; readonly outputs: number } | { readonly kind: "batchnorm" | "relu" | "gelu" };

export interface Head {
  readonly preset: "audio-visual" | "three-d" | "layers";
  readonly inputDim: number;
  readonly outputDim: number;
  readonly layers: readonly HeadLayer[];
}

export interface TrainingStart {
  readonly runId: string;
  readonly sides: readonly [TrainingSide, TrainingSide];
  readonly initialization: "default" | "eye" | "xavier";
  readonly seed: number;
  readonly batchNorm: "together" | "apart";
  readonly optimizer: {
    readonly type: "adamw" | "adam" | "sgd";
    readonly betas: readonly [number, number];
    readonly epsilon: number;
    readonly momentum: number;
    readonly maxGradientNorm: number | null;
  };
}

export interface TrainingSide {
  readonly space: string;
  readonly head: Head;
  readonly overlap: RemoteTensor;
  /** Null when no term of the loss uses the pseudo pairs. */
  readonly pseudo: RemoteTensor | null;
}

/** What one step measured; loss terms are before weighting, null where left out. */
export interface StepReport {
  readonly step: number;
  readonly loss: number;
  readonly overlap: number | null;
  readonly pseudo: number | null;
  readonly intra: number | null;
  /** L2 norm of each side's gradient, before clipping. */
  readonly gradientNorms: readonly number[];
  readonly seconds: number;
}

export interface TrainedProjectors {
  /** The bytes of projectors.safetensors. */
  readonly data: Buffer;
  readonly sha256: string;
  readonly steps: number;
}

/** Published projectors as they are asked for. */
export interface ImportRequest {
  /** Name in the worker's registry of layouts. */
  readonly layout: string;
  /** The base, then the space that is joined to it. */
  readonly spaces: readonly [string, string];
  readonly files: readonly { readonly name: string; readonly path: string }[];
}

/** A head as a published file has it. */
export interface PublishedHead {
  readonly space: string;
  readonly head: { readonly preset: string; readonly inputDim: number; readonly outputDim: number };
  /** What the file's own names begin with, such as `Head_A.`; empty for a side without weights. */
  readonly source: string;
}

export interface ImportedProjectors {
  /** The bytes of projectors.safetensors. */
  readonly data: Buffer;
  readonly sha256: string;
  /** In the order of the spaces. */
  readonly sides: readonly [PublishedHead, PublishedHead];
  /** Tensors in the files. */
  readonly tensors: number;
}

/** Projectors to be written as their authors publish them. */
export interface ExportRequest {
  readonly layout: string;
  /** The base, then the space that is joined to it. */
  readonly spaces: readonly [string, string];
  /** The bytes of projectors.safetensors. */
  readonly data: Buffer;
}

export interface ExportedFile {
  readonly data: Buffer;
  readonly sha256: string;
  readonly tensors: number;
  /** In the order of the spaces. */
  readonly sides: readonly [PublishedHead, PublishedHead];
}

export interface TrainingRequest {
  readonly start: TrainingStart;
  readonly steps: Iterable<PlannedStep>;
  /** Steps that travel in one message. */
  readonly stepsPerMessage: number;
  readonly onReports: (reports: readonly StepReport[]) => void;
}

export interface FitRequest {
  readonly method: string;
  readonly sourceSpace: string;
  readonly targetSpace: string;
  readonly sourceOverlap: RemoteTensor;
  readonly targetOverlap: RemoteTensor;
  readonly sourcePseudo: RemoteTensor | null;
  readonly targetPseudo: RemoteTensor | null;
  readonly sourceMemory: RemoteTensor | null;
  readonly targetMemory: RemoteTensor | null;
  readonly temperature: number | null;
  readonly regularization: number | null;
  readonly dimensions: number | null;
}

/** Relevant gallery rows of every query, in compressed rows. */
export interface Relevance {
  readonly offsets: Uint32Array;
  readonly columns: Uint32Array;
}

export interface ScoreBlock {
  readonly firstRow: number;
  readonly rows: number;
  /** (rows, gallery), row-major. */
  readonly scores: Float32Array;
}

export type OnProgress = (done: number, total: number) => void;
