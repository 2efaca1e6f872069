import { rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import type { UnpackedClouds } from "../bridge/types.js";
import type { Worker } from "../bridge/worker.js";
import { CLOUD_CLASSES } from "../data/sources/modelNet40Files.js";
import { dataError, usageError } from "../errors.js";

export interface UnpackRequest {
  /** The file that holds many clouds, absolute and below a root of the worker's. */
  readonly path: string;
  /** The folder that gets 000000.npy and so on, absolute and below a root of the worker's; it must not be there yet. */
  readonly folder: string;
  /**
   * What the clouds are, which is written beside them as classes.txt: either the class of each label of the file
   * (the lines of modelnet40_shape_names.txt), or the class of each cloud where the file has no labels
   * (`category` of modelnet40_test_split_10k_colored.json and of OpenShape's test_split.json). Null: no classes.txt.
   */
  readonly classes: { readonly ofLabels: readonly string[] } | { readonly ofClouds: readonly string[] } | null;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (done: number, total: number) => void;
}

/**
 * Unpacks a file of many clouds with the worker, so that each is a file that `{ type: modelnet40, format: unpacked }`
 * finds. The folder appears whole or not at all; what an interrupted call left is removed. Rejects with exit 2 where
 * the folder is there already, with exit 3 where the file is damaged or its classes are not those of its clouds.
 */
export async function unpackClouds(worker: Worker, request: UnpackRequest): Promise<UnpackedClouds> {
  const { path, folder, classes, signal, onProgress } = request;
  if ((await stat(folder).catch(() => null)) !== null) {
    throw usageError(`${folder} is there already. Remove it, or name another folder.`, { reason: "EXISTS", path: folder });
  }
  const pending = join(dirname(folder), `.${basename(folder)}.partial`);
  await rm(pending, { recursive: true, force: true });
  try {
    signal?.throwIfAborted();
    const clouds = await worker.encoders.unpackClouds({ path, folder: pending }, (done, total) => {
      signal?.throwIfAborted();
      onProgress(done, total);
    });
    if (classes !== null) await writeFile(join(pending, CLOUD_CLASSES), `${classesOf(path, clouds, classes).join("\n")}\n`);
    await rename(pending, folder);
    return clouds;
  } catch (error) {
    await rm(pending, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
}

/** The class of each cloud. Thrown with exit 3 where there is none for a label, or another number of them. */
function classesOf(path: string, { count, labels }: UnpackedClouds, classes: NonNullable<UnpackRequest["classes"]>): readonly string[] {
  if ("ofClouds" in classes) {
    if (classes.ofClouds.length === count) return classes.ofClouds;
    throw dataError(`${path} has ${count} clouds, and there are classes of ${classes.ofClouds.length}. Do the two files belong together?`, { reason: "SHAPE_MISMATCH", path });
  }
  if (labels === null) throw dataError(`${path} has no labels; the classes of its clouds are in a file of their own.`, { reason: "NO_LABELS", path });
  return labels.map((label, cloud) => {
    const name = classes.ofLabels[label];
    if (name === undefined) throw dataError(`${path}: cloud ${cloud} has the label ${label}; there are ${classes.ofLabels.length} classes.`, { reason: "BAD_LABELS", path });
    return name;
  });
}
