let table: Float32Array | null = null;

/** IEEE 754 half precision, given as bit patterns, widened to float32 without loss. */
export function decodeFloat16(bits: Uint16Array): Float32Array {
  table ??= makeTable();
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i += 1) values[i] = table[bits[i] ?? 0] ?? 0;
  return values;
}

/** All 65,536 values: a look-up is several times faster than shifting and scaling each element. */
function makeTable(): Float32Array {
  return Float32Array.from({ length: 1 << 16 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/**
 * Float32 values as the bit patterns of IEEE 754 half precision, rounded to the nearest and ties
 * to even, as numpy's `astype("float16")` does it; too large ones become infinite.
 */
export function encodeFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i += 1) bits[i] = halfOf(values[i] ?? 0);
  return bits;
}

function halfOf(value: number): number {
  scratch[0] = value;
  const [whole = 0] = scratchBits;
  const sign = (whole >>> 16) & 0x8000;
  const size = whole & 0x7fffffff;
  if (size >= 0x7f800000) return sign | 0x7c00 | (size > 0x7f800000 ? 0x200 : 0);
  const exponent = size >>> 23;
  // Below 2^-25 everything is nearer to 0 than to the smallest half.
  if (exponent < 102) return sign;
  // Below 2^-14 halves have no leading one: the fraction is shifted into what is left of it.
  const shift = exponent < 113 ? 126 - exponent : 13;
  const fraction = exponent < 113 ? (size & 0x7fffff) | 0x800000 : size - 0x38000000;
  const kept = fraction >>> shift;
  const rest = fraction & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const rounded = kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0);
  return sign | Math.min(rounded, 0x7c00);
}
