"""Relative representations: an item is its similarities to the overlap's items."""

from __future__ import annotations

import torch

from cmcr_worker.connectors.baselines.linear import AffineConnector, AffineMap
from cmcr_worker.connectors.baselines.moments import cross_moment
from cmcr_worker.connectors.baselines.protocol import Connector, FitData


def fit_relative(data: FitData) -> Connector:
    """Source x and target y become x T_s^T and y T_t^T, compared by their cosine.

    Moschella et al., "Relative representations enable zero-shot latent space communication",
    arXiv 2209.15430, with the whole overlap as anchors.

    These vectors have as many dimensions as the overlap has items, but lie in the span of the
    columns of [T_s T_t]. With G = [T_s T_t]^T [T_s T_t] = R^T R, the maps x -> x R_s^T and
    y -> y R_t^T, for the columns of R that belong to each, give the same inner products, hence the
    same cosines and the same means, in d_s + d_t dimensions at most.
    """
    source, target = data.source_overlap, data.target_overlap
    across = cross_moment(source, target, data.device)
    gram = torch.cat(
        [
            torch.cat([cross_moment(source, source, data.device), across], dim=1),
            torch.cat([across.t(), cross_moment(target, target, data.device)], dim=1),
        ]
    )
    values, vectors = torch.linalg.eigh(gram)
    # Columns in the order of falling weight, so that a cut to `dimensions` loses least.
    root = (vectors * values.clamp(min=0).sqrt()).flip(1)
    kept = min(data.dimensions or root.shape[1], root.shape[1])
    width = source.shape[1]
    return AffineConnector(
        {
            data.source_space: AffineMap(input_dim=width, matrix=root[:width, :kept]),
            data.target_space: AffineMap(input_dim=target.shape[1], matrix=root[width:, :kept]),
        },
        data.device,
    )
