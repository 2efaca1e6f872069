/**
 * The compiled experiment: complete, readonly, every default filled in, every
 * name resolved, every path absolute. Made by `compileExperiment` from what the
 * user wrote; nothing after it knows of defaults.
 */

import { isAbsolute } from "node:path";

import type { MapSettings } from "../evaluate/places.js";
import type { CompiledSource } from "./compiledSource.js";

export type { CompiledPart, CompiledSource, CompiledTable, SourceInput, TableFormat, TableLayout } from "./compiledSource.js";

export const MODALITIES = ["text", "image", "audio", "pointcloud", "video"] as const;
export type Modality = (typeof MODALITIES)[number];

/** A value that may change over the training steps. `evaluateSchedule` gives its value at a step. */
export type Schedule =
  | { readonly kind: "constant"; readonly from: number }
  | { readonly kind: "linear" | "cosine"; readonly from: number; readonly to: number }
  /** Multiplied by `factor` at each of `milestones`, which are fractions of all steps in (0, 1). */
  | { readonly kind: "step"; readonly from: number; readonly factor: number; readonly milestones: readonly number[] }
  /** Rises linearly from 0 to `from` over the fraction `warmup` of all steps, then falls to `to` on a cosine. */
  | { readonly kind: "warmup-cosine"; readonly from: number; readonly to: number; readonly warmup: number };

export interface CompiledWorker {
  /** `auto`: CUDA where there is one, else the CPU. */
  readonly device: string;
  /** Threads torch uses for one operation. */
  readonly threads: number;
  /** Processes that decode images, sounds and clouds. Null: as many as the worker's machine has cores. */
  readonly decoders: number | null;
  /** Null: a worker process of our own. Else `unix:/path` or `host:port`. */
  readonly address: string | null;
}

/** A frozen space whose encoder the worker runs. */
export interface CompiledEncoder {
  readonly name: string;
  /** Name in the worker's registry of providers, such as `huggingface-clip`. */
  readonly provider: string;
  /** Which model of the provider, such as `scenes-image-text` or a hub id; empty where the checkpoint says it. */
  readonly model: string;
  /** Weights to use in place of the provider's own: a file or a folder, absolute. */
  readonly checkpoint: string | null;
  /** The provider's further settings, as the worker is given them; plain JSON. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** Items that go through the encoder together. */
  readonly batchSize: number;
}

/** The files and folders that an encoder is loaded from: its checkpoint, and each option that is an absolute path. */
export function encoderPaths({ checkpoint, options }: Pick<CompiledEncoder, "checkpoint" | "options">): { readonly field: string; readonly path: string }[] {
  const paths = checkpoint === null ? [] : [{ field: "checkpoint", path: checkpoint }];
  for (const [field, value] of Object.entries(options)) {
    if (typeof value === "string" && isAbsolute(value)) paths.push({ field, path: value });
  }
  return paths;
}

/** A frozen space: embeddings that are given, or an encoder. */
export type CompiledSpace = { readonly name: string; readonly provider: "precomputed" } | CompiledEncoder;

/** Whether a space has an encoder. */
export function hasEncoder(space: CompiledSpace): space is CompiledEncoder {
  return space.provider !== "precomputed";
}

export type CompiledLabels =
  | { readonly kind: "file"; readonly path: string }
  /** An attribute of the source's items, such as `class`. */
  | { readonly kind: "attribute"; readonly attribute: string };

/** Where in each image something sounds. */
export type CompiledBoxes =
  /** A .json file with a list of boxes [left, top, right, bottom] for each item, fractions of the frame; an empty one where nothing sounds. */
  | { readonly kind: "file"; readonly path: string }
  /** An attribute of the source's items that holds such a list as JSON text; of a generator, `boxes`. */
  | { readonly kind: "attribute"; readonly attribute: string };

/** What becomes of items that cannot be read. */
export interface CompiledUnreadable {
  /** `skip`: they are left out and listed, up to the limit. `fail`: the first one ends the run. */
  readonly action: "skip" | "fail";
  /** In percent of the collection's items. */
  readonly limit: number;
}

