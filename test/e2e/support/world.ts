import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { writeNpy } from "../../../src/data/npy.js";

/**
 * A tiny pair of frozen spaces: `sight` (24 dimensions, images and texts) and
 * `hearing` (16, sounds and texts). An item has a latent factor near its class's
 * centre; each modality of each space is a linear view of it with an offset (the
 * modality gap) and noise.
 */
export const DIMENSIONS = { sight: 24, hearing: 16 } as const;
export const COUNTS = { captions: 600, images: 400, sounds: 400, test: 200, prompts: 20 } as const;
export const CLASSES = 10;

const LATENT = 8;
const SPREAD = 0.45;
const NOISE = 0.25;
const GAP = 0.5;

/** Uniform numbers in [0, 1) that depend on the seed alone (mulberry32). */
function uniforms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normals(seed: number): () => number {
  const uniform = uniforms(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

interface Items {
  readonly latents: readonly Float64Array[];
  readonly labels: readonly number[];
}

class World {
  readonly #normal: () => number;
  readonly #centres: readonly Float64Array[];
  readonly #views: Readonly<Record<keyof typeof DIMENSIONS, readonly Float64Array[]>>;

  constructor(seed: number) {
    this.#normal = normals(seed);
    this.#centres = Array.from({ length: CLASSES }, () => this.#vector(LATENT));
    const view = (dim: number) => Array.from({ length: dim }, () => this.#vector(LATENT, LATENT ** -0.5));
    this.#views = { sight: view(DIMENSIONS.sight), hearing: view(DIMENSIONS.hearing) };
  }

  #vector(length: number, scale = 1): Float64Array {
    return Float64Array.from({ length }, () => scale * this.#normal());
  }

  /** Items of all classes in turn. */
  items(count: number, spread = SPREAD): Items {
    const labels = Array.from({ length: count }, (_, index) => index % CLASSES);
    const latents = labels.map((label) => this.#vector(LATENT, spread).map((value, k) => value + (this.#centres[label]?.[k] ?? 0)));
    return { latents, labels };
  }

  /** The offset of one modality in a space. */
  offset(space: keyof typeof DIMENSIONS): Float64Array {
    return this.#vector(DIMENSIONS[space], GAP);
  }

  /** The items in a space, (n, dim) row-major, float32. */
  embed({ latents }: Items, space: keyof typeof DIMENSIONS, offset: Float64Array): Float32Array {
    return Float32Array.from(
      latents.flatMap((latent) =>
        this.#views[space].map((row, d) => row.reduce((sum, weight, k) => sum + weight * (latent[k] ?? 0), 0) + (offset[d] ?? 0) + NOISE * this.#normal()),
      ),
    );
  }
}

/** Writes the two spaces into `folder` as .npy files; the same bytes for the same seed. */
export async function writeWorld(folder: string, seed = 20): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const world = new World(seed);
  const offsets = { text: { sight: world.offset("sight"), hearing: world.offset("hearing") }, image: world.offset("sight"), audio: world.offset("hearing") };
  const captions = world.items(COUNTS.captions);
  const test = world.items(COUNTS.test);
  // Other items of the same classes: their order says nothing of which sound belongs to which image.
  const sounding = world.items(COUNTS.test);
  const prompts = world.items(COUNTS.prompts, SPREAD / 3);
  const { sight, hearing } = DIMENSIONS;
  const matrix = (name: string, rows: number, dim: number, data: Float32Array) => writeNpy(join(folder, `${name}.npy`), data, [rows, dim]);
  await matrix("captions-sight", COUNTS.captions, sight, world.embed(captions, "sight", offsets.text.sight));
  await matrix("captions-hearing", COUNTS.captions, hearing, world.embed(captions, "hearing", offsets.text.hearing));
  await matrix("images", COUNTS.images, sight, world.embed(world.items(COUNTS.images), "sight", offsets.image));
  await matrix("sounds", COUNTS.sounds, hearing, world.embed(world.items(COUNTS.sounds), "hearing", offsets.audio));
  await matrix("test-images", COUNTS.test, sight, world.embed(test, "sight", offsets.image));
  await matrix("test-sounds", COUNTS.test, hearing, world.embed(sounding, "hearing", offsets.audio));
  await matrix("prompts", COUNTS.prompts, sight, world.embed(prompts, "sight", offsets.text.sight));
  const labels = (name: string, { labels: values }: Items) => writeNpy(join(folder, `${name}-labels.npy`), BigInt64Array.from(values, BigInt), [values.length]);
  await labels("test-images", test);
  await labels("test-sounds", sounding);
  await labels("prompts", prompts);
  const relevant = sounding.labels.map((label) => test.labels.flatMap((other, column) => (other === label ? [column] : [])));
  writeFileSync(join(folder, "relevance.json"), JSON.stringify(relevant));
}

/** An experiment on the two spaces; `emb/` lies beside it. Tests count on its lines. */
export const EXPERIMENT = `version: 1
name: tiny
seed: 3
worker: { device: cpu }
spaces:
  sight:   { provider: precomputed }
  hearing: { provider: precomputed }
data:
  captions:
    modality: text
    embeddings: { sight: emb/captions-sight.npy, hearing: emb/captions-hearing.npy }
  images:      { modality: image, embeddings: { sight: emb/images.npy } }
  sounds:      { modality: audio, embeddings: { hearing: emb/sounds.npy } }
  test_images: { modality: image, embeddings: { sight: emb/test-images.npy }, labels: emb/test-images-labels.npy }
  test_sounds: { modality: audio, embeddings: { hearing: emb/test-sounds.npy }, labels: emb/test-sounds-labels.npy }
  prompts:     { modality: text, embeddings: { sight: emb/prompts.npy }, labels: emb/prompts-labels.npy }
connect:
  method: cmcr
  overlap: captions
  sides:
    - { space: sight, memory: images }
    - { space: hearing, memory: sounds }
  consistency: { temperature: 0.05 }
  completion: { variance: 0.004 }
  projector: { preset: audio-visual }
  loss:
    overlap: { weight: 1, temperature: 0.1 }
    pseudo:  { weight: 1, temperature: 0.1 }
    intra:   { weight: 0.1 }
  optimizer: { type: adamw, lr: { schedule: cosine, from: 3e-3, to: 0 } }
  batchSize: 150
  epochs: 10
evaluate:
  - name: sound-image
    task: retrieval
    query:   { data: test_sounds, space: hearing }
    gallery: { data: test_images, space: sight }
    relevance: labels
    ks: [1, 5]
    baselines: [chance, pivot-soft, procrustes+gap]
    bootstrap: { resamples: 200 }
  - name: sound-class
    task: classification
    query:   { data: test_sounds, space: hearing }
    classes: { data: prompts, space: sight }
    baselines: [chance, procrustes]
    bootstrap: { resamples: 200 }
`;

/** The text with one place changed; the place must be there, once. */
export function change(text: string, from: string, to: string): string {
  if (text.split(from).length !== 2) throw new Error(`the experiment has not exactly one ${JSON.stringify(from)}`);
  return text.replace(from, () => to);
}

/** Writes an experiment file beside `emb/`; its path. */
export function writeExperiment(folder: string, text = EXPERIMENT, name = "tiny.yaml"): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
