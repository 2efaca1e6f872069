"""What every encoder does with its network: freezes it, runs it without gradient, normalises its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def freeze(module: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The module in eval mode, without gradients, on that device, its floating-point weights in `dtype`."""
    return module.requires_grad_(False).eval().to(device=device, dtype=dtype)


@contextmanager
def forward_pass(device: torch.device) -> Iterator[None]:
    """No gradient, and no TF32 in convolutions or products, whose 10 bits of mantissa would make rows
    depend on which kernel the batch's size selects."""
    with torch.inference_mode():
        if device.type != "cuda":
            yield
            return
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = False
        try:
            with torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=True, allow_tf32=False
            ):
                yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before


def unit_rows(features: Tensor) -> Tensor:
    """(n, d) features of any element type as L2-normalised float32 rows on the CPU."""
    return nn.functional.normalize(features.float(), dim=-1).cpu()
