"""Point clouds in NumPy's files: .npy of numbers, .npy of one pickled sample, .npz."""

from __future__ import annotations

import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from cmcr_worker.decoding.cloud_columns import cloud_of, cloud_of_columns
from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.openshape import cloud_of_sample, read_sample
from cmcr_worker.decoding.pointcloud import PointCloud

XYZ_KEYS = ("xyz", "points", "pc", "pointcloud", "arr_0")
"""What an archive's coordinates may be called, in the order in which they are looked for."""

RGB_KEYS = ("rgb", "colors", "colours", "color", "colour")
"""What an archive's colours may be called."""

_HEADERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}
_MAX_MEMBERS = 1000
_HEADER_BYTES = 16 << 10


def npy_cloud(source: Encoded, file: BinaryIO, limits: Limits) -> PointCloud:
    """A cloud of a .npy file: numbers (points, 3) or (points, 6), or a pickled OpenShape sample.

    Raises:
        WorkerError: DATA_CORRUPT for a file that is damaged, holds something else or more than the limits.
    """
    shape, column_major, dtype = _header(source, file)
    if dtype.hasobject:
        if shape != ():
            raise source.corrupt(
                f"holds {shape} pickled objects; expected the coordinates of one cloud, or one sample"
            )
        return cloud_of_sample(source, read_sample(source, file, limits), limits)
    return cloud_of_columns(source, _numbers(source, file, shape, column_major, dtype, limits))


def npz_cloud(source: Encoded, file: BinaryIO, limits: Limits) -> PointCloud:
    """A cloud of a .npz archive, under one of `XYZ_KEYS`, colours under one of `RGB_KEYS`.

    An archive of a single array needs no such name. Raises as `npy_cloud`.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if len(names) > _MAX_MEMBERS:
                raise source.corrupt(f"holds {len(names)} arrays")
            key = next((key for key in XYZ_KEYS if key in names), names[0] if len(names) == 1 else None)
            if key is None:
                raise source.corrupt(
                    f"has none of the arrays {', '.join(XYZ_KEYS)}; it has {', '.join(sorted(names)[:8])}"
                )
            xyz = _member(source, archive, key, limits)
            colours = next((name for name in RGB_KEYS if name in names), None)
            if colours is None:
                return cloud_of_columns(source, xyz)
            return cloud_of(source, xyz, _member(source, archive, colours, limits))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        # RuntimeError: a password.
        raise source.corrupt(f"is a damaged archive ({str(error)[:120]})") from error


def _member(source: Encoded, archive: zipfile.ZipFile, key: str, limits: Limits) -> npt.NDArray[Any]:
    member = archive.getinfo(f"{key}.npy" if f"{key}.npy" in archive.namelist() else key)
    # Eight bytes a number and eight columns are more than any cloud has.
    most = min(limits.bytes, limits.points * 64 + _HEADER_BYTES)
    if member.file_size > most:
        raise source.corrupt(f"declares {member.file_size} bytes for {key}; at most {most} are read")
    with archive.open(member) as file:
        shape, column_major, dtype = _header(source, file)
        if dtype.hasobject:
            raise source.corrupt(f"holds pickled objects under {key}; expected numbers")
        return _numbers(source, file, shape, column_major, dtype, limits)


def _header(source: Encoded, file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = npy_format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"its version is {version}")
        shape, column_major, dtype = _HEADERS[version](file)
        return tuple(shape), bool(column_major), dtype
    # The header is text that a stranger wrote: numpy's parser raises many kinds of error on it.
    except Exception as error:
        raise source.corrupt(f"has no readable .npy header ({str(error)[:120]})") from error


def _numbers(
    source: Encoded,
    file: Any,
    shape: tuple[int, ...],
    column_major: bool,
    dtype: np.dtype[Any],
    limits: Limits,
) -> npt.NDArray[Any]:
    if dtype.kind not in "fiu":
        raise source.corrupt(f"holds {dtype.name}; expected numbers")
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2 or shape[0] < 0 or not 0 < shape[1] <= 8:
        raise source.corrupt(f"has the shape {shape}; expected (points, 3), or (points, 6)")
    if shape[0] > limits.points:
        raise source.corrupt(f"declares {shape[0]} points; at most {limits.points} are read")
    wanted = shape[0] * shape[1] * dtype.itemsize
    content = file.read(wanted)
    if len(content) < wanted:
        raise source.corrupt(f"ends after {len(content)} of the {wanted} bytes it declares")
    if file.read(1):
        raise source.corrupt("has bytes after its array")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if column_major else "C")
