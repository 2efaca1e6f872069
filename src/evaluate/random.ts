/** A source of random numbers that gives the same sequence for the same seed on every machine. */
export interface Random {
  /** Uniform over the integers 0 to 2^32 - 1. */
  uint32(): number;
  /**
   * Uniform over 0 to `bound - 1`, for bounds up to 2^21. Some values are likelier
   * than others by less than bound / 2^32, far below what resampling can show.
   */
  below(bound: number): number;
}

/**
 * xoshiro128** 1.1 of Blackman and Vigna (2021, "Scrambled linear pseudorandom
 * number generators"), its state filled by SplitMix32 from the two halves of a seed below 2^53.
 */
export function createRandom(seed: number): Random {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`a seed is an integer from 0 to 2^53 - 1, not ${seed}`);
  const low = splitMix32(seed >>> 0);
  // Begun elsewhere, so that the two streams differ where the two halves are equal.
  const high = splitMix32(Math.floor(seed / 2 ** 32) ^ 0x6a09e667);
  let a = low();
  let b = low();
  let c = high();
  // The state must not be all zero.
  let d = high() | 1;

  const uint32 = (): number => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return result;
  };
  return { uint32, below: (bound) => Math.floor((uint32() * bound) / 2 ** 32) };
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function splitMix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    const first = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35);
    return second ^ (second >>> 16);
  };
}
