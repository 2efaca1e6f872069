"""Independent streams of random numbers from one seed."""

from __future__ import annotations

_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15


def stream_seed(seed: int, stream: int = 0) -> int:
    """A seed for torch's generators, in [0, 2^64), whose every bit depends on all of `seed` and `stream`.

    The CPU's Mersenne twister looks at the lowest 32 bits of its seed alone, so that plain seeds
    which differ above them would give the same numbers. SplitMix64 of Steele, Lea and Flood,
    "Fast splittable pseudorandom number generators" (OOPSLA 2014).
    """
    z = (seed + (stream + 1) * _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
