"""From the vectors of a text's tokens to one vector, as sentence-transformers pools."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

# Shapes: B texts, T tokens, D dimensions. A mask is 1 at a text's tokens and 0 at its padding.


def _cls(tokens_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    # The first of the text's own tokens, wherever the padding is.
    return tokens_BTD[torch.arange(len(mask_BT), device=mask_BT.device), mask_BT.argmax(dim=1)]


def _max(tokens_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    return tokens_BTD.masked_fill(mask_BT[:, :, None] == 0, -1e9).amax(dim=1)


def _weighted(tokens_BTD: Tensor, weights_BT: Tensor) -> tuple[Tensor, Tensor]:
    weights = weights_BT[:, :, None].to(tokens_BTD.dtype)
    return (tokens_BTD * weights).sum(dim=1), weights.sum(dim=1).clamp(min=1e-9)


def _mean(tokens_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    total, count = _weighted(tokens_BTD, mask_BT)
    return total / count


def _mean_sqrt(tokens_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    total, count = _weighted(tokens_BTD, mask_BT)
    return total / count.sqrt()


def _weighted_mean(tokens_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    # Later tokens weigh more: 1, 2, 3, … from the text's first token on (SGPT, arXiv 2202.08904).
    total, count = _weighted(tokens_BTD, mask_BT * mask_BT.cumsum(dim=1))
    return total / count


def _last(tokens_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    places = torch.arange(mask_BT.shape[1], device=mask_BT.device)
    last = (mask_BT * places).argmax(dim=1)
    return tokens_BTD[torch.arange(len(mask_BT), device=mask_BT.device), last]


_POOLING: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "cls": _cls,
        "max": _max,
        "mean": _mean,
        "mean_sqrt_len_tokens": _mean_sqrt,
        "weightedmean": _weighted_mean,
        "lasttoken": _last,
    }
)


def pooled(tokens_BTD: Tensor, mask_BT: Tensor, names: Sequence[str]) -> Tensor:
    """(B, T, D) vectors of tokens and (B, T) mask to (B, D * len(names)): each pooling, one after another.

    None depends on how much padding a text has, nor on which side.
    """
    return torch.cat([_POOLING[name](tokens_BTD, mask_BT) for name in names], dim=1)
