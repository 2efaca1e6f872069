"""Images of things: their surface splatted with a depth buffer, shaded as Lambert has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from cmcr_worker.generators.things.draws import combinations_of, item_generator, nuisances_of
from cmcr_worker.generators.things.posing import thing

Field = npt.NDArray[np.float32]

SIDE: Final = 32
_BLOCK: Final = 32  # Images rendered at a time: their points stay in the cache.
_HALF_VIEW: Final = np.float32(1.55)  # from the middle of the image to its edge, in the unit of the points

_COLOURS: Final = np.array(
    [
        [0.92, 0.15, 0.12],
        [0.98, 0.55, 0.08],
        [0.93, 0.88, 0.12],
        [0.12, 0.72, 0.22],
        [0.15, 0.30, 0.95],
        [0.62, 0.18, 0.78],
    ],
    dtype=np.float32,
)
_GROUNDS: Final = np.array([0.06, 0.88], dtype=np.float32)
_GROUND_JITTER: Final = np.float32(0.05)
_ELEVATION: Final = np.radians(np.array([9, 34])).astype(np.float32)
_LIGHT_ELEVATION: Final = np.radians(np.array([20, 60])).astype(np.float32)
_LIGHT_AZIMUTH: Final = np.float32(np.radians(70))  # at most, to either side of the viewer
_AMBIENT: Final = np.float32(0.3)
_PLACE_JITTER: Final = np.float32(0.06)
_NOISE: Final = np.float32(0.03)  # standard deviation; white is 1


def render_images(split: str, seed: int, indices: Sequence[int]) -> list[npt.NDArray[np.uint8]]:
    """Images of these items, each uint8 RGB (32, 32, 3)."""
    images: list[npt.NDArray[np.uint8]] = []
    for start in range(0, len(indices), _BLOCK):
        images.extend(_render_block(split, seed, indices[start : start + _BLOCK]))
    return images


def _render_block(split: str, seed: int, indices: Sequence[int]) -> npt.NDArray[np.uint8]:
    things = [thing(combination) for combination in combinations_of(split, seed, indices).tolist()]
    points = np.stack([each[0] for each in things])
    normals = np.stack([each[1] for each in things])
    colour, background = nuisances_of(split, seed, indices).T
    count = len(indices)
    uniform = np.empty((count, 7), dtype=np.float32)
    noise = np.empty((count, SIDE, SIDE, 3), dtype=np.float32)
    for row, index in enumerate(indices):
        rng = item_generator(seed, split, "image", index)
        uniform[row] = rng.random(7, dtype=np.float32)
        rng.standard_normal(dtype=np.float32, out=noise[row])
    signed = uniform * 2 - 1

    elevation = _ELEVATION[0] + (_ELEVATION[1] - _ELEVATION[0]) * uniform[:, 1]
    camera = camera_rotations(np.float32(2 * np.pi) * uniform[:, 0], elevation)
    light = _lights(
        _LIGHT_AZIMUTH * signed[:, 2],
        _LIGHT_ELEVATION[0] + (_LIGHT_ELEVATION[1] - _LIGHT_ELEVATION[0]) * uniform[:, 3],
    )
    seen = points @ camera.transpose(0, 2, 1)
    seen[..., :2] += _PLACE_JITTER * signed[:, None, 4:6]
    facing = normals @ camera.transpose(0, 2, 1)
    shade = _AMBIENT + (1 - _AMBIENT) * np.maximum(np.einsum("npc,nc->np", facing, light), 0)
    shading = splatted(seen, facing[..., 2] > 0, shade)

    ground = _GROUNDS[background] + _GROUND_JITTER * signed[:, 6]
    covered = shading[..., None] >= 0
    picture = np.where(
        covered, shading[..., None] * _COLOURS[colour][:, None, None, :], ground[:, None, None, None]
    )
    picture += _NOISE * noise
    pixels: npt.NDArray[np.uint8] = np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)
    return pixels


def camera_rotations(azimuth: Field, elevation: Field) -> Field:
    """Rotations (n, 3, 3) from x, y and z of a thing to right, up and towards the viewer."""
    ca, sa, ce, se = np.cos(azimuth), np.sin(azimuth), np.cos(elevation), np.sin(elevation)
    nought = np.zeros_like(ca)
    rows = [[ca, sa, nought], [-sa * se, ca * se, ce], [sa * ce, -ca * ce, se]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _lights(azimuth: Field, elevation: Field) -> Field:
    """Unit vectors (n, 3) towards the light, in the axes of the viewer."""
    across = np.cos(elevation)
    return np.stack([across * np.sin(azimuth), np.sin(elevation), across * np.cos(azimuth)], axis=-1)


def splatted(seen: Field, facing: npt.NDArray[np.bool_], shade: Field) -> Field:
    """The shade of the nearest point in each pixel, (n, 32, 32); -1 where there is none.

    Each point covers the four pixels about it, so that surfaces have no holes.
    """
    count = len(seen)
    scale = np.float32(SIDE / 2) / _HALF_VIEW
    column = np.floor(SIDE / 2 + scale * seen[..., 0] - np.float32(0.5)).astype(np.int64)
    row = np.floor(SIDE / 2 - scale * seen[..., 1] - np.float32(0.5)).astype(np.int64)
    image, point = np.nonzero(facing)
    # Of several values for one place NumPy keeps the last: the nearest point comes last.
    order = np.lexsort((seen[image, point, 2], image))
    image, point = image[order], point[order]
    column, row, value = column[image, point], row[image, point], shade[image, point]
    # A frame of one pixel takes what falls beyond the edge.
    padded = np.full((count, SIDE + 2, SIDE + 2), -1, dtype=np.float32)
    offsets = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    rows = np.clip(row[:, None] + offsets[:, 0] + 1, 0, SIDE + 1)
    columns = np.clip(column[:, None] + offsets[:, 1] + 1, 0, SIDE + 1)
    padded[image[:, None], rows, columns] = value[:, None]
    return padded[:, 1:-1, 1:-1]
