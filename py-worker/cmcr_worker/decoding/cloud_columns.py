"""From columns of numbers to a cloud: which columns are colours, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.encoded import Encoded
from cmcr_worker.decoding.pointcloud import PointCloud

_SLACK = 1e-3


def cloud_of(source: Encoded, xyz: npt.NDArray[Any], rgb: npt.NDArray[Any] | None = None) -> PointCloud:
    """A cloud of these coordinates and colours, each (points, 3); colours in [0, 1] or 0 to 255.

    Raises:
        WorkerError: DATA_CORRUPT where there are no points, where a number is not finite, also after
            its conversion to float32, or where colours are out of range.
    """
    if xyz.ndim != 2 or xyz.shape[1] != 3:
        raise source.corrupt(f"has coordinates of shape {xyz.shape}; expected (points, 3)")
    if len(xyz) == 0:
        raise source.corrupt("holds no points")
    with np.errstate(over="ignore"):
        points = np.ascontiguousarray(xyz, dtype=np.float32)
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        raise source.corrupt(
            f"holds {int((~finite).sum())} points of {len(points)} whose coordinates are not finite, "
            f"the first of them point {int(np.argmin(finite))}"
        )
    return PointCloud(points, None if rgb is None else _colours(source, rgb, len(points)))


def cloud_of_columns(source: Encoded, columns: npt.NDArray[Any]) -> PointCloud:
    """A cloud of (points, 3) or (points, 6) numbers.

    Columns 4 to 6 are normals, as in ModelNet40's files, and are left out, where one of the numbers is
    negative, since a colour never is, or where each row has the length 1 or 0, as those of a flat thing that
    faces one way. Otherwise they are colours: in [0, 1], or 0 to 255.

    Raises:
        WorkerError: DATA_CORRUPT for another number of columns, and as `cloud_of`.
    """
    if columns.ndim != 2 or columns.shape[1] not in (3, 6):
        raise source.corrupt(
            f"has the shape {columns.shape}; expected (points, 3), or (points, 6) with colours or normals"
        )
    further = columns[:, 3:]
    if further.shape[1] == 0 or np.nanmin(further, initial=np.inf) < 0 or _of_unit_length(further):
        return cloud_of(source, columns[:, :3])
    return cloud_of(source, columns[:, :3], further)


def _of_unit_length(rows: npt.NDArray[Any]) -> bool:
    """Whether each row is a direction; NaN and 0 stand for that of a face without an area."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    directions = np.abs(lengths - 1) < 10 * _SLACK
    return bool(directions.any() and (directions | np.isnan(lengths) | (lengths == 0)).all())


def _colours(source: Encoded, rgb: npt.NDArray[Any], points: int) -> npt.NDArray[np.float32]:
    if rgb.shape != (points, 3):
        raise source.corrupt(f"has colours of shape {rgb.shape} for {points} points")
    eight_bit = rgb.dtype == np.uint8
    colours = np.ascontiguousarray(rgb, dtype=np.float32)
    low, high = float(colours.min()), float(colours.max())
    if not (low >= -_SLACK and high <= 255):
        raise source.corrupt(f"has colours from {low:g} to {high:g}; expected 0 to 1, or 0 to 255")
    if eight_bit or high > 1 + _SLACK:
        colours = colours / np.float32(255)
    return np.clip(colours, 0, 1)
