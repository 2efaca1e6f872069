"""The constants that an original CLAP carries among its weights, held against what is computed here.

Its audio tower makes spectrograms by a convolution whose kernels, mel filters included, lie in the checkpoint
(torchlibrosa). They are computed anew by `clap_log_mel`; a file whose constants are others was trained on
other spectrograms, and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from cmcr_worker.encoders.clap_filters import mel_filters
from cmcr_worker.encoders.clap_log_mel import MelSettings
from cmcr_worker.encoders.laion_clap_keys import mask_names
from cmcr_worker.encoders.laion_clap_layout import AUDIO, ClapLayout
from cmcr_worker.errors import Reason, WorkerError

# Of the largest value. torchlibrosa takes powers of a rounded root of unity; no real change is as small.
_TOLERANCE = 1e-4
_MASKED = -100.0


def check_constants(state: Mapping[str, Tensor], layout: ClapLayout, mel: MelSettings, origin: str) -> None:
    """Raises DATA_CORRUPT, with its name, where a constant of the checkpoint is not the one computed here.

    The mel filters in a checkpoint are Slaney's, in models with fusion too, where nothing uses them: those
    take theirs from torchaudio. They tell the edges of the bands in either case.
    """
    turns = np.outer(np.arange(mel.window // 2 + 1), np.arange(mel.window)) % mel.window / mel.window
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(mel.window) / mel.window)
    slaney = mel_filters(
        "slaney", mel.bands, mel.window, mel.sample_rate, mel.lowest_hertz, mel.highest_hertz
    )
    expected = {
        "spectrogram_extractor.stft.conv_real.weight": (np.cos(2.0 * np.pi * turns) * window)[:, None],
        "spectrogram_extractor.stft.conv_imag.weight": (-np.sin(2.0 * np.pi * turns) * window)[:, None],
        "logmel_extractor.melW": slaney,
    }
    for name, values in expected.items():
        _check(AUDIO + name, state, torch.from_numpy(np.array(values)), origin)
    for name in mask_names(layout):
        stage = int(re.findall(r"\d+", name)[0])
        _check(name, state, shift_mask(layout.resolution(stage), layout.window), origin)


def shift_mask(side: int, window: int) -> Tensor:
    """What is added to attention in windows shifted by half of their side, (windows, window^2, window^2).

    The shift carries patches from one edge of the square to the other; pairs that are no neighbours get
    -100. As in Swin, from where HTSAT has it.
    """
    shift, areas = window // 2, torch.zeros(side)
    areas[side - window : side - shift], areas[side - shift :] = 1, 2
    square = (3 * areas[:, None] + areas[None, :]).view(side // window, window, side // window, window)
    patches = square.transpose(1, 2).reshape(-1, window * window)
    return torch.where(patches[:, :, None] == patches[:, None, :], 0.0, _MASKED)


def _check(name: str, state: Mapping[str, Tensor], expected: Tensor, origin: str) -> None:
    found = state[name].double()
    if found.shape == expected.shape:
        difference = (found - expected.double()).abs().max()
        if difference <= _TOLERANCE * expected.abs().max():
            return
    raise WorkerError(
        Reason.DATA_CORRUPT,
        f"{origin}: {name} is not what CLAP's spectrograms of 48 kHz, 50 to 14000 Hz, are made with",
        subject=origin,
        remedy="The model was trained on other spectrograms, which this provider does not make.",
    )
