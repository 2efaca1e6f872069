import { extname } from "node:path";

import { dataError } from "../../errors.js";
import { readIntegers } from "../hdf5.js";
import { readLabels } from "../npyContents.js";
import { linesOf } from "../tables/lines.js";

/**
 * Row numbers from 0 in their order: the dataset `order` of an HDF5 file (.h5, .hdf5), an integer
 * .npy (n,), or a text file with a number in each line. Rejects with exit 3 for anything else.
 */
export async function readRowNumbers(path: string, signal?: AbortSignal): Promise<readonly number[]> {
  const ending = extname(path).toLowerCase();
  if (ending === ".h5" || ending === ".hdf5") return readIntegers(path, "order");
  if (ending === ".npy") return Array.from(await readLabels(path));
  const numbers: number[] = [];
  for await (const { text, number } of linesOf(path, signal)) {
    if (text.trim() === "") continue;
    if (!/^\s*\d+\s*$/.test(text)) {
      throw dataError(`${path}:${number}: expected a row number from 0 in each line; found ${JSON.stringify(text.slice(0, 40))}.`, { reason: "BAD_TABLE", path: `${path}:${number}` });
    }
    numbers.push(Number(text));
  }
  return numbers;
}
