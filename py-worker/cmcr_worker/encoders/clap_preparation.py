"""What is done to an audio clip or a text before CLAP's forward pass, without PyTorch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.decoding.media import Media, Prepared
from cmcr_worker.encoders.clap_crops import chunk_starts, draws, fused, window_start
from cmcr_worker.encoders.clap_log_mel import MelSettings, log_mel
from cmcr_worker.encoders.clap_waveform import filled, mono, through_int16
from cmcr_worker.errors import Reason, WorkerError

FUSION = "fusion"
RANDOM_CROP = "rand_trunc"
TRUNCATIONS = (FUSION, RANDOM_CROP)
"""What becomes of a longer clip, by the names that CLAP's configurations use."""

MAX_TOKENS = 77
"""Longest text in tokens, the first and the last one included; longer ones are cut."""


@dataclass(frozen=True, slots=True)
class ClapSound:
    """The preparation of audio clips: a log-mel spectrogram of 10 seconds, or four of a longer clip.

    A clip gives (frames, bands) float32; of one that is longer, with `truncation` `fusion`,
    (4, frames, bands): the whole clip shrunk, then three chunks of it. 10 s are 1001 frames of 64 bands.
    """

    mel: MelSettings
    truncation: str
    padding: str = "repeatpad"
    length: int = 480_000
    crop_seed: int = 0

    def __call__(self, media: Media) -> Prepared:
        """The clip prepared.

        Raises:
            WorkerError: CONFIG_INVALID for an item that is no sound; DATA_CORRUPT for a clip without
                samples, or with one that is no finite number.
        """
        if not isinstance(media, AudioClip):
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"expected a sound, found {type(media).__name__}",
                subject="items",
                remedy="Give audio files, or another modality.",
            )
        samples = through_int16(mono(media, self.mel.sample_rate))
        excess = len(samples) - self.length
        if excess <= 0:
            return log_mel(filled(samples, self.length, self.padding), self.mel)
        if self.truncation == RANDOM_CROP:
            start = window_start(excess + 1, draws(media, self.crop_seed))
            return log_mel(samples[start : start + self.length], self.mel)
        levels, frames = log_mel(samples, self.mel), self.mel.frames(self.length)
        if len(levels) == frames:
            # Less than a hop too long: the original takes it for one of 10 s, and looks at all of it.
            return levels
        return fused(levels, frames, chunk_starts(len(levels) - frames + 1, draws(media, self.crop_seed)))

    def as_json(self) -> dict[str, object]:
        """All that its results depend on, as plain values for an encoder's description."""
        return {
            **asdict(self.mel),
            "truncation": self.truncation,
            "padding": self.padding,
            "length": self.length,
            "crop_seed": self.crop_seed,
            "resampling": "soxr HQ",
            "quantisation": "int16",
        }


def prepare_text(media: Media) -> Prepared:
    """A text as it is; the tokenizer works on whole batches.

    Raises:
        WorkerError: CONFIG_INVALID for an item that is no text.
    """
    if not isinstance(media, str):
        found = "an image" if isinstance(media, np.ndarray) else type(media).__name__
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"expected a text, found {found}",
            subject="items",
            remedy="Give texts, or another modality.",
        )
    return media
