/**
 * Seeded random numbers that are the same on every machine and in every
 * version: the order of the batches must not depend on a library.
 */

const MASK_64 = (1n << 64n) - 1n;
const WORD = 2 ** 32;

/**
 * SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
 * generators", OOPSLA 2014): 64-bit outputs that follow from a 64-bit state.
 * Slow here, and used only to derive seeds.
 */
export function* splitMix64(seed: bigint): Generator<bigint, never> {
  let state = seed & MASK_64;
  for (;;) {
    state = (state + 0x9e3779b97f4a7c15n) & MASK_64;
    let mixed = state;
    mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK_64;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & MASK_64;
    yield mixed ^ (mixed >> 31n);
  }
}

/** What each seed is for. A purpose has a stream of its own, so that more draws for one change no other. */
export type Purpose = "batches" | "noise" | "weights" | "random-memory" | "seed-draws" | "chance" | "sample";

/**
 * A seed for one purpose, 0 to 2^53 - 1: the first SplitMix64 output for the
 * experiment's seed xor the FNV-1a hash (64 bits) of the purpose's name and
 * `index`, its upper 53 bits.
 */
export function deriveSeed(seed: number, purpose: Purpose, index = 0): number {
  const mixed = splitMix64(BigInt(seed) ^ fnv1a64(`${purpose}/${index}`)).next().value;
  return Number(mixed >> 11n);
}

/** The FNV-1a hash of an ASCII text, 64 bits (Fowler, Noll and Vo). */
export function fnv1a64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (let index = 0; index < text.length; index++) {
    hash = ((hash ^ BigInt(text.charCodeAt(index))) * 0x100000001b3n) & MASK_64;
  }
  return hash;
}

/** Numbers of one seed, drawn one after the other. */
export interface RandomSource {
  /** Uniform over 0 to 2^32 - 1. */
  readonly nextUint32: () => number;
  /** Uniform over 0 to `bound` - 1, without bias; `bound` from 1 to 2^32. */
  readonly nextBelow: (bound: number) => number;
}

/**
 * xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators", ACM TOMS 2021), from a state of four 32-bit words, not all 0.
 */
export function xoshiro128(state: readonly [number, number, number, number]): RandomSource {
  let [a, b, c, d] = state;
  const nextUint32 = (): number => {
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
  const nextBelow = (bound: number): number => {
    // Draws from the incomplete last stretch of `bound` would favour small numbers.
    const usable = WORD - (WORD % bound);
    let drawn = nextUint32();
    while (drawn >= usable) drawn = nextUint32();
    return drawn % bound;
  };
  return { nextUint32, nextBelow };
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** xoshiro128** with its state drawn by SplitMix64 from a seed of 0 to 2^53 - 1. */
export function randomSource(seed: number): RandomSource {
  const words = splitMix64(BigInt(seed));
  const first = words.next().value;
  const second = words.next().value;
  const low = (word: bigint): number => Number(word & 0xffffffffn);
  const high = (word: bigint): number => Number(word >> 32n);
  return xoshiro128([low(first), high(first), low(second), high(second)]);
}
