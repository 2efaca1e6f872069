"""The attributes of a scene, their combinations, and which combinations are held out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Attribute:
    """A property of a scene and its possible values, in the order of their label."""

    name: str
    values: tuple[str, ...]


ATTRIBUTES: Final = (
    Attribute("shape", ("circle", "square", "triangle", "star", "ring", "cross", "diamond", "crescent")),
    Attribute("colour", ("red", "orange", "yellow", "green", "blue", "purple")),
    Attribute("size", ("small", "medium", "large")),
    Attribute("texture", ("plain", "striped", "dotted", "chequered")),
    Attribute("horizontal", ("left", "centre", "right")),
    Attribute("vertical", ("bottom", "middle", "top")),
)

SIZES: Final = tuple(len(attribute.values) for attribute in ATTRIBUTES)
COMBINATIONS: Final = int(np.prod(SIZES))
HELD_OUT: Final = 1000
"""Combinations that occur in no split but `test`."""


@cache
def held_out_combinations() -> npt.NDArray[np.int64]:
    """The combinations of the test split in their fixed order, int64 (1000,).

    The order is that of a hash of the combination's number, so that it depends
    on no random generator.
    """
    return _in_fixed_order()[:HELD_OUT]


@cache
def seen_combinations() -> npt.NDArray[np.int64]:
    """All other combinations, int64 (4184,)."""
    return _in_fixed_order()[HELD_OUT:]


def labels_of(combinations: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The label of each attribute: (n,) combinations to (n, attributes) labels."""
    return np.stack(np.unravel_index(combinations, SIZES), axis=-1).astype(np.int64)


def _in_fixed_order() -> npt.NDArray[np.int64]:
    def rank(combination: int) -> bytes:
        return hashlib.blake2b(combination.to_bytes(4, "little"), person=b"scenes/held-out").digest()

    order = np.array(sorted(range(COMBINATIONS), key=rank), dtype=np.int64)
    order.setflags(write=False)
    return order
