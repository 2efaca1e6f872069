"""What an encoder is, and what provides encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from cmcr_worker.decoding.media import Media


@dataclass(frozen=True, slots=True)
class EncoderDescription:
    """All that an encoder's embeddings depend on.

    `weights_sha256` is that of the weights file, lower-case hexadecimal;
    `revision` changes whenever preprocessing or forward pass change their
    results; `compute_dtype` is the element type of the forward pass.
    """

    dimension: int
    modalities: frozenset[str]
    weights_sha256: str
    revision: str
    compute_dtype: str


class Encoder(Protocol):
    """An encoder with its weights, frozen, on a device."""

    @property
    def dimension(self) -> int:
        """Length of an embedding."""

    @property
    def modalities(self) -> frozenset[str]:
        """What it embeds, such as `image` and `text`."""

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights file, lower-case hexadecimal."""

    @property
    def revision(self) -> str:
        """Changes whenever preprocessing or forward pass change their results."""

    @property
    def compute_dtype(self) -> str:
        """Element type of the forward pass, such as `float32`."""

    def encode(self, modality: str, inputs: Sequence[Media]) -> torch.Tensor:
        """Embeddings of these items, (n, dimension) float32 on the CPU, rows L2-normalised.

        An item's row does not depend on the others, within 1e-5.

        Raises:
            WorkerError: UNKNOWN_NAME for a modality that it does not embed, CONFIG_INVALID for an item
                that is not of the modality.
        """


class EncoderProvider(Protocol):
    """A family of encoders."""

    def describe(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object]
    ) -> EncoderDescription:
        """What `load` would give, without building it.

        Raises:
            WorkerError: UNKNOWN_NAME for the model, CHECKPOINT_MISSING, DATA_CORRUPT or SHAPE_MISMATCH
                for the checkpoint, CONFIG_INVALID for the options.
        """

    def load(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object], device: torch.device
    ) -> Encoder:
        """The encoder, ready on that device. Raises as `describe` does."""
