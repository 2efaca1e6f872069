"""What the tests of both CLAP providers share: transformers used directly, and preparations made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_clap import ClapFeatureExtractor, ClapModel, tokens_of

from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.decoding.media import Media, Prepared
from cmcr_worker.encoders.clap_encoder import ClapEncoder
from cmcr_worker.encoders.clap_waveform import through_int16


class Remembering:
    """An encoder that prepares each item once, for tests that embed the same ones in many batches."""

    def __init__(self, encoder: ClapEncoder) -> None:
        self._encoder = encoder
        self._prepared: dict[int, Prepared] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def preparation(self, modality: str) -> Callable[[Media], Prepared]:
        prepare = self._encoder.preparation(modality)

        def once(item: Media) -> Prepared:
            if id(item) not in self._prepared:
                self._prepared[id(item)] = prepare(item)
            return self._prepared[id(item)]

        return once


class Transformers:
    """ClapFeatureExtractor and ClapModel of a folder, given 16-bit samples and our own `is_longer`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.extractor = ClapFeatureExtractor.from_pretrained(folder)
        self.model = ClapModel.from_pretrained(folder).eval()
        self._made: dict[int, torch.Tensor] = {}

    def spectrograms(self, clip: AudioClip) -> torch.Tensor:
        if id(clip) not in self._made:
            samples = through_int16(clip.samples[:, 0])
            made = self.extractor(samples, sampling_rate=clip.sample_rate, return_tensors="pt")
            self._made[id(clip)] = made["input_features"][0].float()
        return self._made[id(clip)]

    def audio(self, clips: Sequence[AudioClip], longer: Sequence[bool] | None = None) -> torch.Tensor:
        features = torch.stack([self.spectrograms(clip) for clip in clips])
        marks = torch.tensor(longer if longer is not None else [False] * len(clips))[:, None]
        with torch.no_grad():
            rows: torch.Tensor = self.model.get_audio_features(
                input_features=features, is_longer=marks
            ).pooler_output
        return rows

    def text(self, texts: Sequence[str]) -> torch.Tensor:
        tokens = tokens_of(self._folder, texts)
        with torch.no_grad():
            rows: torch.Tensor = self.model.get_text_features(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
            ).pooler_output
        return rows


def silence(samples: int = 48_000) -> AudioClip:
    return AudioClip(np.zeros((samples, 1), np.float32), 48_000)
