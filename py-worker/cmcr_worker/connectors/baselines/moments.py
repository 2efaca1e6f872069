"""Sums over the rows of large matrices, in float64, block by block."""

from __future__ import annotations

import torch
from torch import Tensor

from cmcr_worker.tensors.matrix import float_blocks

_BLOCK_ROWS = 4096


def cross_moment(a: Tensor, b: Tensor, device: torch.device) -> Tensor:
    """a^T b, (da, db) in float64 on `device`, for a (n, da) and b (n, db)."""
    total = torch.zeros(a.shape[1], b.shape[1], dtype=torch.float64, device=device)
    for (_, left), (_, right) in zip(
        float_blocks(a, device, _BLOCK_ROWS), float_blocks(b, device, _BLOCK_ROWS), strict=True
    ):
        total.addmm_(left.double().t(), right.double())
    return total


def column_mean(a: Tensor, device: torch.device) -> Tensor:
    """The mean row of a, (n, d): (d,) in float64 on `device`."""
    total = torch.zeros(a.shape[1], dtype=torch.float64, device=device)
    for _, block in float_blocks(a, device):
        total += block.sum(dim=0, dtype=torch.float64)
    return total / a.shape[0]


def add_ridge(moment: Tensor, regularization: float) -> Tensor:
    """moment + regularization times its mean diagonal on the diagonal; `moment` is (d, d)."""
    return moment + torch.eye(moment.shape[0], dtype=moment.dtype, device=moment.device) * (
        regularization * moment.diagonal().mean()
    )
