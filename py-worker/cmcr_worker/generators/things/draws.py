"""Randomness that belongs to an item and not to the order in which items are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from cmcr_worker.generators import combinations as combined
from cmcr_worker.generators.things.attributes import (
    NUISANCES,
    seen_combinations,
    test_combinations,
    validation_combinations,
)

_WORLD: Final = "things"


def item_generator(seed: int, split: str, stream: str, index: int) -> np.random.Generator:
    """A random generator for one item; `stream` keeps image, cloud and wording independent."""
    return combined.item_generator(_WORLD, seed, split, stream, index)


def combinations_of(split: str, seed: int, indices: Sequence[int]) -> npt.NDArray[np.int64]:
    """The combination of each item, int64 (n,).

    In `test` and `validation`, item i is combination i of those held out for
    it, whatever the seed; in all other splits each item is drawn from the rest.
    """
    if split == "test":
        return test_combinations()[np.asarray(indices, dtype=np.int64)]
    if split == "validation":
        return validation_combinations()[np.asarray(indices, dtype=np.int64)]
    return combined.drawn_from(seen_combinations(), _WORLD, split, seed, indices)


def nuisances_of(split: str, seed: int, indices: Sequence[int]) -> npt.NDArray[np.int64]:
    """Labels of each item's colour and background, int64 (n, 2): the same in its image and its caption."""
    return np.array(
        [
            [
                combined.item_number(_WORLD, seed, split, nuisance.name, index) % len(nuisance.values)
                for nuisance in NUISANCES
            ]
            for index in indices
        ],
        dtype=np.int64,
    ).reshape(-1, len(NUISANCES))
