"""Files that hold many clouds, each written as a .npy file of its own.

ModelNet40 is handed on as pickled lists (ULIP's and PointNet++'s cache `modelnet40_test_8192pts_fps.dat`),
the coloured sets as .npy files of pickled dictionaries (`modelnet40_colored_10k_pc.npy`, OpenShape's
`test_pc.npy`). They are read without unpickling, and their numbers only as they are written: memory holds
one cloud at a time.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from cmcr_worker.decoding.cloud_collections import (
    ARRAY,
    Found,
    Numbers,
    check_cloud,
    clouds_of_value,
    corrupt,
)
from cmcr_worker.decoding.pickle_files import read_pickle_file
from cmcr_worker.decoding.pickled_values import RefusedPickle
from cmcr_worker.decoding.stored_arrays import StoredArray, StoredBytes
from cmcr_worker.errors import Reason, WorkerError

MAX_CLOUDS = 1_000_000

_HEADERS: dict[tuple[int, int], Callable[[BinaryIO], Any]] = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was written: `count` clouds; `labels` of them where the file has any; what the file is."""

    count: int
    labels: list[int] | None
    layout: str


def unpack_clouds(path: Path, folder: Path, report: Callable[[int, int], None]) -> Unpacked:
    """Writes each cloud of `path` into `folder`, which must be new or empty: 000000.npy and so on.

    Each is float32, (points, 3) or with further columns: xyz and what came with it as they are, neither
    centred nor scaled. Nothing is written before the whole file is known to be of a layout that is read;
    where writing fails, what was written is removed. `report(done, total)` may raise to end it.

    Raises:
        WorkerError: DATA_MISSING where there is no such file; DATA_CORRUPT where it is damaged, asks for
            code to be run, or is of no layout that is read; CONFIG_INVALID where the folder is not empty.
    """
    with _opened(path) as (file, size):
        found = _found(path, file, size)
        for number, arrays in enumerate(found.clouds):
            check_cloud(path, number, arrays)
        total = len(found.clouds)
        with _new_folder(folder) as made:
            for number, arrays in enumerate(found.clouds):
                report(number, total)
                target = made / f"{number:06d}.npy"
                with target.open("wb") as out:
                    npy_format.write_array(out, _values(path, number, arrays, file), version=(1, 0))
            report(total, total)
    return Unpacked(total, found.labels, found.layout)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise corrupt(path, "is no regular file")
        file = path.open("rb")
    except OSError as error:
        raise WorkerError(
            Reason.DATA_MISSING,
            f"{path} cannot be read ({error.strerror or error})",
            subject=str(path),
            remedy="Check the path and its permissions.",
        ) from error
    with file:
        yield file, found.st_size


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    there = folder.is_dir()
    if there and any(folder.iterdir()):
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"{folder} is not empty",
            subject=str(folder),
            remedy="Name a new folder.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(OSError):
            for path in folder.glob("[0-9]*.npy"):
                path.unlink()
            if not there:
                folder.rmdir()
        raise


def _found(path: Path, file: BinaryIO, size: int) -> Found:
    start = file.read(8)
    file.seek(0)
    if start.startswith(b"\x93NUMPY"):
        shape, column_major, dtype = _header(path, file)
        if not dtype.hasobject:
            return _array(path, file, size, (shape, column_major, dtype))
    elif not start.startswith(b"\x80"):
        raise corrupt(path, "is neither a .npy file nor a pickle")
    try:
        value = read_pickle_file(file, size)
    except RefusedPickle as error:
        raise corrupt(path, str(error)) from error
    found = clouds_of_value(path, value, file)
    if not 0 < len(found.clouds) <= MAX_CLOUDS:
        raise corrupt(path, f"holds {len(found.clouds)} clouds; expected 1 to {MAX_CLOUDS}")
    return found


def _header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = npy_format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"its version is {version}")
        shape, column_major, dtype = _HEADERS[version](file)
        return tuple(shape), bool(column_major), dtype
    # The header is text that a stranger wrote: numpy's parser raises many kinds of error on it.
    except Exception as error:
        raise corrupt(path, f"has no readable .npy header ({str(error)[:120]})") from error


def _array(
    path: Path, file: BinaryIO, size: int, header: tuple[tuple[int, ...], bool, np.dtype[Any]]
) -> Found:
    """A plain array of clouds, (n, points, 3 or more)."""
    shape, column_major, dtype = header
    if dtype.kind not in "fiu" or len(shape) != 3 or column_major:
        raise corrupt(
            path, f"holds {dtype.name} of the shape {shape}; expected numbers (n, points, 3 or more)"
        )
    count, points, columns = shape
    start, each = file.tell(), points * columns * dtype.itemsize
    if not 0 < count <= MAX_CLOUDS:
        raise corrupt(path, f"holds {count} clouds; expected 1 to {MAX_CLOUDS}")
    if start + count * each != size:
        raise corrupt(path, f"has {size} bytes; its header declares {start + count * each}")
    stored = [
        (StoredArray(StoredBytes(start + number * each, each), dtype, (points, columns)),)
        for number in range(count)
    ]
    return Found(stored, None, ARRAY)


def _values(path: Path, number: int, arrays: tuple[Numbers, ...], file: BinaryIO) -> npt.NDArray[np.float32]:
    try:
        read = [array.read(file) if isinstance(array, StoredArray) else array for array in arrays]
    except ValueError as error:
        raise corrupt(path, f"is damaged in cloud {number} ({str(error)[:120]})") from error
    with np.errstate(over="ignore"):
        return np.concatenate([array.astype(np.float32) for array in read], axis=1)
