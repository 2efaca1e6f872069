"""Worlds whose items are combinations of attributes, and randomness that belongs to an item.

What is drawn for an item follows from the world's name, a seed and the item's place, and not from
the order in which items are made or from any random generator of a library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cmcr_worker.generators.protocol import AttributeColumn


@dataclass(frozen=True, slots=True)
class Attribute:
    """A property of an item and its possible values, in the order of their label."""

    name: str
    values: tuple[str, ...]


def sizes_of(attributes: Sequence[Attribute]) -> tuple[int, ...]:
    """How many values each attribute has."""
    return tuple(len(attribute.values) for attribute in attributes)


def in_fixed_order(combinations: int, person: bytes) -> npt.NDArray[np.int64]:
    """The numbers 0 to `combinations` - 1 in the order of a hash of each, int64, read-only.

    `person` sets one world's order apart from another's; at most 16 bytes.
    """

    def rank(combination: int) -> bytes:
        return hashlib.blake2b(combination.to_bytes(4, "little"), person=person).digest()

    order = np.array(sorted(range(combinations), key=rank), dtype=np.int64)
    order.setflags(write=False)
    return order


def labels_of(combinations: npt.NDArray[np.int64], sizes: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """The label of each attribute: (n,) combinations to (n, attributes) labels."""
    return np.stack(np.unravel_index(combinations, sizes), axis=-1).astype(np.int64)


def columns_of(attributes: Sequence[Attribute], labels: npt.NDArray[np.int64]) -> list[AttributeColumn]:
    """One column for each attribute, of labels (n, attributes)."""
    return [
        AttributeColumn(attribute.name, attribute.values, np.ascontiguousarray(column, dtype=np.uint32))
        for attribute, column in zip(attributes, labels.T, strict=True)
    ]


def item_number(world: str, seed: int, split: str, stream: str, index: int) -> int:
    """A number below 2^128 that belongs to one item: evenly spread, and the same everywhere.

    `stream` keeps what is drawn for one purpose independent of what is drawn for another.
    """
    digest = hashlib.blake2b(
        f"{seed}/{split}/{stream}/{index}".encode(), digest_size=16, person=world.encode()
    ).digest()
    return int.from_bytes(digest, "little")


def item_generator(world: str, seed: int, split: str, stream: str, index: int) -> np.random.Generator:
    """A random generator for one item and one stream."""
    return np.random.Generator(np.random.Philox(key=item_number(world, seed, split, stream, index)))


def drawn_from(
    pool: npt.NDArray[np.int64], world: str, split: str, seed: int, indices: Sequence[int]
) -> npt.NDArray[np.int64]:
    """A combination of the pool for each item, int64 (n,)."""
    picks = [item_number(world, seed, split, "combination", index) for index in indices]
    return pool[np.array([pick % len(pool) for pick in picks], dtype=np.int64)]
