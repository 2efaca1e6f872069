"""The attributes of a thing, their combinations, and which combinations are held out."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from cmcr_worker.generators import combinations as combined
from cmcr_worker.generators.combinations import Attribute

SHAPE: Final = Attribute(
    "shape",
    ("ball", "cube", "cone", "cylinder", "ring", "pyramid", "spring", "cross", "arrow", "bowl"),
)
ATTRIBUTES: Final = (
    SHAPE,
    Attribute("elongation", ("flat", "regular", "tall")),
    Attribute("size", ("small", "medium", "large")),
    Attribute("tilt", ("upright", "leaning")),
    Attribute("base", ("free", "plate", "pole")),
    Attribute("top", ("bare", "knob", "antenna")),
)
"""What is true of a thing whichever way it is rendered."""

NUISANCES: Final = (
    Attribute("colour", ("red", "orange", "yellow", "green", "blue", "purple")),
    Attribute("background", ("dark", "bright")),
)
"""What is seen in an image and may be said in a caption, but is in no cloud."""

SIZES: Final = combined.sizes_of(ATTRIBUTES)
COMBINATIONS: Final = int(np.prod(SIZES))
TESTED: Final = 500
"""Combinations that occur in no split but `test`."""
VALIDATED: Final = 120
"""Combinations that occur in no split but `validation`."""


@cache
def test_combinations() -> npt.NDArray[np.int64]:
    """The combinations of the test split in their fixed order, int64 (500,).

    The order is that of a hash of the combination's number, so that it depends
    on no random generator.
    """
    return _in_fixed_order()[:TESTED]


@cache
def validation_combinations() -> npt.NDArray[np.int64]:
    """The combinations of the validation split in their fixed order, int64 (120,)."""
    return _in_fixed_order()[TESTED : TESTED + VALIDATED]


@cache
def seen_combinations() -> npt.NDArray[np.int64]:
    """All other combinations, int64 (1000,)."""
    return _in_fixed_order()[TESTED + VALIDATED :]


def labels_of(combinations: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The label of each attribute: (n,) combinations to (n, attributes) labels."""
    return combined.labels_of(combinations, SIZES)


def _in_fixed_order() -> npt.NDArray[np.int64]:
    return combined.in_fixed_order(COMBINATIONS, b"things/held-out")
