"""From a decoded clip to the samples that CLAP looks at: mono, 48 kHz, of 16 bits, 10 seconds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.errors import Reason, WorkerError

Samples = npt.NDArray[np.float32]

PADDINGS = ("repeatpad", "repeat", "pad")
"""How a clip that is too short is filled, by the names that CLAP's configurations use."""


def mono(clip: AudioClip, sample_rate: int) -> Samples:
    """The mean of the channels at that rate, (n,) float32; n is the clip's length in samples, rounded up.

    As `librosa.load(sr=sample_rate)` since librosa 0.10: soxr's `HQ` filter, the result cut or filled
    with zeros to its nominal length. The length is computed in whole numbers. librosa computes it in
    float64, where 10 s at 44.1 kHz come to 480 001 samples at 48 kHz: a clip of exactly 10 s would be
    taken for a longer one.

    Raises:
        WorkerError: DATA_CORRUPT for a clip without samples, or with one that is no finite number.
    """
    if len(clip.samples) == 0 or clip.samples.shape[1] == 0:
        raise _unusable("holds no samples")
    if not np.isfinite(clip.samples).all():
        raise _unusable("holds samples that are not finite numbers")
    samples: Samples = clip.samples.mean(axis=1, dtype=np.float32)
    if clip.sample_rate == sample_rate:
        return samples
    # Imported where it is needed: a worker that encodes no sound does without it.
    import soxr

    length = -(-len(samples) * sample_rate // clip.sample_rate)
    resampled: Samples = soxr.resample(samples, clip.sample_rate, sample_rate, quality="HQ")
    return exactly(resampled.astype(np.float32, copy=False), length)


def exactly(samples: Samples, length: int) -> Samples:
    """The first `length` samples, zeros after them where there are too few."""
    if len(samples) >= length:
        return samples[:length]
    return np.pad(samples, (0, length - len(samples)))


def through_int16(samples: Samples) -> Samples:
    """Samples as 16 bits can hold them: clipped to -1 and 1, times 32767, the fraction cut off towards zero.

    CLAP was trained on such samples: `float32_to_int16` and `int16_to_float32` in `training/data.py` of
    LAION-AI/CLAP.
    """
    whole = (np.clip(samples, -1.0, 1.0) * np.float32(32767.0)).astype(np.int16)
    return whole.astype(np.float32) / np.float32(32767.0)


def filled(samples: Samples, length: int, padding: str) -> Samples:
    """A clip of at most `length` samples, filled to exactly that many.

    `repeatpad`: as many whole repetitions as fit, then zeros; `repeat`: repetitions, the last one cut;
    `pad`: zeros. CLAP was trained with `repeatpad`.
    """
    if padding == "repeat":
        return np.resize(samples, length)
    if padding == "repeatpad":
        samples = np.tile(samples, length // len(samples))
    return exactly(samples, length)


def _unusable(what: str) -> WorkerError:
    return WorkerError(
        Reason.DATA_CORRUPT,
        f"the audio clip {what}",
        subject="audio",
        remedy="Replace the file, or remove the item from the list.",
    )
