"""Randomness that belongs to an item and not to the order in which items are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from cmcr_worker.generators import combinations as combined
from cmcr_worker.generators.scenes.attributes import HELD_OUT, held_out_combinations, seen_combinations

_WORLD: Final = "scenes"

SPLITS: Final[Mapping[str, int | None]] = MappingProxyType(
    {
        "train": None,
        "captions": None,
        "images": None,
        "sounds": None,
        "foreign": None,
        "test": HELD_OUT,
        "foreign-test": HELD_OUT,
        "duets": HELD_OUT,
        "mismatched": HELD_OUT,
        "duets-validation": HELD_OUT,
        "mismatched-validation": HELD_OUT,
    }
)
"""Every split, and how many items it has; None where there is no end."""

HELD_OUT_SPLITS: Final = frozenset({"test", "foreign-test", "duets", "mismatched"})
"""Those in which every scene is of a held-out combination; in the others none is."""


def item_generator(seed: int, split: str, stream: str, index: int) -> np.random.Generator:
    """A random generator for one item; `stream` keeps image, sound and wording independent."""
    return combined.item_generator(_WORLD, seed, split, stream, index)


def pool_of(split: str) -> npt.NDArray[np.int64]:
    """The combinations that occur in a split, in their fixed order."""
    return held_out_combinations() if split in HELD_OUT_SPLITS else seen_combinations()


def combinations_of(split: str, seed: int, indices: Sequence[int]) -> npt.NDArray[np.int64]:
    """The combination of each item, int64 (n,); of a duet, that of its sound.

    In splits that have an end, item i is combination i of the pool whatever the
    seed; in all others each item is drawn from the combinations that are not
    held out.
    """
    pool = pool_of(split)
    if SPLITS[split] is not None:
        return pool[np.asarray(indices, dtype=np.int64)]
    return combined.drawn_from(pool, _WORLD, split, seed, indices)


def item_number(seed: int, split: str, stream: str, index: int) -> int:
    """A number below 2^128 that belongs to one item: evenly spread, and the same everywhere."""
    return combined.item_number(_WORLD, seed, split, stream, index)
