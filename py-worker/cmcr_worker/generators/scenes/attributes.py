"""The attributes of a scene, their combinations, and which combinations are held out."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from cmcr_worker.generators import combinations as combined
from cmcr_worker.generators.combinations import Attribute

ATTRIBUTES: Final = (
    Attribute("shape", ("circle", "square", "triangle", "star", "ring", "cross", "diamond", "crescent")),
    Attribute("colour", ("red", "orange", "yellow", "green", "blue", "purple")),
    Attribute("size", ("small", "medium", "large")),
    Attribute("texture", ("plain", "striped", "dotted", "chequered")),
    Attribute("horizontal", ("left", "centre", "right")),
    Attribute("vertical", ("bottom", "middle", "top")),
)

SIZES: Final = combined.sizes_of(ATTRIBUTES)
COMBINATIONS: Final = int(np.prod(SIZES))
HELD_OUT: Final = 1000
"""Combinations that occur in no training: only in `test` and the splits that are made like it."""


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
    return combined.labels_of(combinations, SIZES)


def _in_fixed_order() -> npt.NDArray[np.int64]:
    return combined.in_fixed_order(COMBINATIONS, b"scenes/held-out")
