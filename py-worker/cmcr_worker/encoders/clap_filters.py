"""CLAP's two banks of mel filters, with NumPy alone: they are used in decoder processes.

The fusion models were trained on torchaudio's filters (HTK's mel scale, height 1), the others on librosa's
(Slaney's mel scale, area 1), which the original keeps in its weights as `logmel_extractor.melW`. Which bank
a model needs is therefore no matter of taste: see `training/data.py` and `clap_module/htsat.py` of
LAION-AI/CLAP.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

# Slaney's scale (Auditory Toolbox, 1998): linear up to 1 kHz, then 27 steps for each factor of 6.4.
_SLANEY_STEP = 200.0 / 3.0
_SLANEY_KNEE = 1000.0
_SLANEY_LOG_STEP = np.log(6.4) / 27.0


@lru_cache(maxsize=8)
def mel_filters(
    scale: str, bands: int, window: int, sample_rate: int, lowest_hertz: float, highest_hertz: float
) -> Values:
    """Triangular filters, (window // 2 + 1, bands) float64, read-only.

    `scale` is `htk`: triangles of height 1, evenly spaced on HTK's mel scale, as torchaudio makes them
    unless told otherwise; or `slaney`: on Slaney's scale, each divided by half its width in hertz, as
    librosa does.
    """
    lowest, highest = _mel(scale, [lowest_hertz, highest_hertz])
    edges = _hertz(scale, np.linspace(lowest, highest, bands + 2, dtype=np.float64))
    bins = np.linspace(0, sample_rate // 2, window // 2 + 1)
    rising = (bins[:, None] - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[None, 2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    filters: Values = np.maximum(0.0, np.minimum(rising, falling))
    if scale == "slaney":
        filters *= 2.0 / (edges[2:] - edges[:-2])
    filters.setflags(write=False)
    return filters


def _mel(scale: str, hertz: npt.ArrayLike) -> Values:
    frequency = np.asarray(hertz, dtype=np.float64)
    mel: Values
    if scale == "htk":
        mel = 2595.0 * np.log10(1.0 + frequency / 700.0)
    else:
        above = np.log(np.maximum(frequency, _SLANEY_KNEE) / _SLANEY_KNEE) / _SLANEY_LOG_STEP
        mel = np.minimum(frequency, _SLANEY_KNEE) / _SLANEY_STEP + above
    return mel


def _hertz(scale: str, mel: Values) -> Values:
    hertz: Values
    if scale == "htk":
        hertz = 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    else:
        knee = _SLANEY_KNEE / _SLANEY_STEP
        above = np.exp(np.maximum(mel - knee, 0.0) * _SLANEY_LOG_STEP)
        hertz = np.minimum(mel, knee) * _SLANEY_STEP * above
    return hertz