/** What one item may ask for before it counts as unreadable; null: no limit beyond the worker's own. */
export interface CompiledLimits {
  readonly bytes: number | null;
  readonly pixels: number | null;
  readonly seconds: number | null;
  readonly points: number | null;
  readonly workSeconds: number | null;
}

export interface CompiledCollection {
  readonly name: string;
  readonly modality: Modality;
  readonly source: CompiledSource | null;
  /** Space name to absolute path, for embeddings that are given. */
  readonly embeddings: Readonly<Record<string, string>>;
  readonly labels: CompiledLabels | null;
  readonly boxes: CompiledBoxes | null;
  readonly unreadable: CompiledUnreadable;
  /** Null: none was given. */
  readonly limits: CompiledLimits | null;
  /** Only so many items, drawn at random; left out: all. */
  readonly sample?: { readonly count: number; readonly seed: number };
}

export type CompiledLayer =
  | { readonly kind: "linear"; /** Null: the joint dimension. */ readonly outputs: number | null }
  | { readonly kind: "batchnorm" | "relu" | "gelu" };

export interface CompiledProjector {
  readonly preset: "audio-visual" | "three-d" | "layers";
  /** Of the joint space; null: the smaller of the two spaces' dimensions. */
  readonly dim: number | null;
  /** For each side in order; empty unless the preset is `layers`. */
  readonly layers: readonly [readonly CompiledLayer[], readonly CompiledLayer[]];
  readonly initialization: "default" | "eye" | "xavier";
  readonly batchNorm: "together" | "apart";
}

export interface CompiledContrastiveTerm {
  readonly weight: Schedule;
  readonly temperature: Schedule;
}

export interface CompiledOptimizer {
  readonly type: "adamw" | "adam" | "sgd";
  readonly lr: Schedule;
  readonly weightDecay: Schedule;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly momentum: number;
  /** Null: not clipped. */
  readonly maxGradientNorm: number | null;
}

export interface CompiledSide {
  readonly space: string;
  readonly memory: string;
}

export interface CompiledConnect {
  readonly method: "cmcr";
  readonly overlap: string;
  readonly sides: readonly [CompiledSide, CompiledSide];
  /** How each query gets its pseudo items. `random`: any item of the memory, as an ablation. */
  readonly consistency: { readonly mode: "softmax"; readonly temperature: number } | { readonly mode: "random" };
  /** Null: no completion noise. */
  readonly completion: { readonly variance: Schedule } | null;
  readonly projector: CompiledProjector;
  /** A term that is null is left out. */
  readonly loss: {
    readonly overlap: CompiledContrastiveTerm | null;
    readonly pseudo: CompiledContrastiveTerm | null;
    readonly intra: { readonly weight: Schedule } | null;
  };
  readonly optimizer: CompiledOptimizer;
  readonly batchSize: number;
  readonly epochs: number;
  /** What becomes of a last batch that is not full. */
  readonly lastBatch: "drop" | "keep";
}

/** Projectors that were trained elsewhere: nothing is left to train, so there is no overlap and no memory. */
export interface CompiledImport {
  readonly method: "imported";
  /** Whose projectors they are: a name of `importPresets`. */
  readonly preset: string;
  /** The checkpoint, absolute: a file, or a folder of several. */
  readonly file: string;
  /** First the space that gives texts and images, then the one that is joined to it. */
  readonly sides: readonly [CompiledImportSide, CompiledImportSide];
}

export interface CompiledImportSide {
  readonly space: string;
  /** The modalities that go through this side where a command names no space. */
  readonly embeds: readonly Modality[];
}

