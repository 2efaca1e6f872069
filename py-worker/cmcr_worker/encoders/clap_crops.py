"""Which parts of a clip of more than 10 seconds CLAP looks at.

The original and transformers draw them from NumPy's global generator: the same clip gets another embedding
in every run, place and batch. Here they follow from the clip's own samples and a seed.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.audio import AudioClip

Levels = npt.NDArray[np.float32]

_PARTS = 3


def draws(clip: AudioClip, seed: int) -> tuple[int, int, int]:
    """Three numbers below 2^64 that depend on nothing but the clip as it was decoded, and the seed.

    A cryptographic hash, so that they are the same with every version of NumPy.
    """
    digest = hashlib.blake2b(digest_size=8 * _PARTS)
    digest.update(f"cmcr-clap-crop-1 {seed} {clip.sample_rate} {clip.samples.shape}\n".encode())
    digest.update(np.ascontiguousarray(clip.samples).data)
    found = digest.digest()
    front, middle, back = (int.from_bytes(found[8 * part : 8 * part + 8], "little") for part in range(_PARTS))
    return front, middle, back


def window_start(offsets: int, drawn: tuple[int, int, int]) -> int:
    """Where a single window begins, of `offsets` places."""
    return drawn[0] % offsets


def chunk_starts(offsets: int, drawn: tuple[int, int, int]) -> tuple[int, int, int]:
    """Where three windows begin: one in each third of `offsets` places.

    The thirds are those of `numpy.array_split`; an empty one stands for the beginning, as in
    `get_audio_features` of LAION-AI/CLAP.
    """
    size, larger = divmod(offsets, _PARTS)
    starts, first = [], 0
    for part, number in enumerate(drawn):
        count = size + (1 if part < larger else 0)
        starts.append(first + number % count if count else 0)
        first += count
    return starts[0], starts[1], starts[2]


def fused(levels: Levels, frames: int, starts: tuple[int, int, int]) -> Levels:
    """The whole spectrogram shrunk to `frames`, then its three chunks, (4, frames, bands)."""
    chunks = [levels[start : start + frames] for start in starts]
    return np.stack([shrunk(levels, frames), *chunks])


def shrunk(levels: Levels, frames: int) -> Levels:
    """A spectrogram of (t, bands) at `frames` moments, linearly between the two nearest.

    As torch's bilinear `interpolate` with align_corners=False and without antialiasing. That is what
    `torchvision.transforms.Resize` did to tensors when CLAP was trained; torchvision 0.17 and newer smooth
    unless told not to.
    """
    places = np.maximum((np.arange(frames) + 0.5) * (len(levels) / frames) - 0.5, 0.0)
    below = np.minimum(places.astype(np.int64), len(levels) - 1)
    above = np.minimum(below + 1, len(levels) - 1)
    weight = (places - below)[:, None].astype(np.float32)
    between: Levels = levels[below] * (np.float32(1.0) - weight) + levels[above] * weight
    return between
