"""CLAP's log-mel spectrogram, with NumPy alone: it is made in decoder processes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from cmcr_worker.encoders.clap_filters import mel_filters

FLOOR = 1e-10
"""Least power that the logarithm is taken of: -100 dB. There is no other limit to the range."""

# Frames whose spectra are held at once: they fit the cache, and an hour of sound takes no more memory.
_BLOCK = 128

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MelSettings:
    """How a spectrogram is made. Lengths are in samples, frequencies in hertz; the defaults are CLAP's.

    `scale` is `htk` or `slaney` (`clap_filters.mel_filters`).
    """

    scale: str
    sample_rate: int = 48_000
    window: int = 1024
    hop: int = 480
    bands: int = 64
    lowest_hertz: float = 50.0
    highest_hertz: float = 14_000.0

    def frames(self, samples: int) -> int:
        """Frames of a sound of that many samples: one at every hop, the first at its beginning."""
        return 1 + samples // self.hop


def log_mel(samples: Samples, settings: MelSettings) -> npt.NDArray[np.float32]:
    """10 log10 of the power in each mel band, (frames, bands) float32, never below -100.

    Periodic Hann window; frames are centred, the sound being mirrored at both ends; power is the squared
    magnitude. As torchaudio's MelSpectrogram followed by AmplitudeToDB(top_db=None), which
    `get_mel` in `training/data.py` of LAION-AI/CLAP calls. Computed in float64: in float32 the
    transform's own noise would lie above the floor beside a loud band.
    """
    half = settings.window // 2
    padded = np.pad(samples, half, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, settings.window)[:: settings.hop]
    window, first, filters = _constants(settings)
    levels = np.empty((len(frames), settings.bands), dtype=np.float32)
    for start in range(0, len(frames), _BLOCK):
        spectrum = np.fft.rfft(frames[start : start + _BLOCK] * window)[:, first : first + len(filters)]
        power = (np.square(spectrum.real) + np.square(spectrum.imag)) @ filters
        levels[start : start + _BLOCK] = 10.0 * np.log10(np.maximum(power, FLOOR))
    return levels


@lru_cache(maxsize=8)
def _constants(settings: MelSettings) -> tuple[npt.NDArray[np.float64], int, npt.NDArray[np.float64]]:
    """The window, the first bin that a filter looks at, and the filters from there to the last such bin."""
    turns = np.arange(settings.window) / settings.window
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * turns)
    filters = mel_filters(
        settings.scale,
        settings.bands,
        settings.window,
        settings.sample_rate,
        settings.lowest_hertz,
        settings.highest_hertz,
    )
    used = np.flatnonzero(filters.any(axis=1))
    first, last = (int(used[0]), int(used[-1])) if len(used) else (0, 0)
    return window, first, np.ascontiguousarray(filters[first : last + 1])
