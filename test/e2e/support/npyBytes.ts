import { writeFileSync } from "node:fs";

import { readNpy } from "../../../src/data/npy.js";

/** Bytes of a .npy file whose header says whatever a test wants it to. */
export function npyBytes(header: string, data: Buffer): Buffer {
  const text = `${header}\n`;
  const start = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, text.length & 0xff, text.length >> 8]);
  return Buffer.concat([start, Buffer.from(text, "latin1"), data]);
}

/** A header as numpy writes it, without its padding. */
export function npyHeader(descr: string, shape: readonly number[], fortran = false): string {
  const lengths = shape.length === 1 ? `${shape[0] ?? 0},` : shape.join(", ");
  return `{'descr': ${descr}, 'fortran_order': ${fortran ? "True" : "False"}, 'shape': (${lengths}), }`;
}

/** The bits of the float16 nearest to a number in the normal range, or 0. */
function float16Bits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  if (exponent <= 0) return 0;
  // Rounded half up in the 13 bits that float16 lacks; a carry into the exponent is right.
  return ((bits >>> 16) & 0x8000) | (((exponent << 10) | ((bits >>> 13) & 0x3ff)) + ((bits >>> 12) & 1));
}

/** Writes the matrix of a float32 .npy file again as float16. */
export async function writeFloat16(from: string, to: string): Promise<void> {
  const { shape, data } = await readNpy(from);
  const halves = Uint16Array.from(data as Float32Array, float16Bits);
  writeFileSync(to, npyBytes(npyHeader("'<f2'", shape), Buffer.from(halves.buffer)));
}

/** Writes the matrix of a float32 .npy file again as the only tensor of a .safetensors file. */
export async function writeSafetensors(from: string, to: string): Promise<void> {
  const { shape, data } = await readNpy(from);
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const header = Buffer.from(JSON.stringify({ embeddings: { dtype: "F32", shape, data_offsets: [0, bytes.length] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(to, Buffer.concat([length, header, bytes]));
}
