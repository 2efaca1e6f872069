"""Scores of chosen queries with a run of gallery rows each, without the whole score matrix.

Shapes: g groups, d dimensions, p pairs of a query row and a gallery row in a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.tensors.matrix import Matrix, require_matrix
from cmcr_worker.tensors.progress import CancelCheck, stop_if

BLOCK_BYTES = 16 << 20
"""Of the query rows of a block of pairs, and as much again for its gallery rows and for their products."""


class GroupScores(NamedTuple):
    """Scores of consecutive pairs, (p,) float32, and how many groups are whole with them."""

    scores: npt.NDArray[np.float32]
    groups_done: int


def score_groups(
    queries: Matrix,
    gallery: Matrix,
    rows: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.uint32],
    ends: npt.NDArray[np.uint32],
    *,
    block_bytes: int = BLOCK_BYTES,
    cancelled: CancelCheck | None = None,
) -> Iterator[GroupScores]:
    """Yields the dot products of the groups' pairs, group after group, in blocks that may end within one.

    Group i is the query row rows[i] with the gallery rows starts[i] … ends[i] - 1; it may be empty, and
    groups may overlap. A product is summed by itself, in float32, so that a score does not depend on the
    block that it falls in. Works on the CPU, where the matrices are: a device would have to be sent every
    row for one product.

    Raises SHAPE_MISMATCH, DTYPE_MISMATCH, CONFIG_INVALID (rows outside a matrix, a group that ends before
    it starts) and `Cancelled`.
    """
    theirs = require_matrix(gallery, "the gallery")
    ours = require_matrix(queries, "the queries", columns=theirs.shape[1])
    _check(rows, starts, ends, ours.shape[0], theirs.shape[0])
    # The pairs of all groups end to end: those of group i are numbers offsets[i] … offsets[i + 1] - 1.
    sizes = ends.astype(np.int64) - starts
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    total = int(offsets[-1])
    step = max(1, block_bytes // (4 * theirs.shape[1]))
    for first in range(0, total, step):
        stop_if(cancelled)
        last = min(total, first + step)
        low = int(np.searchsorted(offsets, first, side="right")) - 1
        high = int(np.searchsorted(offsets, last, side="left"))
        counts = np.minimum(offsets[low + 1 : high + 1], last) - np.maximum(offsets[low:high], first)
        groups = np.repeat(np.arange(low, high), counts)
        columns = np.arange(first, last) - offsets[groups] + starts[groups]
        scores = _products(_gather(ours, rows[groups]), _gather(theirs, columns))
        yield GroupScores(scores, int(np.searchsorted(offsets, last, side="right")) - 1)


def _gather(matrix: Tensor, rows: npt.NDArray[np.uint32] | npt.NDArray[np.int64]) -> Tensor:
    return matrix[torch.from_numpy(rows.astype(np.int64))].float()


def _products(left: Tensor, right: Tensor) -> npt.NDArray[np.float32]:
    with torch.inference_mode():
        products: npt.NDArray[np.float32] = left.mul_(right).sum(dim=1).numpy()
    return products


def _check(
    rows: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.uint32],
    ends: npt.NDArray[np.uint32],
    queries: int,
    gallery: int,
) -> None:
    if not len(rows) == len(starts) == len(ends):
        raise WorkerError(
            Reason.SHAPE_MISMATCH,
            f"there are {len(rows)} query rows, {len(starts)} starts and {len(ends)} ends of groups",
            subject="query_rows",
        )
    problems = (
        (rows >= queries, "query_rows", f"its query row is not below {queries}"),
        (starts > ends, "starts", "it ends before it starts"),
        (ends > gallery, "ends", f"it ends after the gallery's {gallery} rows"),
    )
    for wrong, field, what in problems:
        if wrong.any():
            group = int(np.argmax(wrong))
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"group {group} (query {rows[group]}, gallery rows {starts[group]} to {ends[group]}): {what}",
                subject=field,
            )
