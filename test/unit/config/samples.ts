import { readFileSync } from "node:fs";

import type { CompiledExperiment } from "../../../src/config/compiled.js";
import { parseExperiment } from "../../../src/config/load.js";
import { CmcrError } from "../../../src/errors.js";

/** An experiment file in the shape that the interface promises; its line numbers count in the tests. */
export const DIGITS = `version: 1
name: digits
seed: 0
worker: { device: auto }
spaces:
  clip: { provider: precomputed }
  clap: { provider: precomputed }
data:
  captions:
    modality: text
    embeddings: { clip: emb/clip_text.npy, clap: emb/clap_text.npy }
  images:      { modality: image, embeddings: { clip: emb/clip_image_train.npy } }
  sounds:      { modality: audio, embeddings: { clap: emb/clap_audio_train.npy } }
  test_images: { modality: image, embeddings: { clip: emb/clip_image_test.npy }, labels: emb/clip_image_test_labels.npy }
  test_sounds: { modality: audio, embeddings: { clap: emb/clap_audio_test.npy }, labels: emb/clap_audio_test_labels.npy }
connect:
  method: cmcr
  overlap: captions
  sides:
    - { space: clip, memory: images }
    - { space: clap, memory: sounds }
  consistency: { temperature: 0.01 }
  completion: { variance: 0.004 }
  projector: { preset: audio-visual }
  loss:
    overlap: { weight: 1, temperature: 0.01 }
    pseudo:  { weight: 1, temperature: 0.01 }
    intra:   { weight: 0.1 }
  optimizer: { type: adamw, lr: { schedule: cosine, from: 1e-3, to: 0 } }
  batchSize: 512
  epochs: 36
evaluate:
  - name: sound-image
    task: retrieval
    query:   { data: test_sounds, space: clap }
    gallery: { data: test_images, space: clip }
    relevance: labels
    ks: [1, 5, 10]
    baselines: [chance, pivot, pivot-soft, pivot-two-sided, procrustes, ridge]
`;

/** The least that an experiment needs. */
export const MINIMAL = `version: 1
name: least
spaces: { a: { provider: precomputed }, b: { provider: precomputed } }
data:
  both: { modality: text, embeddings: { a: a.npy, b: b.npy } }
  left: { modality: image, embeddings: { a: left.npy } }
  right: { modality: audio, embeddings: { b: right.npy } }
connect: { method: cmcr, overlap: both, sides: [{ space: a, memory: left }, { space: b, memory: right }] }
`;

/** The text of an experiment that comes with cmcr. */
export function shipped(name: string): string {
  return readFileSync(new URL(`../../../experiments/${name}.yaml`, import.meta.url), "utf8");
}

/** Compiles a file's text as if it lay at /study/digits.yaml. */
export function compile(text: string, set: readonly string[] = []): CompiledExperiment {
  return parseExperiment(text, "digits.yaml", { folder: "/study", set }).experiment;
}

/** The text with one place changed; the place must be there, once. */
export function change(text: string, from: string, to: string): string {
  if (text.split(from).length !== 2) throw new Error(`the sample has not exactly one ${JSON.stringify(from)}`);
  return text.replace(from, () => to);
}

/** The error that parsing the text ends in. */
export function refusal(text: string, set: readonly string[] = []): CmcrError {
  try {
    parseExperiment(text, "digits.yaml", { folder: "/study", set });
  } catch (error) {
    if (error instanceof CmcrError) return error;
    throw error;
  }
  throw new Error("the file was accepted");
}
