"""From the surface of a mesh to a cloud of points on it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.cloud_columns import cloud_of
from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.pointcloud import PointCloud

SURFACE_POINTS = 10_000
"""Points that are taken of a mesh, as many as OpenShape's and ULIP-2's clouds have."""

_BLOCK = 1 << 18
_LARGEST = float(np.finfo(np.float32).max)


def sample_surface(
    source: Encoded,
    vertices: npt.NDArray[np.float64],
    triangles: npt.NDArray[np.int64],
    colours: npt.NDArray[Any] | None = None,
    count: int = SURFACE_POINTS,
) -> PointCloud:
    """`count` points on the surface, evenly by area, with their vertices' colours blended.

    A mesh's vertices alone are a bad cloud: they lie where the shape is intricate, and a flat side has
    none. The surface is cut into `count` parts of the same area, of each of which one point is taken; the
    draw's seed is a checksum of the mesh, so that the same mesh always gives the same cloud.

    Raises:
        WorkerError: DATA_CORRUPT where a triangle names a vertex that is not there, a vertex is not
            finite, or the surface has no area.
    """
    if not np.abs(vertices).max(initial=0) <= _LARGEST:
        raise source.corrupt("has vertices whose coordinates are not finite")
    low, high = int(triangles.min(initial=0)), int(triangles.max(initial=0))
    if low < 0 or high >= len(vertices):
        raise source.corrupt(f"has a face with vertex {high if low >= 0 else low} of {len(vertices)}")
    areas = np.concatenate(
        [_areas(vertices[triangles[start : start + _BLOCK]]) for start in range(0, len(triangles), _BLOCK)]
    )
    reached = np.cumsum(areas)
    if not (np.isfinite(reached[-1]) and reached[-1] > 0):
        raise source.corrupt("is a mesh whose surface has no area")
    draw = np.random.Generator(np.random.PCG64(_seed(vertices, triangles)))
    along, first, second = draw.random((3, count))
    chosen = np.searchsorted(reached, (np.arange(count) + along) / count * reached[-1], side="right")
    corners = triangles[np.minimum(chosen, len(triangles) - 1)]
    # Uniform on a triangle: reflect the half of the parallelogram that lies outside.
    outside = first + second > 1
    first, second = np.where(outside, 1 - first, first), np.where(outside, 1 - second, second)
    shares = np.stack([1 - first - second, first, second], axis=1)[:, :, None]
    points = (vertices[corners] * shares).sum(axis=1)
    if colours is None:
        return cloud_of(source, points)
    scale = 255.0 if colours.dtype == np.uint8 or colours.max(initial=0) > 1 else 1.0
    return cloud_of(source, points, (colours[corners] / scale * shares).sum(axis=1))


def fans(polygons: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Triangles of (n, k) convex polygons with the same number of corners: (n * (k - 2), 3)."""
    corners = polygons.shape[1]
    if corners < 3:
        return np.empty((0, 3), np.int64)
    parts = [polygons[:, [0, at, at + 1]] for at in range(1, corners - 1)]
    return np.stack(parts, axis=1).reshape(-1, 3)


def check_counts(source: Encoded, vertices: int, faces: int, limits: Limits, least_bytes: int) -> None:
    """Refuses a mesh for what its header declares: more than the limits, or than its file can hold.

    `least_bytes` is the least that so many vertices and faces take. Raises DATA_CORRUPT.
    """
    if vertices < 0 or faces < 0:
        raise source.corrupt(f"declares {vertices} vertices and {faces} faces")
    if vertices > limits.points:
        raise source.corrupt(f"declares {vertices} points; at most {limits.points} are read")
    # A closed surface of triangles has twice as many faces as vertices.
    if faces > 2 * limits.points:
        raise source.corrupt(f"declares {faces} faces; at most {2 * limits.points} are read")
    if least_bytes > source.size():
        raise source.corrupt(
            f"declares {vertices} vertices and {faces} faces, which {source.size()} bytes cannot hold"
        )


def check_triangles(source: Encoded, count: int, limits: Limits) -> None:
    """Refuses a mesh whose polygons have more triangles than the limits allow. Raises DATA_CORRUPT."""
    if count > 2 * limits.points:
        raise source.corrupt(f"has faces of {count} triangles or more; at most {2 * limits.points} are read")


def _areas(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(over="ignore", invalid="ignore"):
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        areas: npt.NDArray[np.float64] = np.linalg.norm(normals, axis=1) / 2
    return areas


def _seed(vertices: npt.NDArray[np.float64], triangles: npt.NDArray[np.int64]) -> int:
    digest = hashlib.sha256(np.ascontiguousarray(vertices, "<f8").data)
    digest.update(np.ascontiguousarray(triangles, "<i8").data)
    return int.from_bytes(digest.digest()[:8], "little")
