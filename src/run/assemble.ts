import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

import { readNpyHeader } from "../data/npy.js";
import { NpyFile } from "../data/npyFile.js";
import { CmcrError } from "../errors.js";
import type { PartialOutput, ShardRecord } from "../store/partial.js";

const READ_BYTES = 4 << 20;

/** Hears of a shard that is to be made again. */
export type OnDamaged = (shard: ShardRecord, problem: string) => void;

/**
 * Joins the shards of a partial output into one .npy file, comparing each with its checksum on
 * the way. A damaged one is forgotten, and false returned: it must be made again first.
 */
export async function assemble(partial: PartialOutput, path: string, onDamaged: OnDamaged): Promise<boolean> {
  const shards = partial.records.filter(({ file }) => file !== null);
  const rows = shards.reduce((sum, shard) => sum + shard.rows, 0);
  const matrix = await NpyFile.create(path, "float32", [rows, shards[0]?.file?.dim ?? 0]);
  try {
    for (const shard of shards) {
      const problem = await copyShard(partial, shard, matrix);
      if (problem === null) continue;
      onDamaged(shard, problem);
      await partial.drop(shard);
      return false;
    }
    return true;
  } finally {
    await matrix.close();
  }
}

/** Appends a shard's rows; what is wrong with its file, or null. */
async function copyShard(partial: PartialOutput, { rows, file }: ShardRecord, matrix: NpyFile): Promise<string | null> {
  if (file === null) return null;
  const path = partial.path(file.name);
  try {
    const { dtype, shape, dataOffset } = await readNpyHeader(path);
    if (dtype !== "float32" || shape[0] !== rows || shape[1] !== file.dim) return `${file.name} does not hold ${rows} rows of ${file.dim}`;
    return await copyRows(path, dataOffset, file.sha256, matrix);
  } catch (error) {
    if (error instanceof CmcrError) return error.message;
    throw error;
  }
}

async function copyRows(path: string, dataOffset: number, sha256: string, matrix: NpyFile): Promise<string | null> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  const source = await open(path, "r");
  try {
    for (let position = 0; ; ) {
      const { bytesRead } = await source.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) break;
      const read = buffer.subarray(0, bytesRead);
      hash.update(read);
      await matrix.append(read.subarray(Math.min(bytesRead, Math.max(0, dataOffset - position))));
      position += bytesRead;
    }
  } finally {
    await source.close();
  }
  return hash.digest("hex") === sha256 ? null : `${path} does not match its checksum`;
}
