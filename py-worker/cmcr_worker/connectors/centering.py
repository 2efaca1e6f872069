"""Closing the gap between modalities by subtracting each one's mean: `+gap` after a connector's name."""

from __future__ import annotations

import torch
from torch import Tensor

from cmcr_worker.connectors.baselines.moments import column_mean
from cmcr_worker.connectors.baselines.protocol import Connector
from cmcr_worker.tensors.matrix import normalize_rows

# Rows of a memory embedded at a time, so that only its mean is ever kept.
_BLOCK_ROWS = 16384


def gap_center(connector: Connector, space: str, x: Tensor, memory: Tensor) -> Tensor:
    """Embeddings of `x`, (n, d), less the mean embedding of `memory`, (m, d), normalised again: (n, k).

    Liang et al., "Mind the gap", arXiv 2203.02053. Raises what the connector's `embed` raises.
    """
    total = torch.zeros(connector.output_dim, dtype=torch.float64)
    for start in range(0, memory.shape[0], _BLOCK_ROWS):
        part = connector.embed(space, memory[start : start + _BLOCK_ROWS])
        total += column_mean(part, total.device) * part.shape[0]
    mean = (total / memory.shape[0]).float()
    embedded = connector.embed(space, x)
    return normalize_rows(embedded - mean.to(embedded.device))
