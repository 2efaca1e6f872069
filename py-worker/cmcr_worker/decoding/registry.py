"""How a file of each modality becomes an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from cmcr_worker.decoding.audio import decode_audio
from cmcr_worker.decoding.encoded import Encoded, Limits, Part
from cmcr_worker.decoding.image import decode_image
from cmcr_worker.decoding.media import Media
from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.decoding.text import decode_text
from cmcr_worker.registry import lookup

Decoder: TypeAlias = Callable[[Encoded, Limits, Part | None], Media]
"""From the bytes of one item to the item. Raises WorkerError DATA_MISSING or DATA_CORRUPT."""


def _decode_pointcloud(source: Encoded, limits: Limits, part: Part | None) -> PointCloud:
    # Mesh libraries load slowly, and most collections hold no clouds.
    from cmcr_worker.decoding.pointcloud_files import decode_pointcloud

    return decode_pointcloud(source, limits, part)


DECODERS: Mapping[str, Decoder] = MappingProxyType(
    {
        "audio": decode_audio,
        "image": decode_image,
        "pointcloud": _decode_pointcloud,
        "text": decode_text,
    }
)


def decoder(modality: str) -> Decoder:
    """What reads a file of that modality.

    Raises:
        WorkerError: UNKNOWN_NAME where files of that modality are not read, with those that are.
    """
    return lookup(DECODERS, "file decoder for the modality", modality)
