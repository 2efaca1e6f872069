"""Orthogonal Procrustes: the rotation that brings the overlap's embeddings together best."""

from __future__ import annotations

import torch

from cmcr_worker.connectors.baselines.linear import AffineConnector, AffineMap
from cmcr_worker.connectors.baselines.moments import cross_moment
from cmcr_worker.connectors.baselines.protocol import Connector, FitData


def fit_procrustes(data: FitData) -> Connector:
    """Maps the source into the target's space by W = U V^T, where U S V^T = T_s^T T_t.

    W minimises |T_s W - T_t| over the matrices with orthonormal rows or columns (Schönemann, "A
    generalized solution of the orthogonal Procrustes problem", 1966). Nothing is centred.
    """
    u, _, vt = torch.linalg.svd(
        cross_moment(data.source_overlap, data.target_overlap, data.device), full_matrices=False
    )
    return AffineConnector(
        {
            data.source_space: AffineMap(input_dim=u.shape[0], matrix=u @ vt),
            data.target_space: AffineMap(input_dim=vt.shape[1]),
        },
        data.device,
    )
