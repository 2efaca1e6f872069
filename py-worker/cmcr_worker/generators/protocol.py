"""What a generator of items offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.media import Media
from cmcr_worker.decoding.regions import Box


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """One attribute of several items.

    `values` are its possible values in the order of their label; `labels` is uint32 (n,).
    """

    name: str
    values: tuple[str, ...]
    labels: npt.NDArray[np.uint32]


class Generator(Protocol):
    """A world of items, each of which follows from (seed, split, modality, index) alone."""

    @property
    def name(self) -> str:
        """Name in the registry."""

    @property
    def revision(self) -> str:
        """Changes whenever any item changes."""

    @property
    def splits(self) -> Mapping[str, int | None]:
        """Disjoint parts, and how many items each has; None where there is no end."""

    @property
    def modalities(self) -> frozenset[str]:
        """Modalities in which an item can be rendered."""

    def check(self, split: str) -> None:
        """Raises WorkerError UNKNOWN_NAME where there is no such split."""

    def render(self, modality: str, split: str, seed: int, indices: Sequence[int]) -> list[Media]:
        """The items of these indices in one modality, in that order."""

    def attributes(self, split: str, seed: int, indices: Sequence[int]) -> list[AttributeColumn]:
        """What is true of these items, one column for each attribute."""

    def captions(self, split: str, seed: int, indices: Sequence[int]) -> list[str]:
        """One plain phrase for each item that names every attribute, for people to read."""

    def boxes(self, split: str, seed: int, indices: Sequence[int]) -> list[list[Box]] | None:
        """Where in its image each of these items sounds, an empty list where none of it does.

        None where the split's images have no such places.
        """
