"""One view of a matrix, whether numpy mapped it from a file or torch holds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cmcr_worker.errors import Reason, WorkerError

# (n, d), float16 or float32; often a file mapped into memory.
Matrix = npt.NDArray[Any] | Tensor

# About 8 MiB of float32 in a block: large enough to hide the cost of a call.
BLOCK_BYTES = 8 << 20


def as_tensor(matrix: Matrix) -> Tensor:
    """The matrix as a tensor over the same memory; nothing is copied."""
    return matrix if isinstance(matrix, Tensor) else torch.from_numpy(matrix)


def require_matrix(matrix: Matrix, name: str, *, columns: int | None = None) -> Tensor:
    """`as_tensor`, after a look at its form.

    Raises SHAPE_MISMATCH unless it has two dimensions, at least one row, and `columns` columns
    where that is given; DTYPE_MISMATCH unless it is float16 or float32.
    """
    shape = tuple(matrix.shape)
    if len(shape) != 2 or shape[0] == 0 or shape[1] == 0:
        raise WorkerError(
            Reason.SHAPE_MISMATCH,
            f"{name} has shape {shape}; expected (n, d) with at least one row and one column",
            subject=name,
        )
    if columns is not None and shape[1] != columns:
        raise WorkerError(
            Reason.SHAPE_MISMATCH,
            f"{name}: found {shape[1]} columns, expected {columns}",
            subject=name,
            remedy="Embed both with the same space.",
        )
    tensor = as_tensor(matrix)
    if tensor.dtype not in (torch.float16, torch.float32):
        raise WorkerError(
            Reason.DTYPE_MISMATCH,
            f"{name} holds {str(tensor.dtype).removeprefix('torch.')}; expected float16 or float32",
            subject=name,
        )
    return tensor


def rows_per_block(columns: int) -> int:
    """How many float32 rows of that many columns make about BLOCK_BYTES; at least one."""
    return max(1, BLOCK_BYTES // (4 * columns))


def float_blocks(matrix: Matrix, device: torch.device, block_rows: int = 0) -> Iterator[tuple[int, Tensor]]:
    """Yields (first row, float32 rows on `device`), block by block.

    A block of a float32 matrix that lies on `device` already is a view: do not write to it.
    """
    tensor = as_tensor(matrix)
    step = block_rows or rows_per_block(tensor.shape[1])
    for start in range(0, tensor.shape[0], step):
        yield start, tensor[start : start + step].to(device, torch.float32)


def normalize_rows(x: Tensor) -> Tensor:
    """Rows of `x` divided by their L2 norm, without gradient; a zero row stays zero."""
    norms: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / norms.clamp_min_(torch.finfo(x.dtype).tiny)


def as_float32(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The array as contiguous little-endian float32, copied only where it is not so already."""
    return np.ascontiguousarray(array, dtype=np.dtype("<f4"))
