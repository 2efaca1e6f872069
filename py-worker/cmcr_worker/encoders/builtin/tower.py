"""The part of an encoder that embeds one modality."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import nn

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.errors import Reason, WorkerError


class Tower(nn.Module, ABC):
    """Turns items of one modality into embeddings, in two steps: prepare and forward."""

    @abstractmethod
    def prepare(self, items: Sequence[Prepared]) -> torch.Tensor:
        """The network's input for these items, on the CPU, one row for each."""

    @abstractmethod
    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        """Embeddings (n, dimension), not normalised, of what `prepare` gave."""


def wrong_item(expected: str, item: object, row: int) -> WorkerError:
    """The error for an item that is not of the tower's modality."""
    return WorkerError(
        Reason.CONFIG_INVALID,
        f"item {row} is {type(item).__name__}, but {expected} was expected",
        subject=f"item {row}",
        remedy="Encode each collection in its own modality.",
    )
