import { formatShape, npyError } from "./npyHeader.js";
import { type NpyArray, readNpy, readNpyHeader, readNpyRows } from "./npy.js";

/** A place in a matrix, counted from 0. */
export interface MatrixPlace {
  readonly row: number;
  readonly column: number;
}

/** The first element, in row-major order, that is NaN or infinite; null when all are finite. */
export function findNonFinite(data: ArrayLike<number>, columns: number): MatrixPlace | null {
  for (let i = 0; i < data.length; i += 1) {
    if (!Number.isFinite(data[i])) return { row: Math.floor(i / columns), column: i % columns };
  }
  return null;
}

/**
 * An array of that many dimensions in blocks of consecutive rows, each of about
 * `maxBytes` (default 16 MiB) but of one row at least, so that memory stays flat.
 * Values are not checked. Thrown (exit 3) as for `readNpyRows`, and for another
 * number of dimensions.
 */
export async function* readNpyBlocks(path: string, dimensions: 1 | 2 | 3, options: { readonly maxBytes?: number } = {}): AsyncGenerator<NpyArray> {
  const { maxBytes = 1 << 24 } = options;
  const { shape, bytes } = await readNpyHeader(path);
  requireDimensions(path, shape, dimensions);
  const rows = shape[0] ?? 0;
  const step = Math.max(1, Math.floor((maxBytes * rows) / Math.max(1, bytes)));
  for (let start = 0; start < rows; start += step) yield readNpyRows(path, start, Math.min(step, rows - start));
}

/** Thrown (exit 3) when an array of that shape has another number of dimensions. */
export function requireDimensions(path: string, shape: readonly number[], dimensions: 1 | 2 | 3): void {
  if (shape.length === dimensions) return;
  throw npyError(path, "NPY_SHAPE", `the array has shape ${formatShape(shape)}; ${DIMENSION_NAMES[dimensions] ?? ""} is needed.`);
}

const DIMENSION_NAMES: Readonly<Record<number, string>> = { 1: "(n,)", 2: "(n, m)", 3: "(n, h, w)" };

/**
 * A float array with that many dimensions, every value finite. Integers are
 * taken as well, as float64. Thrown (exit 3) as for `readNpy`, for another
 * number of dimensions, and with the place of the first NaN or infinity.
 */
export async function readFloats(
  path: string,
  dimensions: 1 | 2 | 3,
  options: { readonly maxBytes?: number } = {},
): Promise<{ readonly shape: readonly number[]; readonly data: Float32Array | Float64Array }> {
  const { dtype, shape, data } = await readNpy(path, options);
  requireDimensions(path, shape, dimensions);
  const floats = data instanceof Float32Array || data instanceof Float64Array ? data : Float64Array.from(data, Number);
  const place = findNonFinite(floats, Math.max(1, shape.slice(1).reduce((product, length) => product * length, 1)));
  if (place !== null) {
    throw npyError(path, "NOT_FINITE", `row ${place.row} holds a value that is NaN or infinite (element ${place.column} of the row, ${dtype}). Find what made it, or leave the row out.`);
  }
  return { shape, data: floats };
}

/**
 * Integer labels of shape (n,), as int32. Thrown (exit 3) as for `readNpy`, for
 * other shapes and types, and with the row of a label beyond 32 bits.
 */
export async function readLabels(path: string): Promise<Int32Array> {
  const { dtype, shape, data } = await readNpy(path);
  if (shape.length !== 1) {
    throw npyError(path, "NPY_SHAPE", `labels have shape (n,), and this array has ${formatShape(shape)}. Save labels.reshape(-1) or labels.argmax(1), whichever is meant.`);
  }
  if (!dtype.startsWith("int") && !dtype.startsWith("uint")) {
    throw npyError(path, "NPY_DTYPE", `labels are integers, and this array is ${dtype}. Save labels.astype('int64').`);
  }
  const labels = Int32Array.from(data, Number);
  for (let row = 0; row < labels.length; row += 1) {
    if (Number(data[row]) !== labels[row]) {
      throw npyError(path, "LABELS_INVALID", `row ${row} has the label ${String(data[row])}, beyond 32 bits. Number the classes from 0.`);
    }
  }
  return labels;
}
