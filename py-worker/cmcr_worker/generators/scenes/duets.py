"""Duets: images of two scenes on one ground, and a sound that is one's of them, or neither's.

Each scene has a place of 32 x 32 pixels to itself, and its object lies in it where
its horizontal and vertical attributes say: a crop of the place looks as an image
encoder of this world learned it. A box is such a place, and not the outline of
the object: size and place in the picture are told by the sound as much as shape
and colour are, so a box around the object alone would call a method wrong that
knows how far left in its place a sound lies. Nothing marks a place's edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.regions import Box
from cmcr_worker.generators.scenes.attributes import labels_of
from cmcr_worker.generators.scenes.draws import (
    SPLITS,
    combinations_of,
    item_generator,
    item_number,
    pool_of,
)
from cmcr_worker.generators.scenes.images import DRAWS, SIDE, developed, ground_of, over, painted

DUETS: Final = frozenset({"duets", "duets-validation", "mismatched", "mismatched-validation"})
"""The splits of duets."""

SILENT: Final = frozenset({"mismatched", "mismatched-validation"})
"""Those in which half of the items have a sound that is neither scene's."""

CANVAS: Final = 96
"""Pixels across and down."""

APART: Final = SIDE + 8
"""Pixels from one place's left or upper edge to the other's, at least.

An object reaches beyond its place by 5 at most, so none reaches into the other's.
"""

DIFFERENT: Final = 2
"""In how many attributes the two scenes differ at most; one at least."""

_FREE: Final = CANVAS - SIDE  # the last pixel at which a place may begin
_BLOCK: Final = 16  # Images rendered at a time: their fields stay in the cache.


@dataclass(frozen=True, slots=True)
class Duets:
    """What several items show.

    `scenes` has the combinations of the two scenes, int64 (n, 2), and `corners`
    the row and the column of the pixel at the top left of each one's place,
    int64 (n, 2, 2). Where `sounds`, bool (n,), the first scene is the one that
    sounds; elsewhere neither does.
    """

    scenes: npt.NDArray[np.int64]
    corners: npt.NDArray[np.int64]
    sounds: npt.NDArray[np.bool_]


def duets_of(split: str, seed: int, indices: Sequence[int]) -> Duets:
    """The scenes of these items and where they are.

    The two scenes differ in one attribute or two, so that which of them sounds
    cannot be told by a glance. A sound that is neither's is of any other
    combination of the split.
    """
    heard = combinations_of(split, seed, indices)
    pool = pool_of(split)
    labels = labels_of(pool)
    silent = _silent_items(split, seed) if split in SILENT else frozenset[int]()
    scenes = np.empty((len(indices), 2), dtype=np.int64)
    corners = np.empty((len(indices), 2, 2), dtype=np.int64)
    for row, index in enumerate(indices):
        draws = item_generator(seed, split, "layout", index).random(9)
        corners[row] = _corners(draws[3:])
        others = pool != heard[row]
        scenes[row, 0] = _pick(pool[others], draws[0]) if index in silent else heard[row]
        different = (labels != labels_of(scenes[row, :1])).sum(axis=1)
        nearest = _nearest(different, others, 1 + int(draws[1] * DIFFERENT))
        scenes[row, 1] = _pick(pool[nearest], draws[2])
    sounds = np.array([index not in silent for index in indices], dtype=np.bool_)
    return Duets(scenes, corners, sounds)


def render_duets(split: str, seed: int, indices: Sequence[int]) -> list[npt.NDArray[np.uint8]]:
    """Images of these items, each uint8 RGB (96, 96, 3)."""
    images: list[npt.NDArray[np.uint8]] = []
    for start in range(0, len(indices), _BLOCK):
        images.extend(_render_block(split, seed, indices[start : start + _BLOCK]))
    return images


def boxes_of(split: str, seed: int, indices: Sequence[int]) -> list[list[Box]]:
    """Where in its image each item sounds: the place of the scene that does, or nowhere."""
    duets = duets_of(split, seed, indices)
    return [
        [(left / CANVAS, top / CANVAS, (left + SIDE) / CANVAS, (top + SIDE) / CANVAS)] if sounds else []
        for (top, left), sounds in zip(duets.corners[:, 0].tolist(), duets.sounds.tolist(), strict=True)
    ]


def _render_block(split: str, seed: int, indices: Sequence[int]) -> npt.NDArray[np.uint8]:
    count = len(indices)
    uniform = np.empty((count, 2, DRAWS), dtype=np.float32)
    noise = np.empty((count, CANVAS, CANVAS, 3), dtype=np.float32)
    for row, index in enumerate(indices):
        rng = item_generator(seed, split, "image", index)
        rng.random(dtype=np.float32, out=uniform[row])
        rng.standard_normal(dtype=np.float32, out=noise[row])
    duets = duets_of(split, seed, indices)
    pixel = np.arange(CANVAS, dtype=np.float32) + np.float32(0.5)
    flat = np.zeros((count, CANVAS, CANVAS), dtype=np.float32)
    picture = ground_of(uniform[:, 0])
    for which in range(2):
        corner = duets.corners[:, which].astype(np.float32)
        x = (pixel[None, :] - corner[:, 1, None])[:, None, :] + flat
        y = (pixel[None, :] - corner[:, 0, None])[:, :, None] + flat
        coverage, fill = painted(labels_of(duets.scenes[:, which]), uniform[:, which], x, y)
        picture = over(picture, coverage, fill)
    return developed(picture, noise)


def _corners(draws: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Rows and columns of two places' corners, (2, 2), from six uniform draws.

    A third of the pairs are apart from left to right, at whatever heights, a
    third from top to bottom, and a third both ways.
    """
    relation = int(draws[0] * 3)
    rows = _apart(draws[1], draws[2]) if relation != 0 else _anywhere(draws[1], draws[2])
    columns = _apart(draws[3], draws[4]) if relation != 1 else _anywhere(draws[3], draws[4])
    # Which of the two is which: the pair of rows is turned on its own, for both diagonals.
    turn = int(draws[5] * 4)
    return np.array([rows[:: 1 - turn % 2 * 2], columns[:: 1 - turn // 2 * 2]], dtype=np.int64).T


def _anywhere(first: float, second: float) -> tuple[int, int]:
    return int(first * (_FREE + 1)), int(second * (_FREE + 1))


def _apart(first: float, second: float) -> tuple[int, int]:
    start = int(first * (_FREE - APART + 1))
    return start, start + APART + int(second * (_FREE - APART - start + 1))


def _nearest(
    different: npt.NDArray[np.int64], others: npt.NDArray[np.bool_], wanted: int
) -> npt.NDArray[np.bool_]:
    """Which others differ in so many attributes; where none does, those that differ least."""
    if not (others & (different == wanted)).any():
        wanted = int(different[others & (different > 0)].min())
    nearest: npt.NDArray[np.bool_] = others & (different == wanted)
    return nearest


def _pick(options: npt.NDArray[np.int64], uniform: float) -> np.int64:
    return np.int64(options[int(uniform * len(options))])


@lru_cache(maxsize=8)
def _silent_items(split: str, seed: int) -> frozenset[int]:
    """Half of the split's items, drawn by the seed: those whose sound is neither scene's."""
    size = SPLITS[split]
    assert size is not None
    order = sorted(range(size), key=lambda index: item_number(seed, split, "silent", index))
    return frozenset(order[: size // 2])
