"""Reading and writing .npy files without ever unpickling.

A file is mapped, not read: the pages of a matrix that is larger than memory come and go with the
page cache. Written files appear under their name only when they are whole and on the disk.
"""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.tensors.mapping import map_matrix

_RESAVE = "Save it again with numpy.save, as a float32 array of shape (n, d)."
_FLOATS = (np.dtype("<f2"), np.dtype("<f4"))
# Version 3.0 differs from 2.0 only for field names of structured types, which are refused anyway.
_HEADER_READERS: dict[tuple[int, int], Callable[[io.BufferedReader], Any]] = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class NpyHeader:
    """What a .npy file says about its matrix: (n, d), float16 or float32, row-major."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    # Bytes before the first element.
    offset: int


def storage_error(path: Path, error: OSError) -> WorkerError:
    """STORAGE_FAILED for a file that could not be written."""
    return WorkerError(
        Reason.STORAGE_FAILED,
        f"{path} could not be written: {error.strerror or error}",
        subject=str(path),
        remedy="Free some space or choose another folder.",
    )


def missing_error(path: Path, error: OSError) -> WorkerError:
    """DATA_MISSING for a file that could not be opened."""
    return WorkerError(
        Reason.DATA_MISSING,
        f"{path} could not be read: {error.strerror or error}",
        subject=str(path),
        remedy="Check the path and its permissions.",
    )


def read_header(path: str | Path) -> NpyHeader:
    """Reads and checks a .npy file's header; touches no element.

    Raises DATA_MISSING, DATA_CORRUPT (not a .npy file, truncated, pickled objects),
    DTYPE_MISMATCH or SHAPE_MISMATCH (not (n, d), empty, column-major).
    """
    path = Path(path)

    def refuse(reason: Reason, what: str, remedy: str = _RESAVE) -> WorkerError:
        return WorkerError(reason, f"{path} {what}", subject=str(path), remedy=remedy)

    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            try:
                version = npy_format.read_magic(file)
                if version not in _HEADER_READERS:
                    raise refuse(Reason.DATA_CORRUPT, f"has .npy version {version}; expected 1.0 or 2.0")
                shape, column_major, dtype = _HEADER_READERS[version](file)
            except WorkerError:
                raise
            # The header is text that a stranger wrote: numpy's parser raises many kinds of error on it.
            except Exception as error:
                raise refuse(
                    Reason.DATA_CORRUPT,
                    f"is no readable .npy file: its header is damaged or missing ({error})",
                ) from error
            offset = file.tell()
    except OSError as error:
        raise missing_error(path, error) from error

    if dtype.hasobject:
        raise refuse(
            Reason.DATA_CORRUPT,
            "holds pickled objects, which are never loaded; expected float16 or float32 numbers",
        )
    if dtype not in _FLOATS:
        raise refuse(Reason.DTYPE_MISMATCH, f"holds {dtype.str}; expected little-endian float16 or float32")
    if len(shape) != 2:
        raise refuse(Reason.SHAPE_MISMATCH, f"has shape {shape}; expected two dimensions, (n, d)")
    if shape[0] < 1 or shape[1] < 1:
        raise refuse(Reason.SHAPE_MISMATCH, f"has shape {shape}; expected at least one row and one column")
    if column_major and min(shape) > 1:
        raise refuse(
            Reason.SHAPE_MISMATCH,
            "is stored column by column (Fortran order); expected row by row",
            "Save numpy.ascontiguousarray of it.",
        )
    expected = offset + shape[0] * shape[1] * dtype.itemsize
    if size != expected:
        what = "is truncated" if size < expected else "has bytes after its matrix"
        raise refuse(
            Reason.DATA_CORRUPT,
            f"{what}: it has {size} bytes, but its header ({dtype.name}, {shape}) asks for {expected}",
            "Copy or save it again.",
        )
    return NpyHeader(shape=(shape[0], shape[1]), dtype=dtype, offset=offset)


def open_npy(path: str | Path) -> npt.NDArray[Any]:
    """Maps a .npy file into memory, (n, d) float16 or float32; raises what `read_header` raises.

    The mapping is private: writing to the array never reaches the file, and torch may wrap it.
    """
    header = read_header(path)
    try:
        return map_matrix(Path(path), header.dtype, header.shape, header.offset)
    except OSError as error:
        raise missing_error(Path(path), error) from error


class NpyWriter:
    """Writes a .npy file in pieces: aside, synced, then renamed in `close`.

    As a context manager it closes on success and removes its file on an error. Raises
    STORAGE_FAILED when the disk refuses.
    """

    def __init__(self, path: str | Path, shape: tuple[int, int], dtype: npt.DTypeLike = np.float32) -> None:
        self.path = Path(path)
        self._shape = shape
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self._aside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}.part")
        self._written = 0
        header = io.BytesIO()
        npy_format.write_array_header_1_0(
            header,
            {"descr": npy_format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": shape},
        )
        self._offset = header.tell()
        try:
            self._file: io.FileIO | None = self._aside.open("xb", buffering=0)
        except OSError as error:
            raise storage_error(self.path, error) from error
        self._write(0, memoryview(header.getvalue()))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the whole matrix."""
        return self._shape

    def rows(self, start: int, block: npt.NDArray[Any]) -> None:
        """Writes `block`, (k, d), to rows start … start + k - 1, converted to the file's type."""
        count, columns = block.shape
        assert columns == self._shape[1]
        assert 0 <= start <= start + count <= self._shape[0]
        data = np.ascontiguousarray(block, dtype=self.dtype)
        self._write(self._offset + start * columns * self.dtype.itemsize, data.data.cast("B"))
        self._written += count

    def close(self) -> None:
        """Syncs the file and gives it its name. Every row must have been written once."""
        if self._file is None:
            return
        assert self._written == self._shape[0], f"{self._written} of {self._shape[0]} rows were written"
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None
            os.replace(self._aside, self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            self.abort()
            raise storage_error(self.path, error) from error

    def abort(self) -> None:
        """Gives up: nothing remains, neither under the final name nor beside it."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._aside.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _write(self, position: int, data: memoryview) -> None:
        assert self._file is not None, "the writer is closed"
        try:
            while len(data) > 0:
                done = os.pwrite(self._file.fileno(), data, position)
                position += done
                data = data[done:]
        except OSError as error:
            self.abort()
            raise storage_error(self.path, error) from error


def write_npy(path: str | Path, matrix: npt.NDArray[Any]) -> None:
    """Writes a whole matrix, (n, d), keeping its element type; see `NpyWriter`."""
    with NpyWriter(path, (matrix.shape[0], matrix.shape[1]), matrix.dtype) as writer:
        writer.rows(0, matrix)
