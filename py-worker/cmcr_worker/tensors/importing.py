"""A user's embeddings into the store's form: checked, float32, rows of length one."""

from __future__ import annotations

import torch
from torch import Tensor

from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.tensors.matrix import Matrix, as_tensor, float_blocks
from cmcr_worker.tensors.progress import CancelCheck, Progress, report, stop_if
from cmcr_worker.tensors.writer import RowWriter

_CPU = torch.device("cpu")


def import_rows(
    source: Matrix,
    writer: RowWriter,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
    *,
    subject: str = "the matrix",
) -> None:
    """Writes the rows of `source`, (n, d), L2-normalised as float32, block by block.

    `subject` names the source in errors. Raises DATA_CORRUPT at the first value that is not
    finite, with its row and column, and at the first row of zeros; both are counted from 0.
    """
    total = as_tensor(source).shape[0]
    report(progress, 0, total)
    for start, block in float_blocks(source, _CPU):
        stop_if(cancelled)
        # In float64 the squares of float32 values cannot overflow, so that a norm is finite if and
        # only if each value of its row is.
        norms = torch.linalg.vector_norm(block, dim=1, keepdim=True, dtype=torch.float64)
        if not bool(((norms > 0) & norms.isfinite()).all()):
            raise _first_fault(block, norms, start, subject)
        writer.rows(start, (block.double() / norms).float().numpy())
        report(progress, start + block.shape[0], total)


def _first_fault(block: Tensor, norms: Tensor, start: int, subject: str) -> WorkerError:
    row = int(torch.nonzero(~((norms[:, 0] > 0) & norms[:, 0].isfinite()))[0])
    faults = torch.nonzero(~block[row].isfinite())
    if len(faults) == 0:
        what = f"row {start + row} is all zeros: it has no direction"
    else:
        column = int(faults[0])
        value = float(block[row, column])
        name = "NaN" if value != value else "infinite"
        what = f"row {start + row}, column {column} is {name}"
    return WorkerError(
        Reason.DATA_CORRUPT,
        f"{subject}: {what}",
        subject=f"{subject}, row {start + row}",
        remedy="Remove that item or embed it again (rows and columns are counted from 0).",
    )
