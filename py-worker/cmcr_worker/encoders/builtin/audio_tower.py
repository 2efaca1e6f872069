"""A network over patches of log-mel spectrograms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import soxr
import torch
from torch import nn

from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.builtin.log_mel import BANDS, FRAMES, SAMPLE_RATE, SAMPLES, mid_side_log_mel
from cmcr_worker.encoders.builtin.tower import Tower, wrong_item

_PATCH = 4
_BLOCK = 64  # Sounds analysed at a time: their spectra stay in the cache.


class PatchAudio(Tower):
    """Patches of 4 x 4, then convolutions among patches; the place is kept until the last layer."""

    def __init__(self, *, width: int, dimension: int) -> None:
        super().__init__()
        side = BANDS // _PATCH
        self.patches = nn.Sequential(
            nn.Conv2d(2, width, _PATCH, stride=_PATCH, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.among = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d((1, 2)),
        )
        self.head = nn.Linear(width * side * (FRAMES // _PATCH // 2), dimension)

    def prepare(self, items: Sequence[Prepared]) -> torch.Tensor:
        """Mid and side of the log-mel spectrograms, (n, 2, 32, 32) float32, about within -2 and 2.

        Sounds of any rate, length and number of channels become stereo of
        0.768 s at 8 kHz: the middle of longer ones, shorter ones padded.
        """
        spectra = torch.empty(len(items), 2, BANDS, FRAMES)
        for start in range(0, len(items), _BLOCK):
            block = items[start : start + _BLOCK]
            waves = np.stack([_standard_wave(item, start + row) for row, item in enumerate(block)])
            spectra[start : start + len(block)] = mid_side_log_mel(torch.from_numpy(waves))
        # Mid lies between about -6 and 0, side around 0.
        spectra[:, 0].add_(3.5).div_(1.5)
        return spectra

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        """Embeddings, (n, dimension)."""
        embeddings: torch.Tensor = self.head(self.among(self.patches(prepared)).flatten(1))
        return embeddings


def _standard_wave(item: Prepared, row: int) -> npt.NDArray[np.float32]:
    if not isinstance(item, AudioClip):
        raise wrong_item("an audio clip", item, row)
    wave = item.samples
    if wave.shape[1] != 2:
        # More than two channels have no agreed left and right.
        wave = np.repeat(wave.mean(axis=1, keepdims=True), 2, axis=1)
    if item.sample_rate != SAMPLE_RATE:
        wave = soxr.resample(wave, item.sample_rate, SAMPLE_RATE).astype(np.float32, copy=False)
    surplus = len(wave) - SAMPLES
    if surplus > 0:
        return wave[surplus // 2 : surplus // 2 + SAMPLES]
    return np.pad(wave, ((0, -surplus), (0, 0))) if surplus < 0 else wave
