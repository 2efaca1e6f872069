"""Numbers that any machine and library makes alike: weights and sounds of golden tests."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.audio import AudioClip


def hashed(name: str, shape: Sequence[int]) -> npt.NDArray[np.float64]:
    """Numbers between -1 and 1 that follow from the name alone: splitmix64 of their positions."""
    count = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        state = np.arange(1, count + 1, dtype=np.uint64) + (
            np.uint64(zlib.crc32(name.encode())) << np.uint64(32)
        )
        state *= np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return ((state >> np.uint64(11)) / 2.0**52 - 1.0).reshape(shape)


def trained(name: str, shape: Sequence[int]) -> npt.NDArray[np.float32]:
    """A weight that is not at its neutral start; the input's batch normalisation expects decibels."""
    values = hashed(name, shape)
    input_norm = "bn0" in name or "batch_norm" in name
    if name.endswith("running_mean"):
        values = -20.0 + 5.0 * values if input_norm else 0.1 * values
    elif name.endswith("running_var"):
        values = (200.0 if input_norm else 1.0) * (1.0 + 0.5 * values)
    elif len(shape) > 1:
        values = values * (3.0 / np.prod(shape[1:])) ** 0.5
    elif name.endswith("weight"):
        values = 1.0 + 0.2 * values
    else:
        values = 0.1 * values
    return np.asarray(values, dtype=np.float32)


def noise(name: str, samples: int, *, sample_rate: int = 48_000, channels: int = 1) -> AudioClip:
    """Noise that swells and fades, through a filter that the name decides on: no two alike."""
    values = hashed(name, (samples, channels))
    time = np.arange(samples)[:, None]
    period = 2_000 + zlib.crc32(name.encode()) % 60_000
    swell = np.abs((time % period) / period - 0.5) * 2.0
    depth = 1 + zlib.crc32(name.encode()) % 7
    smoothed = np.apply_along_axis(np.convolve, 0, values, np.ones(depth) / depth)[:samples]
    return AudioClip((0.9 * swell * smoothed).astype(np.float32), sample_rate)
