import { CmcrError, EXIT } from "../errors.js";
import { ElementType, type Tensor } from "./gen/cmcr/v1/tensor.js";

/** The bytes of a typed array, without a copy: `Buffer.from(array)` would convert the values. */
export function bytesOf(array: Uint32Array | Float32Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

/** Little-endian uint32 values; copies when the bytes are not aligned, as they often are not. */
export function uint32Of(data: Buffer): Uint32Array {
  if (data.byteLength % 4 !== 0) throw malformed(`${data.byteLength} bytes are not a whole number of uint32`);
  return new Uint32Array(aligned(data), 0, data.byteLength / 4);
}

/** Little-endian float32 values; copied, as those of `uint32Of`. */
export function float32OfBytes(data: Buffer): Float32Array {
  if (data.byteLength % 4 !== 0) throw malformed(`${data.byteLength} bytes are not a whole number of float32`);
  return new Float32Array(aligned(data), 0, data.byteLength / 4);
}

/** Values of a float32 matrix from the wire, checked against its shape. */
export function float32Of(tensor: Tensor): Float32Array {
  if (tensor.dtype !== ElementType.ELEMENT_TYPE_FLOAT32) throw malformed(`element type ${tensor.dtype} where float32 was expected`);
  checkSize(tensor);
  return new Float32Array(aligned(tensor.data), 0, tensor.data.byteLength / 4);
}

/** Values of a uint32 matrix from the wire, checked against its shape. */
export function uint32OfTensor(tensor: Tensor): Uint32Array {
  if (tensor.dtype !== ElementType.ELEMENT_TYPE_UINT32) throw malformed(`element type ${tensor.dtype} where uint32 was expected`);
  checkSize(tensor);
  return uint32Of(tensor.data);
}

function checkSize(tensor: Tensor): void {
  const expected = tensor.shape.reduce((product, size) => product * size, 4);
  if (tensor.data.byteLength !== expected) {
    throw malformed(`shape (${tensor.shape.join(", ")}) needs ${expected} bytes, and ${tensor.data.byteLength} came`);
  }
}

/** A buffer that starts at the data: a small Buffer lies somewhere in a shared pool. */
function aligned(data: Buffer): ArrayBuffer {
  const copy = new ArrayBuffer(data.byteLength);
  new Uint8Array(copy).set(data);
  return copy;
}

function malformed(what: string): CmcrError {
  return new CmcrError(`the worker sent a malformed matrix: ${what}`, { code: EXIT.worker, reason: "MALFORMED_TENSOR" });
}
