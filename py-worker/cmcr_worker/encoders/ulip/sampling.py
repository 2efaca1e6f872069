"""Farthest point sampling."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# The CUDA kernel of pointnet2_ops skips points whose squared norm is at most this.
_ORIGIN = np.float32(1e-3)


def farthest_points(
    xyz: npt.NDArray[np.float32], count: int, start: int, *, skip_origin: bool = False
) -> npt.NDArray[np.int64]:
    """Indices of `count` of the (points, 3), each the farthest from all before it; the first is `start`.

    Among equally far ones the first is taken. `skip_origin` never takes one within 0.0316 of the origin,
    unless it is `start` or nothing else is left, as `furthest_point_sample` of pointnet2_ops does.

    All in float32 and one cloud at a time, so that neither a batch nor a device changes the choice.
    """
    x, y, z = np.ascontiguousarray(xyz.T)
    nearest = np.full(len(xyz), 1e10, np.float32)
    if skip_origin:
        nearest[x * x + y * y + z * z <= _ORIGIN] = -1
    chosen = np.empty(count, np.int64)
    at = start
    distance, part = np.empty_like(nearest), np.empty_like(nearest)
    for step in range(count):
        chosen[step] = at
        np.subtract(x, x[at], out=distance)
        np.multiply(distance, distance, out=distance)
        for axis in (y, z):
            np.subtract(axis, axis[at], out=part)
            np.multiply(part, part, out=part)
            np.add(distance, part, out=distance)
        np.minimum(nearest, distance, out=nearest)
        at = int(nearest.argmax())
    return chosen
