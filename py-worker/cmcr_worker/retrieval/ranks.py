"""Scores of queries against a gallery, and where the relevant items stand in them.

Shapes: q queries in a block, n gallery items, d dimensions, r the most relevant items of a query.
A score is the dot product of two rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.retrieval.duplicates import Duplicates
from cmcr_worker.tensors.matrix import Matrix, require_matrix
from cmcr_worker.tensors.precision import matmul_precision
from cmcr_worker.tensors.progress import CancelCheck, Progress, report, stop_if

# Scores of one block: 4 Mi numbers on the CPU, 64 Mi on a card.
_BLOCK_SCORES = {"cpu": 1 << 22, "cuda": 1 << 26}
# Up to this many relevant items one comparison pass for each beats placing every score among them.
_COMPARE_UP_TO = 4


class RankBlock(NamedTuple):
    """Ranks of the relevant items of queries first … last - 1, end to end, 1-based, uint32."""

    first: int
    last: int
    ranks: npt.NDArray[np.uint32]


def score_blocks(
    queries: Matrix,
    gallery: Matrix,
    *,
    device: torch.device | str,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Iterator[npt.NDArray[np.float32]]:
    """Yields the score matrix in blocks of rows, (q, n) float32, in order.

    Equal gallery rows get equal scores. Raises SHAPE_MISMATCH, DTYPE_MISMATCH, `Cancelled`.
    """
    for _, scores in _score_tensors(queries, gallery, torch.device(device), progress, cancelled):
        yield scores.cpu().numpy()


def rank_relevant(
    queries: Matrix,
    gallery: Matrix,
    offsets: npt.NDArray[Any],
    columns: npt.NDArray[Any],
    *,
    device: torch.device | str,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Iterator[RankBlock]:
    """Yields the ranks of every query's relevant items over the whole gallery, block by block.

    The relevant items of query i are columns[offsets[i] : offsets[i + 1]], each at most once; its
    ranks are laid out likewise, ascending. Ties are broken against the method: a relevant item
    comes after every irrelevant one of the same score, so the rank of the j-th best relevant item
    is j + the number of irrelevant items that score at least as high. Nothing is sorted but the
    relevant items.

    Raises SHAPE_MISMATCH, DTYPE_MISMATCH, CONFIG_INVALID (a column outside the gallery) and
    `Cancelled`.
    """
    starts, flat = offsets.astype(np.int64), columns.astype(np.int64)
    total, size = queries.shape[0], gallery.shape[0]
    if len(starts) != total + 1 or starts[0] != 0 or starts[-1] != len(flat) or np.any(np.diff(starts) < 0):
        raise WorkerError(
            Reason.SHAPE_MISMATCH,
            f"the offsets do not divide {len(flat)} relevant columns among {total} queries",
            subject="offsets",
        )
    if len(flat) > 0 and not (flat.min() >= 0 and flat.max() < size):
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"a relevant column lies outside the gallery, which has {size} rows",
            subject="columns",
        )
    for first, scores in _score_tensors(queries, gallery, torch.device(device), progress, cancelled):
        last = first + scores.shape[0]
        counts = np.diff(starts[first : last + 1])
        relevant = _padded(flat[starts[first] : starts[last]], counts)
        with torch.inference_mode():
            ranks = _ranks(scores, torch.from_numpy(relevant).to(scores.device))
        kept = ranks.cpu().numpy()[np.arange(relevant.shape[1]) < counts[:, None]]
        yield RankBlock(first, last, kept.astype(np.uint32))


def top_k(
    queries: Matrix,
    gallery: Matrix,
    k: int,
    *,
    device: torch.device | str,
    cancelled: CancelCheck | None = None,
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
    """The best min(k, n) gallery rows of every query: indices and scores, best first, (queries, k).

    Raises CONFIG_INVALID (k below 1), SHAPE_MISMATCH, DTYPE_MISMATCH, `Cancelled`.
    """
    if k < 1:
        raise WorkerError(Reason.CONFIG_INVALID, f"k is {k}; expected at least 1", subject="k")
    shape = (queries.shape[0], min(k, gallery.shape[0]))
    indices, best = np.empty(shape, dtype=np.uint32), np.empty(shape, dtype=np.float32)
    for first, scores in _score_tensors(queries, gallery, torch.device(device), None, cancelled):
        values, places = torch.topk(scores, shape[1], dim=1)
        last = first + scores.shape[0]
        indices[first:last] = places.cpu().numpy()
        best[first:last] = values.cpu().numpy()
    return indices, best


def _score_tensors(
    queries: Matrix,
    gallery: Matrix,
    device: torch.device,
    progress: Progress | None,
    cancelled: CancelCheck | None,
) -> Iterator[tuple[int, Tensor]]:
    """Yields (first query, scores (q, n)) on the device; scores are valid until the next block."""
    items = require_matrix(gallery, "the gallery")
    rows = require_matrix(queries, "the queries", columns=items.shape[1])
    duplicates = Duplicates.of(items)
    items = items.to(device, torch.float32)
    total = rows.shape[0]
    step = min(total, max(1, _BLOCK_SCORES[device.type] // items.shape[0]))
    buffer = torch.empty(step, items.shape[0], device=device)
    report(progress, 0, total)
    for first in range(0, total, step):
        stop_if(cancelled)
        block = rows[first : first + step].to(device, torch.float32)
        scores = buffer[: block.shape[0]]
        with torch.inference_mode(), matmul_precision(device, allow_tf32=False):
            torch.mm(block, items.t(), out=scores)
            duplicates.equalize(scores)
        yield first, scores
        report(progress, first + block.shape[0], total)


def _padded(columns: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Each query's relevant columns in a row of their own, (q, r), filled up with -1."""
    width = int(counts.max(initial=0))
    padded = np.full((len(counts), width), -1, dtype=np.int64)
    padded[np.arange(width) < counts[:, None]] = columns
    return padded


def _ranks(scores: Tensor, relevant: Tensor) -> Tensor:
    """Ranks, (q, r) ascending, of the columns in `relevant`, (q, r) with -1 at the end of short rows.

    Places beyond a row's relevant items hold nothing of meaning.
    """
    width = relevant.shape[1]
    if width == 0:
        return relevant
    missing = relevant < 0
    theirs = scores.gather(1, relevant.clamp(min=0)).masked_fill_(missing, -torch.inf)
    theirs = theirs.sort(dim=1, descending=True).values.contiguous()
    if width <= _COMPARE_UP_TO:
        at_least = torch.stack([(scores >= theirs[:, j : j + 1]).sum(dim=1) for j in range(width)], dim=1)
    else:
        at_least = _count_at_least(scores, theirs)
    # Of the items that score at least as high, those that are relevant themselves.
    ascending = theirs.flip(1)
    relevant_at_least = width - torch.searchsorted(ascending, theirs.contiguous(), side="left")
    position = torch.arange(1, width + 1, device=scores.device)
    return at_least - relevant_at_least + position


def _count_at_least(scores: Tensor, theirs: Tensor) -> Tensor:
    """How many of each row's scores reach each of `theirs`, (q, r) descending: one search a score."""
    width = theirs.shape[1]
    # Number of thresholds, from the lowest, that a score reaches.
    reached = torch.searchsorted(theirs.flip(1), scores, side="right")
    histogram = torch.zeros(scores.shape[0], width + 1, dtype=torch.int64, device=scores.device)
    histogram.scatter_add_(
        1, reached, torch.ones((), dtype=torch.int64, device=scores.device).expand_as(reached)
    )
    # The j-th best threshold is number width - 1 - j from the lowest.
    return histogram.flip(1).cumsum(dim=1)[:, :width]
