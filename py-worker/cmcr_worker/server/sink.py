"""Where a result goes: a .npy file that appears whole, or the worker's memory."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt
import torch

from cmcr.v1 import tensor_pb2
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.server.state import WorkerState
from cmcr_worker.server.wire import TYPE_OF_DTYPE
from cmcr_worker.tensors.matrix import Matrix
from cmcr_worker.tensors.npy import NpyWriter, open_npy

LARGEST_BYTES = 1 << 50
"""Of a result; a larger one is a mistake in the request and not a matrix."""


class Sink:
    """Takes the rows of one float32 matrix; a context manager that forgets all on an error."""

    def __init__(
        self, state: WorkerState, destination: tensor_pb2.Destination, shape: tuple[int, int]
    ) -> None:
        if not (shape[0] > 0 and shape[0] * shape[1] * 4 <= LARGEST_BYTES):
            raise WorkerError(
                Reason.SHAPE_MISMATCH,
                f"the result would have shape {shape}; expected at least one row and at most 2^50 bytes",
                subject="destination",
            )
        self._state = state
        self._shape = shape
        self._matrix: torch.Tensor | None = None
        self._writer: NpyWriter | None = None
        self._path = Sink.check(state, destination)
        if self._path is not None:
            self._writer = NpyWriter(self._path, shape)
        else:
            self._matrix = torch.empty(shape, dtype=torch.float32)

    @staticmethod
    def check(state: WorkerState, destination: tensor_pb2.Destination) -> Path | None:
        """The file that the destination names; None where it is the worker's memory.

        Raises:
            WorkerError: CONFIG_INVALID for none, PATH_FORBIDDEN for a file outside the roots.
        """
        target = destination.WhichOneof("target")
        if target == "path":
            return state.path(destination.path, field="destination.path")
        if target == "memory":
            return None
        raise WorkerError(
            Reason.CONFIG_INVALID, "the request says nowhere to put its result", subject="destination"
        )

    @property
    def path(self) -> Path | None:
        """The file that is written, or None."""
        return self._path

    @property
    def shape(self) -> tuple[int, int]:
        """Of the whole matrix."""
        return self._shape

    def rows(self, start: int, block: npt.NDArray[Any]) -> None:
        """Puts a block of rows at row `start`."""
        if self._writer is not None:
            self._writer.rows(start, block)
        elif self._matrix is not None:
            self._matrix[start : start + len(block)] = torch.from_numpy(block)

    def finish(self) -> tensor_pb2.TensorInfo:
        """Makes the matrix whole and gives it a handle."""
        if self._writer is not None and self._path is not None:
            self._writer.close()
            return hold(self._state, open_npy(self._path))
        assert self._matrix is not None
        return hold(self._state, self._matrix)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._writer is not None:
            self._writer.abort()


def file_digest(path: Path) -> tuple[str, int]:
    """SHA-256, lower-case hexadecimal, and size in bytes of a file that was just written."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def put(
    state: WorkerState, destination: tensor_pb2.Destination, matrix: torch.Tensor
) -> tensor_pb2.TensorInfo:
    """Puts a whole matrix where the destination says."""
    values = matrix.detach().to("cpu", torch.float32).contiguous()
    with Sink(state, destination, (values.shape[0], values.shape[1])) as sink:
        sink.rows(0, values.numpy())
        return sink.finish()


def hold(state: WorkerState, matrix: Matrix) -> tensor_pb2.TensorInfo:
    """Keeps a matrix under a new handle."""
    if isinstance(matrix, torch.Tensor):
        number = tensor_pb2.ELEMENT_TYPE_FLOAT32
    else:
        number = TYPE_OF_DTYPE[matrix.dtype]
    return tensor_pb2.TensorInfo(handle=state.tensors.put(matrix), dtype=number, shape=list(matrix.shape))
