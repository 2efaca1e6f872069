"""Log-mel spectrograms of stereo sound."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import torch

SAMPLE_RATE = 8000
SAMPLES = 6144
WINDOW = 512
HOP = 192
FRAMES = 32
BANDS = 32
LOWEST_HERTZ = 60.0
FLOOR = 1e-6
"""Added to the power before the logarithm: about the power of a quiet hiss."""

_EDGE = ((FRAMES - 1) * HOP + WINDOW - SAMPLES) // 2


def mid_side_log_mel(waves: torch.Tensor) -> torch.Tensor:
    """Mid and side of the log-mel spectrograms of stereo waves, (n, 6144, 2) to (n, 2, 32 bands, 32 frames).

    Mid is the mean of the two channels' log10 power, side half their difference
    (left less right). They are taken after the logarithm: the magnitude of a
    difference signal cannot tell left from right.
    """
    padded = torch.nn.functional.pad(waves.transpose(1, 2), (_EDGE, _EDGE))
    frames = padded.unfold(2, WINDOW, HOP)
    spectrum = torch.fft.rfft(frames * _window())
    power = spectrum.real.square() + spectrum.imag.square()
    mel = torch.log10(power @ _mel_filters().T + FLOOR)
    left, right = mel[:, 0], mel[:, 1]
    return torch.stack([(left + right) / 2, (left - right) / 2], dim=1).transpose(2, 3)


def mel_of_hertz(hertz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The mel scale as HTK has it: 2595 log10(1 + f / 700)."""
    return 2595.0 * np.log10(1.0 + np.asarray(hertz, dtype=np.float64) / 700.0)


def mel_filters() -> npt.NDArray[np.float64]:
    """Triangular filters of height 1, evenly spaced in mel, (bands, window // 2 + 1)."""
    edges = np.linspace(mel_of_hertz(LOWEST_HERTZ), mel_of_hertz(SAMPLE_RATE / 2), BANDS + 2)
    bins = mel_of_hertz(np.arange(WINDOW // 2 + 1) * SAMPLE_RATE / WINDOW)
    rising = (bins[None, :] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None, :]) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rising, falling))


@cache
def _window() -> torch.Tensor:
    # Scaled so that a full-scale sine has power 1 in its bin.
    window = torch.hann_window(WINDOW, dtype=torch.float64)
    return (window * (2.0 / window.sum())).float()


@cache
def _mel_filters() -> torch.Tensor:
    return torch.from_numpy(mel_filters()).float()
