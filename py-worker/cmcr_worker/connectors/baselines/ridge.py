"""Ridge regression from the source to the target: on the overlap, or on the pseudo pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from cmcr_worker.connectors.baselines.linear import AffineConnector, AffineMap
from cmcr_worker.connectors.baselines.moments import add_ridge, cross_moment
from cmcr_worker.connectors.baselines.protocol import Connector, FitData, need_matrix, need_number


def fit_ridge(data: FitData) -> Connector:
    """Ridge fitted on the overlap; needs `regularization`."""
    return _fit(data, data.source_overlap, data.target_overlap, "ridge")


def fit_memory_ridge(data: FitData) -> Connector:
    """Ridge fitted on the pseudo pairs; needs them and `regularization`."""
    source = need_matrix(data, "source_pseudo", "memory-ridge")
    target = need_matrix(data, "target_pseudo", "memory-ridge")
    return _fit(data, source, target, "memory-ridge")


def _fit(data: FitData, source: Tensor, target: Tensor, method: str) -> Connector:
    """W = (A^T A + r mean(diag A^T A) I)^-1 A^T B, for A source and B target; no intercept."""
    moment = add_ridge(cross_moment(source, source, data.device), need_number(data, "regularization", method))
    # The pseudo-inverse, since with a ridge of 0 the moment may be singular.
    cross = cross_moment(source, target, data.device)
    matrix = torch.linalg.pinv(moment, hermitian=True) @ cross
    return AffineConnector(
        {
            data.source_space: AffineMap(input_dim=cross.shape[0], matrix=matrix),
            data.target_space: AffineMap(input_dim=cross.shape[1]),
        },
        data.device,
    )
