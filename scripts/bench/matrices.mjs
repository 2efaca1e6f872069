// @ts-check
/** Matrices to measure with: random unit rows, written piece by piece. */
import { NpyFile } from "../../dist/data/npyFile.js";
import { randomSource } from "../../dist/connect/random.js";

const ROWS_AT_ONCE = 4096;
const HALF_WORD = 2 ** 31;

/** Writes (rows, dim) float32 as .npy: directions spread over the sphere, the same for the same seed. */
export async function writeUnitRows(path, rows, dim, seed) {
  const random = randomSource(seed);
  const file = await NpyFile.create(path, "float32", [rows, dim]);
  const block = new Float32Array(ROWS_AT_ONCE * dim);
  try {
    for (let first = 0; first < rows; first += ROWS_AT_ONCE) {
      const values = block.subarray(0, Math.min(ROWS_AT_ONCE, rows - first) * dim);
      for (let start = 0; start < values.length; start += dim) {
        const row = values.subarray(start, start + dim);
        let squares = 0;
        for (let at = 0; at < dim; at += 1) {
          const value = random.nextUint32() / HALF_WORD - 1;
          row[at] = value;
          squares += value * value;
        }
        const scale = 1 / Math.sqrt(squares);
        for (let at = 0; at < dim; at += 1) row[at] *= scale;
      }
      await file.append(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
    }
  } finally {
    await file.close();
  }
}
