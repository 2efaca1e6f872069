"""Randomness that belongs to an item and not to the order in which items are made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cmcr_worker.generators.scenes.attributes import held_out_combinations, seen_combinations


def item_generator(seed: int, split: str, stream: str, index: int) -> np.random.Generator:
    """A random generator for one item; `stream` keeps image, sound and wording independent."""
    key = int.from_bytes(_digest(seed, split, stream, index), "little")
    return np.random.Generator(np.random.Philox(key=key))


def combinations_of(split: str, seed: int, indices: Sequence[int]) -> npt.NDArray[np.int64]:
    """The combination of each item, int64 (n,).

    In `test`, item i is held-out combination i whatever the seed; in all other
    splits each item is drawn from the combinations that are not held out.
    """
    if split == "test":
        return held_out_combinations()[np.asarray(indices, dtype=np.int64)]
    seen = seen_combinations()
    picks = [int.from_bytes(_digest(seed, split, "combination", index), "little") for index in indices]
    return seen[np.array([pick % len(seen) for pick in picks], dtype=np.int64)]


def _digest(seed: int, split: str, stream: str, index: int) -> bytes:
    return hashlib.blake2b(
        f"{seed}/{split}/{stream}/{index}".encode(), digest_size=16, person=b"scenes"
    ).digest()
