"""The losses of C-MCR on L2-normalised rows, with gradients in closed form.

B is the batch, k the dimension of the joint space.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

_LOG2_E = 1.0 / math.log(2.0)
_LN_2 = math.log(2.0)
# Up to this range of logits, in units of ln 2, every term of a row's or a column's sum is a normal
# float32 number whatever is subtracted, so that one exponential serves both directions.
_SHARED_RANGE = 80.0


class _Normalize(Function):
    """Rows divided by their norm: five kernels forward and backward in place of autograd's dozen."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        norms = torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min_(1e-12)
        y: Tensor = x / norms
        ctx.save_for_backward(y, norms)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        y, norms = ctx.saved_tensors
        along = (gradient * y).sum(dim=1, keepdim=True)
        return torch.addcmul(gradient, y, along, value=-1).div_(norms)


class _SymmetricInfoNCE(Function):
    """One B x B matrix of logits holds, in turn, the logits, their softmaxes and the gradient.

    The gradient is formed with the value, while the matrix is there: nothing of size B x B
    outlives the forward pass.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, temperature: float) -> Tensor:
        count = a.shape[0]
        scale = _LOG2_E / temperature
        logits = torch.mm(a * scale, b.t())
        diagonal = logits.diagonal().clone()
        if 2.0 * scale <= _SHARED_RANGE:
            # Cosines lie in [-1, 1], so `scale` bounds every logit.
            logits.sub_(scale).exp2_()
            row_sums, column_sums = logits.sum(dim=1), logits.sum(dim=0)
            normalizers = row_sums.log2().sum() + column_sums.log2().sum() + 2.0 * scale * count
            weights = torch.add(row_sums.reciprocal_()[:, None], column_sums.reciprocal_()[None, :])
            weights.mul_(logits)
        else:
            row_maxima, column_maxima = logits.amax(dim=1, keepdim=True), logits.amax(dim=0, keepdim=True)
            weights = torch.sub(logits, row_maxima).exp2_()
            logits.sub_(column_maxima).exp2_()
            row_sums, column_sums = weights.sum(dim=1, keepdim=True), logits.sum(dim=0, keepdim=True)
            normalizers = (
                row_maxima.sum() + row_sums.log2().sum() + column_maxima.sum() + column_sums.log2().sum()
            )
            weights.div_(row_sums).addcdiv_(logits, column_sums)
        # d loss / d logits = (softmax over rows + softmax over columns - 2 I) / 2B
        weights.diagonal().sub_(2.0)
        factor = 1.0 / (2.0 * count * temperature)
        # As (a^T weights)^T, since BLAS is a third slower on weights^T a when k is small.
        gradient_b = torch.mm(a.t(), weights).t().contiguous()
        ctx.save_for_backward(torch.mm(weights, b).mul_(factor), gradient_b.mul_(factor))
        return (normalizers - 2.0 * diagonal.sum()) * (_LN_2 / (2.0 * count))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        gradient_a, gradient_b = ctx.saved_tensors
        return gradient_a * gradient, gradient_b * gradient, None


def normalize(x: Tensor) -> Tensor:
    """Rows of x, (B, k), L2-normalised, with gradient; a row shorter than 1e-12 is divided by 1e-12."""
    y: Tensor = _Normalize.apply(x)  # type: ignore[no-untyped-call]
    return y


def symmetric_info_nce(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of a b^T / temperature against the diagonal, over both directions (a scalar).

    a, b: (B, k) with L2-normalised rows; row i of one belongs to row i of the other. InfoNCE of
    van den Oord et al., arXiv 1807.03748, made symmetric as in CLIP, arXiv 2103.00020. Nothing
    overflows at any temperature. Differentiable once.
    """
    loss: Tensor = _SymmetricInfoNCE.apply(a, b, temperature)  # type: ignore[no-untyped-call]
    return loss


def intra_loss(t1: Tensor, v: Tensor, t2: Tensor, w: Tensor) -> Tensor:
    """1/2 mean(|t1 - v|^2 + |t2 - w|^2), the mean over the batch (a scalar); each (B, k).

    C-MCR's intra-MCR loss, arXiv 2305.14381.
    """
    squares = F.mse_loss(t1, v, reduction="sum") + F.mse_loss(t2, w, reduction="sum")
    return squares * (0.5 / t1.shape[0])
