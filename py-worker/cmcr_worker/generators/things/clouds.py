"""Point clouds of things: a part of their surface's points, turned about the vertical and blurred."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.generators.things.draws import combinations_of, item_generator
from cmcr_worker.generators.things.posing import POINTS, thing

CLOUD_POINTS: Final = 256
_NOISE: Final = np.float32(0.02)  # standard deviation of each coordinate


def render_clouds(split: str, seed: int, indices: Sequence[int]) -> list[PointCloud]:
    """Clouds of these items: 256 points each, without colours, z up, in the thing's own size."""
    combinations = combinations_of(split, seed, indices).tolist()
    return [
        PointCloud(xyz=_cloud(combination, item_generator(seed, split, "cloud", index)))
        for combination, index in zip(combinations, indices, strict=True)
    ]


def _cloud(combination: int, rng: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    points, _ = thing(combination)
    angle = rng.random(dtype=np.float32) * np.float32(2 * np.pi)
    drawn = points[rng.permutation(POINTS)[:CLOUD_POINTS]]
    cos, sin = np.cos(angle), np.sin(angle)
    cloud = rng.standard_normal((CLOUD_POINTS, 3), dtype=np.float32) * _NOISE
    cloud[:, 0] += cos * drawn[:, 0] - sin * drawn[:, 1]
    cloud[:, 1] += sin * drawn[:, 0] + cos * drawn[:, 1]
    cloud[:, 2] += drawn[:, 2]
    return cloud
