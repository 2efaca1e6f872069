"""Exact softmax attention over a memory of any size, tile by tile with a running maximum.

Shapes: n queries, m memory items, d their dimension, e that of the values.

The running maximum is that of Milakov & Gimelshein, "Online normalizer calculation for softmax"
(arXiv 1805.02867), carried over to the weighted sum as in Rabe & Staats, "Self-attention does not
need O(n^2) memory" (arXiv 2112.05682). Since the results are L2-normalised, the softmax's
denominator cancels out and is never computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cmcr_worker.connectors.tiles import TileFeed
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.tensors.matrix import Matrix, require_matrix
from cmcr_worker.tensors.precision import matmul_precision
from cmcr_worker.tensors.progress import CancelCheck, Progress, report, stop_if
from cmcr_worker.tensors.writer import RowWriter, as_writer

# exp2 is about three times as fast as exp on the CPU, so the logits are kept in units of ln 2.
_LOG2_E = 1.0 / math.log(2.0)
# Launched tiles on CUDA before the host waits: bounds how late progress and cancellation can be.
_TILES_IN_FLIGHT = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class TileSizes:
    """How the n x m logits are cut up.

    `queries` rows are carried through one walk over the memory; within a tile of `memory` rows
    they are taken `inner` at a time, and only inner x memory logits exist at once.
    """

    queries: int
    inner: int
    memory: int


def tile_sizes(device: torch.device) -> TileSizes:
    """The sizes that measured best; on the CPU for the number of threads that torch has now.

    One thread: 1024 x 1024 logits (4 MiB) stay in its cache between the two products, and both
    are large enough for the library's full rate. Several threads meet after every operation, and
    where the cores are shared each meeting is a wait: larger operations (32 MiB of logits) more
    than doubled the rate then. A card wants launches of a few milliseconds.
    """
    if device.type == "cuda":
        return TileSizes(queries=16384, inner=4096, memory=8192)
    if torch.get_num_threads() == 1:
        return TileSizes(queries=4096, inner=1024, memory=1024)
    return TileSizes(queries=4096, inner=4096, memory=2048)


def attend(
    queries: Matrix,
    memory: Matrix,
    temperature: float,
    out: RowWriter | Matrix,
    *,
    device: torch.device | str,
    values: Matrix | None = None,
    allow_tf32: bool = False,
    sizes: TileSizes | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> None:
    """Writes normalize(softmax(queries @ memory.T / temperature) @ values) to `out`, (n, e).

    `values`, (m, e), are the memory itself unless given. Matrices are float16 or float32; all
    sums are float32. Extra memory depends on the tile sizes and d alone, not on n or m. The same
    input gives the same bits on one machine's CPU. `progress` counts queries.

    Raises CONFIG_INVALID (temperature not above 0), SHAPE_MISMATCH, DTYPE_MISMATCH, NON_FINITE
    (a result without direction), and `Cancelled`.
    """
    device = torch.device(device)
    writer = as_writer(out)
    query_rows = require_matrix(queries, "the queries")
    total, columns = query_rows.shape
    keys = require_matrix(memory, "the memory", columns=columns)
    weighted = keys if values is None else require_matrix(values, "the values")
    if weighted.shape[0] != keys.shape[0]:
        raise WorkerError(
            Reason.SHAPE_MISMATCH,
            f"the memory has {keys.shape[0]} rows, but its values have {weighted.shape[0]}",
            subject="values",
        )
    if writer.shape != (total, weighted.shape[1]):
        raise WorkerError(
            Reason.SHAPE_MISMATCH,
            f"the result has shape {(total, weighted.shape[1])}, its destination {writer.shape}",
            subject="destination",
        )
    if not (temperature > 0 and math.isfinite(_LOG2_E / temperature)):
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"the softmax temperature is {temperature}; expected a number above 0",
            subject="temperature",
        )
    sizes = sizes or tile_sizes(device)
    key_feed = TileFeed(keys, sizes.memory, device)
    value_feed = key_feed if values is None else TileFeed(weighted, sizes.memory, device)
    walk = _Walk(sizes, min(total, sizes.queries), keys.shape[0], weighted.shape[1], device)
    report(progress, 0, total)
    with torch.inference_mode(), matmul_precision(device, allow_tf32=allow_tf32):
        for start in range(0, total, sizes.queries):
            block = query_rows[start : start + sizes.queries].to(device, torch.float32)
            walk.begin(block * (_LOG2_E / temperature))
            pairs = zip(key_feed, value_feed, strict=True) if values is not None else None
            tiles = pairs if pairs is not None else ((tile, tile) for tile in key_feed)
            for number, (key_tile, value_tile) in enumerate(tiles, start=1):
                stop_if(cancelled)
                walk.add(key_tile, value_tile)
                if device.type == "cuda" and number % _TILES_IN_FLIGHT == 0:
                    torch.cuda.synchronize(device)
                report(progress, start + block.shape[0] * number // (key_feed.count + 1), total)
            writer.rows(start, walk.finish(start).cpu().numpy())
            report(progress, start + block.shape[0], total)


class _Walk:
    """One block of queries on its way through the memory; its buffers serve every block."""

    def __init__(self, sizes: TileSizes, rows: int, memory: int, columns: int, device: torch.device) -> None:
        self._inner = min(sizes.inner, rows)
        self._device = device
        self._logits = torch.empty(self._inner * min(sizes.memory, memory), device=device)
        self._sums = torch.empty(rows, columns, device=device)
        self._maxima = torch.empty(rows, 1, device=device)
        self._queries = self._sums

    def begin(self, queries: Tensor) -> None:
        """Takes queries, (b, d), that carry the factor log2(e) / temperature already."""
        self._queries = queries
        self._sums[: queries.shape[0]].zero_()
        self._maxima[: queries.shape[0]].fill_(-math.inf)

    def add(self, keys: Tensor, values: Tensor) -> None:
        """Adds a tile of the memory: keys (t, d), values (t, e)."""
        transposed = keys.t()
        for start in range(0, self._queries.shape[0], self._inner):
            queries = self._queries[start : start + self._inner]
            end = start + queries.shape[0]
            maxima, sums = self._maxima[start:end], self._sums[start:end]
            logits = self._logits[: queries.shape[0] * keys.shape[0]].view(queries.shape[0], keys.shape[0])
            torch.mm(queries, transposed, out=logits)
            higher = torch.maximum(maxima, logits.amax(dim=1, keepdim=True))
            # On CUDA the comparison would wait for the card; rescaling by 1 costs less.
            if self._device.type == "cuda" or not torch.equal(higher, maxima):
                sums.mul_(torch.exp2(maxima - higher))
                maxima.copy_(higher)
            weights = logits.sub_(maxima).exp2_()
            sums.addmm_(weights, values)

    def finish(self, first_row: int) -> Tensor:
        """The block's results, (b, e), rows L2-normalised; `first_row` counts rows in errors."""
        sums = self._sums[: self._queries.shape[0]]
        norms = torch.linalg.vector_norm(sums, dim=1, keepdim=True)
        # The heaviest item has weight 1, so that a sum this short means that the items cancel out.
        sound = (norms > 1e-12) & norms.isfinite()
        if not bool(sound.all()):
            row = first_row + int(torch.nonzero(~sound[:, 0])[0])
            raise WorkerError(
                Reason.NON_FINITE,
                f"query {row} has no pseudo item: the memory items that it attends to cancel out, "
                "or a value is not finite",
                subject=f"queries, row {row}",
                remedy="Check the memory for NaN and for opposite items, or raise the temperature.",
            )
        return sums.div_(norms)