/** What of each image is embedded in its place, one row for each region. */
export type CompiledRegions =
  /** The same grid of rectangles on every image: for each scale windows of that share of the width and height, so many of them across and down. */
  | { readonly kind: "crops"; readonly windows: readonly { readonly size: number; readonly steps: number }[]; readonly squash: boolean }
  /** A .json file with a list of boxes [left, top, right, bottom] for each image, fractions of the frame. */
  | { readonly kind: "boxes"; readonly path: string; readonly squash: boolean }
  /** The encoder's own patches; the image is squashed to a square, so that they cover all of it. */
  | { readonly kind: "patches"; readonly from: "tokens" | "values" };

/** A collection seen through a space. */
export interface CompiledView {
  readonly data: string;
  readonly space: string;
  /** Left out: a row for each item. */
  readonly regions?: CompiledRegions;
}

export interface CompiledBaseline {
  /** As written, with `+gap` where it was given: the name in metrics.json. */
  readonly name: string;
  /** Without `+gap`. */
  readonly method: string;
  /** Subtract each modality's memory mean before comparing. */
  readonly gap: boolean;
  readonly temperature: number | null;
  readonly regularization: number | null;
  readonly dimensions: number | null;
}

interface CompiledTaskBase {
  readonly name: string;
  readonly query: CompiledView;
  /** Cut-offs of the metrics; none where a task's metrics have no such thing. */
  readonly ks: readonly number[];
  readonly baselines: readonly CompiledBaseline[];
  /** The draws' own seed: whatever the seeds of the training are, runs over the same items are paired. */
  readonly bootstrap: { readonly resamples: number; readonly seed: number };
}

export interface CompiledRetrieval extends CompiledTaskBase {
  readonly task: "retrieval";
  readonly gallery: CompiledView;
  readonly relevance: { readonly kind: "labels" } | { readonly kind: "rows" } | { readonly kind: "file"; readonly path: string };
}

export interface CompiledClassification extends CompiledTaskBase {
  readonly task: "classification";
  /** Prompts; those of one label make one class. Without labels each row is a class. */
  readonly classes: CompiledView;
  /** Whether a class is the mean of its projected prompts, or the projection of the mean of its prompts. */
  readonly average: "projected" | "embedded";
}

interface CompiledPlacing extends CompiledTaskBase {
  /** The images of the sounds, item by item, with their regions. */
  readonly image: CompiledView & { readonly regions: CompiledRegions };
  readonly map: MapSettings;
}

/** Where in its image a sound comes from. */
export interface CompiledLocalization extends CompiledPlacing {
  readonly task: "localization";
}

/** The same among pairs of which some do not belong together: whether a sound comes from the image at all. */
export interface CompiledCounterfactual extends CompiledPlacing {
  readonly task: "counterfactual";
}

export type CompiledTask = CompiledRetrieval | CompiledClassification | CompiledLocalization | CompiledCounterfactual;

/** What a task looks at: the query's view, and that which it is held against. */
export function taskViews(task: CompiledTask): readonly [CompiledView, CompiledView] {
  switch (task.task) {
    case "retrieval":
      return [task.query, task.gallery];
    case "classification":
      return [task.query, task.classes];
    case "localization":
    case "counterfactual":
      return [task.query, task.image];
  }
}

export interface CompiledExperiment {
  readonly version: 1;
  readonly name: string;
  /** The first of the seeds. */
  readonly seed: number;
  /** The projectors are trained once with each; all that does not depend on a seed is made once. */
  readonly seeds: readonly number[];
  readonly worker: CompiledWorker;
  readonly spaces: Readonly<Record<string, CompiledSpace>>;
  readonly data: Readonly<Record<string, CompiledCollection>>;
  readonly connect: CompiledConnect | CompiledImport;
  readonly evaluate: readonly CompiledTask[];
}

/** The collections, seen through spaces, that the connecting itself needs: none where projectors are imported. */
export function connectedViews(connect: CompiledConnect | CompiledImport): readonly CompiledView[] {
  if (connect.method === "imported") return [];
  return connect.sides.flatMap(({ space, memory }) => [
    { data: connect.overlap, space },
    { data: memory, space },
  ]);
}
