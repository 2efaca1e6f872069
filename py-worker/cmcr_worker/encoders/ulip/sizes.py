"""Sizes of ULIP's networks, and the models that its authors publish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class PointBertSizes:
    """The point encoder, as in ULIP's `PointTransformer_8192point.yaml`, and its projection.

    `channels` is 3 for coordinates, 6 with colours; `dimension` that of the joint space.
    """

    width: int = 384
    depth: int = 12
    heads: int = 6
    channels: int = 3
    encoder: int = 256
    groups: int = 512
    neighbours: int = 32
    dimension: int = 512


@dataclass(frozen=True, slots=True)
class TextSizes:
    """The text tower: a causal transformer as CLIP's."""

    width: int = 512
    depth: int = 12
    heads: int = 8
    context: int = 77
    vocabulary: int = 49408


@dataclass(frozen=True, slots=True)
class ImageSizes:
    """The image tower: a vision transformer as timm's `vit_base_patch16_224`."""

    width: int = 768
    depth: int = 12
    heads: int = 12
    patch: int = 16
    side: int = 224


@dataclass(frozen=True, slots=True)
class UlipSizes:
    """A whole network; None for a tower that it does not have."""

    points: PointBertSizes
    text: TextSizes | None = TextSizes()
    image: ImageSizes | None = ImageSizes()


COLOURED = 6
"""Channels of a network that takes colours."""

MODELS: Mapping[str, PointBertSizes] = MappingProxyType(
    {
        "ULIP_PointBERT": PointBertSizes(),
        "ULIP2_PointBERT_Colored": PointBertSizes(depth=18, channels=COLOURED, dimension=1280),
    }
)
"""Models by the names that ULIP's code has for them, which its checkpoints repeat."""
