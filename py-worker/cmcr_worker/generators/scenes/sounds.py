"""Sounds of scenes: a harmonic tone with a rhythm and a place, over hum or hiss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.generators.scenes.attributes import ATTRIBUTES, labels_of
from cmcr_worker.generators.scenes.draws import combinations_of, item_generator

Wave: TypeAlias = npt.NDArray[np.float32]
"""A value for each sample of each sound, (n, 6144)."""

SAMPLE_RATE: Final = 8000
SAMPLES: Final = 6144
"""0.768 s."""

_BLOCK: Final = 32  # Sounds rendered at a time: their waves stay in the cache.

# Amplitudes of the first eight harmonics, by shape.
HARMONICS: Final[Mapping[str, tuple[float, ...]]] = MappingProxyType(
    {
        "circle": (1, 0, 0, 0, 0, 0, 0, 0),
        "square": (1, 0, 0.8, 0, 0.6, 0, 0.5, 0),
        "triangle": (1, 0.7, 0, 0, 0, 0, 0, 0),
        "star": (0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5),
        "ring": (0.7, 0, 0, 0, 0, 0, 0.7, 0.7),
        "cross": (0.7, 0, 0, 0.8, 0, 0, 0, 0.7),
        "diamond": (0.3, 0.9, 0, 0.8, 0, 0.6, 0, 0),
        "crescent": (0.2, 0.3, 0.9, 0.9, 0.3, 0, 0, 0),
    }
)

_LOWEST_HERTZ: Final = 150.0
_LOUDNESS: Final = np.array([0.10, 0.22, 0.48], dtype=np.float32)  # amplitude, by size
_PAN: Final = np.array([-0.6, 0.0, 0.6], dtype=np.float32)  # -1: left alone, 1: right alone
_GLIDE: Final = np.array([-0.28, 0.0, 0.28], dtype=np.float32)  # octaves over the sound, by height


def _pulses(time: Wave, phase: Wave, *, hertz: float, duty: float) -> Wave:
    """1 during that part of every period and 0 in the rest, with soft edges."""
    wave = np.cos(np.float32(2 * np.pi) * (np.float32(hertz) * time + phase))
    envelope: Wave = np.clip(np.float32(0.5) + 4 * (wave - np.float32(np.cos(np.pi * duty))), 0, 1)
    return envelope


def _sustained(time: Wave, phase: Wave) -> Wave:
    return np.ones_like(time + phase)


def _even(time: Wave, phase: Wave) -> Wave:
    return _pulses(time, phase, hertz=8.0, duty=0.5)


def _sparse(time: Wave, phase: Wave) -> Wave:
    return _pulses(time, phase, hertz=5.0, duty=0.25)


def _alternating(time: Wave, phase: Wave) -> Wave:
    long = _pulses(time, phase, hertz=2.6, duty=0.5)
    return long + (1 - long) * np.float32(0.25)


RHYTHMS: Final[Mapping[str, Callable[[Wave, Wave], Wave]]] = MappingProxyType(
    {"plain": _sustained, "striped": _even, "dotted": _sparse, "chequered": _alternating}
)
"""The envelope of a texture, from time in seconds (1, samples) and a phase in periods (n, 1)."""


def render_sounds(split: str, seed: int, indices: Sequence[int]) -> list[AudioClip]:
    """Sounds of these items: stereo, 8 kHz, 0.768 s."""
    clips: list[AudioClip] = []
    for start in range(0, len(indices), _BLOCK):
        block = _render_block(split, seed, indices[start : start + _BLOCK])
        clips.extend(AudioClip(samples=samples, sample_rate=SAMPLE_RATE) for samples in block)
    return clips


def _render_block(split: str, seed: int, indices: Sequence[int]) -> npt.NDArray[np.float32]:
    labels = labels_of(combinations_of(split, seed, indices))
    shape, colour, size, texture, horizontal, vertical = labels.T
    count = len(indices)
    uniform = np.empty((count, 8), dtype=np.float32)
    noise = np.empty((count, SAMPLES, 2), dtype=np.float32)
    for row, index in enumerate(indices):
        rng = item_generator(seed, split, "sound", index)
        uniform[row] = rng.random(8, dtype=np.float32)
        rng.standard_normal(dtype=np.float32, out=noise[row])
    signed = uniform * 2 - 1

    tone = _tones(shape, colour, vertical, detune=signed[:, 0], start=uniform[:, 1])
    time = np.arange(SAMPLES, dtype=np.float32)[None, :] / np.float32(SAMPLE_RATE)
    for label, name in enumerate(ATTRIBUTES[3].values):
        rows = np.flatnonzero(texture == label)
        tone[rows] *= RHYTHMS[name](time, uniform[rows, 2, None])
    tone *= (_LOUDNESS[size] * (1 + np.float32(0.15) * signed[:, 3]))[:, None]

    # Constant power: the loudness does not depend on the place.
    angle = np.float32(np.pi / 4) * (1 + _PAN[horizontal] + np.float32(0.12) * signed[:, 4])
    gains = np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    # The nuisance that is only heard, never told: hum or hiss.
    hums = uniform[:, 5] < 0.5
    level = np.float32(0.5) + uniform[:, 6]
    hiss = np.where(hums, np.float32(0.003), np.float32(0.02)) * level
    hum = np.where(hums, np.float32(0.08), np.float32(0.0)) * level
    mains = np.float32(2 * np.pi) * (50 * time + uniform[:, 7, None])
    drone = (hum[:, None] * (np.sin(mains) + np.float32(0.5) * np.sin(2 * mains))).astype(np.float32)

    stereo: Wave = tone[:, :, None] * gains[:, None, :]
    stereo += drone[:, :, None]
    noise *= hiss[:, None, None]
    stereo += noise
    np.clip(stereo, -1, 1, out=stereo)
    return stereo


def _tones(
    shape: npt.NDArray[np.int64],
    colour: npt.NDArray[np.int64],
    vertical: npt.NDArray[np.int64],
    *,
    detune: npt.NDArray[np.float32],
    start: npt.NDArray[np.float32],
) -> Wave:
    """Harmonic tones of power 1/2; pitch in major thirds by colour, gliding by height."""
    octaves = colour / 3 + 0.03 * detune
    pitch = (_LOWEST_HERTZ * np.exp2(octaves)).astype(np.float32)
    # The pitch passes its nominal value in mid-sound; phase is the integral of the frequency.
    position = np.linspace(-0.5, 0.5, SAMPLES, dtype=np.float32)[None, :]
    frequency = pitch[:, None] * np.exp2(_GLIDE[vertical][:, None] * position)
    phase = np.cumsum(frequency, axis=1, dtype=np.float64) / SAMPLE_RATE + start[:, None]
    angle = (np.float32(2 * np.pi) * (phase - np.floor(phase))).astype(np.float32)

    table = np.array([HARMONICS[name] for name in ATTRIBUTES[0].values], dtype=np.float32)
    table /= np.sqrt((table**2).sum(axis=1, keepdims=True))
    amplitude = table[shape]
    # sin(k a) = 2 cos(a) sin((k-1) a) - sin((k-2) a): one sine for all harmonics.
    before, current = np.zeros_like(angle), np.sin(angle)
    double_cosine = 2 * np.cos(angle)
    tone = amplitude[:, 0, None] * current
    for harmonic in range(1, table.shape[1]):
        before, current = current, double_cosine * current - before
        tone += amplitude[:, harmonic, None] * current
    return tone
