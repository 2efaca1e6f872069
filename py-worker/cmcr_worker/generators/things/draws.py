"""Randomness that belongs to an item and not to the order in which items are made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cmcr_worker.generators.things.attributes import (
    NUISANCES,
    seen_combinations,
    test_combinations,
    validation_combinations,
)


def item_generator(seed: int, split: str, stream: str, index: int) -> np.random.Generator:
    """A random generator for one item; `stream` keeps image, cloud and wording independent."""
    key = int.from_bytes(_digest(seed, split, stream, index), "little")
    return np.random.Generator(np.random.Philox(key=key))


def combinations_of(split: str, seed: int, indices: Sequence[int]) -> npt.NDArray[np.int64]:
    """The combination of each item, int64 (n,).

    In `test` and `validation`, item i is combination i of those held out for
    it, whatever the seed; in all other splits each item is drawn from the rest.
    """
    if split == "test":
        return test_combinations()[np.asarray(indices, dtype=np.int64)]
    if split == "validation":
        return validation_combinations()[np.asarray(indices, dtype=np.int64)]
    seen = seen_combinations()
    picks = [_number(seed, split, "combination", index) for index in indices]
    return seen[np.array([pick % len(seen) for pick in picks], dtype=np.int64)]


def nuisances_of(split: str, seed: int, indices: Sequence[int]) -> npt.NDArray[np.int64]:
    """Labels of each item's colour and background, int64 (n, 2): the same in its image and its caption."""
    return np.array(
        [
            [_number(seed, split, nuisance.name, index) % len(nuisance.values) for nuisance in NUISANCES]
            for index in indices
        ],
        dtype=np.int64,
    ).reshape(-1, len(NUISANCES))


def _number(seed: int, split: str, stream: str, index: int) -> int:
    return int.from_bytes(_digest(seed, split, stream, index), "little")


def _digest(seed: int, split: str, stream: str, index: int) -> bytes:
    return hashlib.blake2b(
        f"{seed}/{split}/{stream}/{index}".encode(), digest_size=16, person=b"things"
    ).digest()
