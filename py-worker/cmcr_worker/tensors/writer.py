"""Where rows of a result go: a file, or memory."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from cmcr_worker.tensors.matrix import Matrix, as_tensor


class RowWriter(Protocol):
    """Takes a matrix in pieces."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the whole matrix."""

    def rows(self, start: int, block: npt.NDArray[Any]) -> None:
        """Writes `block`, (k, d), to rows start … start + k - 1."""


class MemoryWriter:
    """Writes into an array or tensor in memory, converting to its element type."""

    def __init__(self, target: Matrix) -> None:
        self.target = target
        self._tensor: Tensor = as_tensor(target)

    @classmethod
    def empty(cls, rows: int, columns: int) -> MemoryWriter:
        """A writer into fresh float32 memory; `target` is the array."""
        return cls(np.empty((rows, columns), dtype=np.float32))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the target."""
        rows, columns = self._tensor.shape
        return rows, columns

    def rows(self, start: int, block: npt.NDArray[Any]) -> None:
        """Writes `block`, (k, d), to rows start … start + k - 1."""
        self._tensor[start : start + block.shape[0]].copy_(as_tensor(block))


def as_writer(out: RowWriter | Matrix) -> RowWriter:
    """A writer over `out`: itself if it is one."""
    if isinstance(out, np.ndarray | Tensor):
        return MemoryWriter(out)
    return out
