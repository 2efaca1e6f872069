"""From a file of any format for point clouds and meshes to a cloud in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import BinaryIO

from cmcr_worker.decoding.cloud_arrays import npy_cloud, npz_cloud
from cmcr_worker.decoding.cloud_text import text_cloud
from cmcr_worker.decoding.encoded import Encoded, Limits, Part
from cmcr_worker.decoding.mesh_files import obj_cloud, off_cloud
from cmcr_worker.decoding.ply_files import ply_cloud
from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.decoding.surface import SURFACE_POINTS
from cmcr_worker.errors import Reason, WorkerError

_Reader = Callable[[Encoded, BinaryIO, Limits, int], PointCloud]


def _without_surface(reader: Callable[[Encoded, BinaryIO, Limits], PointCloud]) -> _Reader:
    return lambda source, file, limits, _points: reader(source, file, limits)


_BY_MAGIC: tuple[tuple[bytes, _Reader], ...] = (
    (b"\x93NUMPY", _without_surface(npy_cloud)),
    (b"PK\x03\x04", _without_surface(npz_cloud)),
    (b"ply\n", ply_cloud),
    (b"ply\r", ply_cloud),
)
_BY_ENDING: Mapping[str, _Reader] = MappingProxyType(
    {
        ".npy": _without_surface(npy_cloud),
        ".npz": _without_surface(npz_cloud),
        ".ply": ply_cloud,
        ".off": off_cloud,
        ".obj": obj_cloud,
        **dict.fromkeys((".txt", ".csv", ".xyz", ".pts"), _without_surface(text_cloud)),
    }
)

POINTCLOUD_ENDINGS = tuple(sorted(_BY_ENDING))
"""Endings of the files that are read as point clouds."""


def decode_pointcloud(
    encoded: Encoded, limits: Limits, part: Part | None = None, *, surface_points: int = SURFACE_POINTS
) -> PointCloud:
    """The cloud of a file, in its order and scale; of a mesh, `surface_points` points on its surface.

    The format is told by the first bytes where it has any of its own, else by the name's ending.
    Declared sizes are checked before anything is allocated, and pickled samples are read without
    unpickling.

    Raises:
        WorkerError: DATA_MISSING where there is no such file; DATA_CORRUPT where it is damaged, of no
            format that is read, holds no points or coordinates that are not finite, or more than the
            limits; CONFIG_INVALID where a part is asked for.
    """
    if part is not None:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"{encoded.name}: a point cloud has no parts to choose from",
            subject=encoded.name,
            remedy="Leave the part out.",
        )
    with encoded.open(limits) as file:
        start = file.read(8)
        file.seek(0)
        reader = next((read for magic, read in _BY_MAGIC if start.startswith(magic)), None)
        reader = reader or _BY_ENDING.get(encoded.ending)
        if reader is None:
            raise encoded.corrupt(f"is of no format that is read: {', '.join(POINTCLOUD_ENDINGS)}")
        try:
            return reader(encoded, file, limits, surface_points)
        except (MemoryError, OSError, io.UnsupportedOperation) as error:
            raise encoded.corrupt(f"cannot be read ({error or type(error).__name__})") from error
