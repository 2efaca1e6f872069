// @ts-check
/** An experiment over generated matrices, as a user would write one for embeddings of their own. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeUnitRows } from "./matrices.mjs";

/**
 * Writes `experiment.yaml` and its matrices into `folder`; returns the file's path.
 *
 * @param {string} folder made where it is missing
 * @param {{ dims: readonly [number, number], outputDim: number, queries: number, memory: number,
 *   items: number, batchSize: number, epochs: number, threads: number }} size
 *   `queries` rows in the overlap, `memory` in each memory, `items` in the test
 */
export async function writeExperiment(folder, { dims, outputDim, queries, memory, items, batchSize, epochs, threads }) {
  await mkdir(folder, { recursive: true });
  const [first, second] = dims;
  const matrices = [
    ["overlap-a.npy", queries, first],
    ["overlap-b.npy", queries, second],
    ["memory-a.npy", memory, first],
    ["memory-b.npy", items, second],
    ["test-a.npy", items, first],
    ["test-b.npy", items, second],
  ];
  for (const [index, [name, rows, dim]] of matrices.entries()) await writeUnitRows(join(folder, name), rows, dim, index);
  const path = join(folder, "experiment.yaml");
  await writeFile(
    path,
    `version: 1
name: generated
worker: { device: cpu, threads: ${threads} }
spaces:
  a: { provider: precomputed }
  b: { provider: precomputed }
data:
  overlap:  { modality: text, embeddings: { a: overlap-a.npy, b: overlap-b.npy } }
  memory_a: { modality: image, embeddings: { a: memory-a.npy } }
  memory_b: { modality: audio, embeddings: { b: memory-b.npy } }
  test_a:   { modality: image, embeddings: { a: test-a.npy } }
  test_b:   { modality: audio, embeddings: { b: test-b.npy } }
connect:
  method: cmcr
  overlap: overlap
  sides:
    - { space: a, memory: memory_a }
    - { space: b, memory: memory_b }
  consistency: { temperature: 0.01 }
  completion: { variance: 0.004 }
  projector: { preset: audio-visual, dim: ${outputDim} }
  loss:
    overlap: { weight: 1, temperature: 0.2 }
    pseudo:  { weight: 1, temperature: 0.2 }
    intra:   { weight: 0.1 }
  optimizer: { type: adamw, lr: { schedule: cosine, from: 1e-3, to: 0 } }
  batchSize: ${batchSize}
  epochs: ${epochs}
evaluate:
  - name: b-to-a
    task: retrieval
    query:   { data: test_b, space: b }
    gallery: { data: test_a, space: a }
    relevance: rows
`,
  );
  return path;
}
