"""From a decoded cloud to what PointBERT takes of it: its points, and the centres of its groups.

Needs numpy alone, so that decoder processes start quickly.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.media import Media
from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.encoders.ulip.sampling import farthest_points
from cmcr_worker.errors import Reason, WorkerError

Sampling: TypeAlias = Literal["first", "pointnet2", "random"]
"""How the centres of the groups are found: farthest point sampling from the cloud's first point; the
same as ULIP's CUDA code does it, which passes over points within 0.0316 of the origin; or from a point
drawn at random, as C-MCR's code does, here from a seed and the cloud itself."""

Normalization: TypeAlias = Literal["none", "unit-sphere"]
"""`unit-sphere`: minus the mean, divided by the largest norm (ULIP's `pc_normalize`)."""

MAX_POINTS = 1 << 16
"""Largest cloud whose points all count; of a larger one, as many are drawn before others are chosen."""


@dataclass(frozen=True, slots=True)
class CloudPreparation:
    """A cloud becomes (points, channels) float32 and the (groups,) int64 indices of the centres.

    `points` is how many are kept, chosen by farthest point sampling, where a cloud has more; None: all.
    `missing_colour` is the value of each channel of a cloud without colours, for a network that takes
    them: 0.4 as in ULIP's ModelNet40.
    """

    channels: int
    groups: int
    neighbours: int
    normalize: Normalization = "none"
    points: int | None = None
    sampling: Sampling = "first"
    seed: int = 0
    swap_yz: bool = False
    missing_colour: float = 0.4

    def settings(self) -> dict[str, object]:
        """All that the result depends on, as plain JSON values."""
        return asdict(self)

    def __call__(self, media: Media) -> tuple[npt.NDArray[Any], ...]:
        """The points and the centres' indices.

        Raises:
            WorkerError: CONFIG_INVALID for an item that is no cloud; DATA_CORRUPT for one with too few
                points, too many, coordinates that are not finite, or no extent.
        """
        if not isinstance(media, PointCloud):
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"expected a point cloud, found {type(media).__name__}",
                subject="item",
                remedy="Encode each collection in its own modality.",
            )
        self._check(media.xyz)
        points = self._taken(self._columns(media))
        if self.normalize == "unit-sphere":
            points[:, :3] = _in_unit_sphere(points[:, :3])
        xyz = points[:, :3]
        start = _drawn_index(points, self.seed) if self.sampling == "random" else 0
        centres = farthest_points(xyz, self.groups, start, skip_origin=self.sampling == "pointnet2")
        return points, centres

    def _check(self, xyz: npt.NDArray[np.float32]) -> None:
        least = max(self.groups, self.neighbours)
        if len(xyz) < least:
            raise _unusable(
                f"has {len(xyz)} points; the model makes {self.groups} groups of {self.neighbours} of them "
                f"and needs {least}"
            )
        if self.points is None and len(xyz) > MAX_POINTS:
            raise _unusable(
                f"has {len(xyz)} points; at most {MAX_POINTS} go through the model",
                "Set the option points, such as 10000, to take so many of them, evenly.",
            )
        if not np.isfinite(xyz).all():
            raise _unusable("has coordinates that are not finite")

    def _columns(self, cloud: PointCloud) -> npt.NDArray[np.float32]:
        points = np.empty((len(cloud.xyz), self.channels), np.float32)
        points[:, :3] = cloud.xyz[:, (0, 2, 1)] if self.swap_yz else cloud.xyz
        if self.channels > 3:
            points[:, 3:] = self.missing_colour if cloud.rgb is None else cloud.rgb
        return points

    def _taken(self, points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if self.points is None or len(points) <= self.points:
            return points
        if len(points) > MAX_POINTS:
            draw = np.random.Generator(np.random.PCG64(_content_seed(points, self.seed)))
            points = points[np.sort(draw.choice(len(points), MAX_POINTS, replace=False))]
        return points[farthest_points(points[:, :3], min(self.points, len(points)), 0)]


def _in_unit_sphere(xyz: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    centred = xyz - xyz.mean(axis=0, dtype=np.float64).astype(np.float32)
    largest = np.sqrt((centred.astype(np.float64) ** 2).sum(axis=1).max())
    if not largest > 0:
        raise _unusable("has all of its points in one place")
    scaled: npt.NDArray[np.float32] = centred / np.float32(largest)
    return scaled


def _content_seed(points: npt.NDArray[np.float32], seed: int) -> int:
    digest = hashlib.sha256(np.ascontiguousarray(points, "<f4").data)
    digest.update(str(seed).encode())
    return int.from_bytes(digest.digest()[:8], "little")


def _drawn_index(points: npt.NDArray[np.float32], seed: int) -> int:
    # By the cloud alone: neither its place among others nor the batch may count.
    return _content_seed(points, seed) % len(points)


def _unusable(what: str, remedy: str = "Replace the file, or remove the item from the list.") -> WorkerError:
    return WorkerError(Reason.DATA_CORRUPT, f"the point cloud {what}", subject="item", remedy=remedy)
