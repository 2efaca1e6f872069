"""Images of scenes: a shape from its signed distance function, textured, on a noisy ground."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from cmcr_worker.generators.scenes.attributes import ATTRIBUTES, labels_of
from cmcr_worker.generators.scenes.draws import combinations_of, item_generator

Field: TypeAlias = npt.NDArray[np.float32]
"""A value for each pixel of each image, (n, 32, 32)."""

SIDE: Final = 32
DRAWS: Final = 9
"""Uniform draws that an image takes before its noise."""

_BLOCK: Final = 64  # Images rendered at a time: their fields stay in the cache.

_RADIUS: Final = np.array([6.5, 8.5, 11.0], dtype=np.float32)  # pixels, by size
_PLACE: Final = np.array([-5.5, 0.0, 5.5], dtype=np.float32)  # pixels from the middle, by position
_COLOURS: Final = np.array(
    [
        [0.90, 0.12, 0.12],
        [0.98, 0.55, 0.05],
        [0.95, 0.90, 0.10],
        [0.10, 0.70, 0.20],
        [0.12, 0.25, 0.92],
        [0.62, 0.15, 0.75],
    ],
    dtype=np.float32,
)
_GROUNDS: Final = np.array([0.12, 0.85], dtype=np.float32)
_DARKENING: Final = np.float32(0.6)  # of the texture's dark parts
_RADIUS_JITTER: Final = np.float32(0.08)  # of the radius
_PLACE_JITTER: Final = np.float32(1.2)  # pixels
_TURN_JITTER: Final = np.float32(0.2)  # radians
_LIGHT_JITTER: Final = np.float32(0.12)  # of the colour
_GROUND_JITTER: Final = np.float32(0.08)
_NOISE: Final = np.float32(0.06)  # standard deviation; white is 1


def _from_middle(x: Field, y: Field) -> Field:
    distance: Field = np.sqrt(x * x + y * y)
    return distance


def _circle(x: Field, y: Field) -> Field:
    return _from_middle(x, y) - np.float32(0.92)


def _square(x: Field, y: Field) -> Field:
    return np.maximum(np.abs(x), np.abs(y)) - np.float32(0.82)


def _triangle(x: Field, y: Field) -> Field:
    # Apex (0, -1), corners (+-0.98, 0.75); y points down.
    slope = (np.abs(x) * np.float32(1.75) - (y + 1) * np.float32(0.98)) / np.float32(2.006)
    distance: Field = np.maximum(slope, y - np.float32(0.75))
    return distance


def _star(x: Field, y: Field) -> Field:
    fold = np.float32(2 * np.pi / 5)
    angle = np.arctan2(x, -y)
    to_tip = np.abs(angle - fold * np.rint(angle / fold))
    within: Field = to_tip * (2 / fold)  # 0 at a tip, 1 in a notch
    # Scaled because the edge runs slantwise to the radius.
    edge = np.float32(1.08) - np.float32(0.63) * within
    return (_from_middle(x, y) - edge) * np.float32(0.7)


def _ring(x: Field, y: Field) -> Field:
    distance: Field = np.abs(_from_middle(x, y) - np.float32(0.74)) - np.float32(0.22)
    return distance


def _cross(x: Field, y: Field) -> Field:
    long, wide = np.float32(0.98), np.float32(0.32)
    ax, ay = np.abs(x), np.abs(y)
    distance: Field = np.minimum(np.maximum(ax - long, ay - wide), np.maximum(ay - long, ax - wide))
    return distance


def _diamond(x: Field, y: Field) -> Field:
    return (np.abs(x) + np.abs(y) - np.float32(1.05)) * np.float32(0.7071)


def _crescent(x: Field, y: Field) -> Field:
    outer, inner = _from_middle(x, y), _from_middle(x - np.float32(0.45), y)
    distance: Field = np.maximum(outer - np.float32(0.98), np.float32(0.78) - inner)
    return distance


SIGNED_DISTANCES: Final[Mapping[str, Callable[[Field, Field], Field]]] = MappingProxyType(
    {
        "circle": _circle,
        "square": _square,
        "triangle": _triangle,
        "star": _star,
        "ring": _ring,
        "cross": _cross,
        "diamond": _diamond,
        "crescent": _crescent,
    }
)
"""Distance to the edge, negative inside, of a shape of radius about 1."""


def _plain(x: Field, y: Field) -> Field:
    return np.zeros_like(x)


def _striped(x: Field, y: Field) -> Field:
    return (np.mod(y, 4) < 2).astype(np.float32)


def _dotted(x: Field, y: Field) -> Field:
    return ((np.mod(x, 4) < 2) & (np.mod(y, 4) < 2)).astype(np.float32)


def _chequered(x: Field, y: Field) -> Field:
    return ((np.mod(x, 6) < 3) ^ (np.mod(y, 6) < 3)).astype(np.float32)


PATTERNS: Final[Mapping[str, Callable[[Field, Field], Field]]] = MappingProxyType(
    {"plain": _plain, "striped": _striped, "dotted": _dotted, "chequered": _chequered}
)
"""How much of its darkening a texture gives each place, in pixels."""


def render_images(split: str, seed: int, indices: Sequence[int]) -> list[npt.NDArray[np.uint8]]:
    """Images of these items, each uint8 RGB (32, 32, 3)."""
    images: list[npt.NDArray[np.uint8]] = []
    for start in range(0, len(indices), _BLOCK):
        images.extend(_render_block(split, seed, indices[start : start + _BLOCK]))
    return images


def _render_block(split: str, seed: int, indices: Sequence[int]) -> npt.NDArray[np.uint8]:
    labels = labels_of(combinations_of(split, seed, indices))
    count = len(indices)
    uniform = np.empty((count, DRAWS), dtype=np.float32)
    noise = np.empty((count, SIDE, SIDE, 3), dtype=np.float32)
    for row, index in enumerate(indices):
        rng = item_generator(seed, split, "image", index)
        uniform[row] = rng.random(DRAWS, dtype=np.float32)
        rng.standard_normal(dtype=np.float32, out=noise[row])

    pixel = np.arange(SIDE, dtype=np.float32) + np.float32(0.5)
    x = pixel[None, None, :] + np.zeros((count, SIDE, 1), np.float32)
    y = pixel[None, :, None] + np.zeros((count, 1, SIDE), np.float32)
    coverage, fill = painted(labels, uniform, x, y)
    return developed(over(ground_of(uniform), coverage, fill), noise)


def painted(
    labels: npt.NDArray[np.int64], uniform: npt.NDArray[np.float32], x: Field, y: Field
) -> tuple[Field, npt.NDArray[np.float32]]:
    """One object for each image, by its scene's labels (n, attributes) and its uniform draws (n, DRAWS).

    `x` and `y` (n, height, width) are places in pixels from the top left of the
    `SIDE` x `SIDE` that the object has to itself. Returns how much of each pixel
    the object covers, and its colour there, (n, height, width, 3).
    """
    shape, colour, size, texture, horizontal, vertical = labels.T
    signed = uniform * 2 - 1
    radius = _RADIUS[size] * (1 + _RADIUS_JITTER * signed[:, 0])
    middle = np.float32(SIDE / 2)
    centre_x = middle + _PLACE[horizontal] + _PLACE_JITTER * signed[:, 1]
    centre_y = middle - _PLACE[vertical] + _PLACE_JITTER * signed[:, 2]
    turn = _TURN_JITTER * signed[:, 3]

    from_x: Field = x - _per_image(centre_x)
    from_y: Field = y - _per_image(centre_y)
    cos, sin = _per_image(np.cos(turn)), _per_image(np.sin(turn))
    turned_x: Field = cos * from_x + sin * from_y
    turned_y: Field = cos * from_y - sin * from_x

    distance = np.empty_like(from_x)
    unit_x: Field = turned_x / _per_image(radius)
    unit_y: Field = turned_y / _per_image(radius)
    for label, name in enumerate(ATTRIBUTES[0].values):
        rows = np.flatnonzero(shape == label)
        distance[rows] = SIGNED_DISTANCES[name](unit_x[rows], unit_y[rows])
    coverage: Field = np.clip(np.float32(0.5) - distance * _per_image(radius), 0, 1)

    dark = np.empty_like(from_x)
    shifted_x = turned_x + 6 * _per_image(uniform[:, 4])
    shifted_y = turned_y + 6 * _per_image(uniform[:, 5])
    for label, name in enumerate(ATTRIBUTES[3].values):
        rows = np.flatnonzero(texture == label)
        dark[rows] = PATTERNS[name](shifted_x[rows], shifted_y[rows])

    light = 1 + _LIGHT_JITTER * signed[:, 8]
    fill = (_COLOURS[colour] * light[:, None])[:, None, None, :] * (1 - _DARKENING * dark[..., None])
    return coverage, fill


def ground_of(uniform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The ground's grey of each image, (n, 1, 1, 1), from its uniform draws (n, DRAWS).

    The ground is the nuisance that is only seen: dark or bright, never told.
    """
    ground = _GROUNDS[(uniform[:, 6] < 0.5).astype(np.int64)] + _GROUND_JITTER * (uniform[:, 7] * 2 - 1)
    return ground[:, None, None, None]


def over(
    picture: npt.NDArray[np.float32], coverage: Field, fill: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """The pictures with an object before each, (n, height, width, 3)."""
    return picture * (1 - coverage[..., None]) + fill * coverage[..., None]


def developed(picture: npt.NDArray[np.float32], noise: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Pictures as uint8, with standard normal noise of their shape brought to the world's level."""
    noisy = picture + _NOISE * noise
    pixels: npt.NDArray[np.uint8] = np.clip(np.rint(noisy * 255), 0, 255).astype(np.uint8)
    return pixels


def _per_image(values: npt.NDArray[np.float32]) -> Field:
    return values[:, None, None]
