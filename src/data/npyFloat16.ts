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
