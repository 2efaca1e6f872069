"""The built-in models: which towers make up each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import nn

from cmcr_worker.encoders.builtin.audio_tower import PatchAudio
from cmcr_worker.encoders.builtin.cloud_tower import PointNet
from cmcr_worker.encoders.builtin.image_tower import ConvolutionalImage
from cmcr_worker.encoders.builtin.text_towers import AttendedText, BagOfWords, ConvolutionalText
from cmcr_worker.encoders.builtin.tower import Tower
from cmcr_worker.encoders.builtin.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class ModelDefinition:
    """A model: its dimension, and how each modality's tower is built."""

    dimension: int
    revision: str
    towers: Mapping[str, Callable[[Vocabulary], Tower]]


MODELS: Mapping[str, ModelDefinition] = MappingProxyType(
    {
        "scenes-image-text": ModelDefinition(
            dimension=64,
            revision="1",
            towers={
                "image": lambda vocabulary: ConvolutionalImage(channels=(32, 64, 96), dimension=64),
                "text": lambda vocabulary: BagOfWords(vocabulary, width=96, hidden=192, dimension=64),
            },
        ),
        "scenes-audio-text": ModelDefinition(
            dimension=48,
            revision="1",
            towers={
                "audio": lambda vocabulary: PatchAudio(width=64, dimension=48),
                "text": lambda vocabulary: ConvolutionalText(
                    vocabulary, width=48, channels=160, dimension=48
                ),
            },
        ),
        # One tower for both languages.
        "scenes-two-languages": ModelDefinition(
            dimension=48,
            revision="1",
            towers={
                "text": lambda vocabulary: AttendedText(
                    vocabulary, width=64, questions=8, hidden=128, dimension=48
                ),
            },
        ),
        "things-image-text": ModelDefinition(
            dimension=64,
            revision="1",
            towers={
                "image": lambda vocabulary: ConvolutionalImage(channels=(32, 64, 128), dimension=64),
                "text": lambda vocabulary: BagOfWords(vocabulary, width=96, hidden=192, dimension=64),
            },
        ),
        "things-cloud-image": ModelDefinition(
            dimension=48,
            revision="1",
            towers={
                "pointcloud": lambda vocabulary: PointNet(widths=(64, 96, 192), hidden=128, dimension=48),
                "image": lambda vocabulary: ConvolutionalImage(channels=(24, 64, 96), dimension=48),
            },
        ),
    }
)


def build_towers(definition: ModelDefinition, vocabulary: Vocabulary) -> nn.ModuleDict:
    """The model's towers by modality, with fresh weights."""
    return nn.ModuleDict({modality: build(vocabulary) for modality, build in definition.towers.items()})
