"""How a file of each modality becomes an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from cmcr_worker.decoding.audio import decode_audio
from cmcr_worker.decoding.image import decode_image
from cmcr_worker.decoding.media import Media
from cmcr_worker.registry import lookup

DECODERS: Mapping[str, Callable[[Path], Media]] = MappingProxyType(
    {"audio": decode_audio, "image": decode_image}
)


def decoder(modality: str) -> Callable[[Path], Media]:
    """What reads a file of that modality.

    Raises:
        WorkerError: UNKNOWN_NAME where files of that modality are not read, with those that are.
    """
    return lookup(DECODERS, "file decoder for the modality", modality)
