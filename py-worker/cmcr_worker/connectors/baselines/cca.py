"""Canonical correlation analysis on the overlap."""

from __future__ import annotations

import torch
from torch import Tensor

from cmcr_worker.connectors.baselines.linear import AffineConnector, AffineMap
from cmcr_worker.connectors.baselines.moments import add_ridge, column_mean, cross_moment
from cmcr_worker.connectors.baselines.protocol import Connector, FitData, need_number

# Directions with less than this share of the largest variance carry no signal, only rounding.
_RANK_TOLERANCE = 1e-10


def fit_cca(data: FitData) -> Connector:
    """Maps both spaces onto their canonical directions, weighted by their correlations.

    A direction has unit variance on the overlap, times its canonical correlation: without the
    weights the many directions that the spaces share nothing in drown the few that they share.
    Both are centred on the overlap's means; each covariance gets a ridge of `regularization` times
    its mean diagonal. Keeps the `dimensions` most correlated directions, or all where that is 0.
    Hotelling, "Relations between two sets of variates", 1936; the weights as in Gong et al., "A
    multi-view embedding space", arXiv 1212.4522.
    """
    regularization = need_number(data, "regularization", "cca")
    source, target = data.source_overlap, data.target_overlap
    source_mean, target_mean = column_mean(source, data.device), column_mean(target, data.device)
    count = source.shape[0]

    def covariance(a: Tensor, b: Tensor, a_mean: Tensor, b_mean: Tensor) -> Tensor:
        return cross_moment(a, b, data.device) / count - torch.outer(a_mean, b_mean)

    whiten_source = _inverse_root(
        add_ridge(covariance(source, source, source_mean, source_mean), regularization)
    )
    whiten_target = _inverse_root(
        add_ridge(covariance(target, target, target_mean, target_mean), regularization)
    )
    between = covariance(source, target, source_mean, target_mean)
    u, correlations, vt = torch.linalg.svd(whiten_source @ between @ whiten_target, full_matrices=False)
    kept = min(data.dimensions or u.shape[1], u.shape[1])
    return AffineConnector(
        {
            data.source_space: AffineMap(
                input_dim=u.shape[0], matrix=whiten_source @ (u * correlations)[:, :kept], center=source_mean
            ),
            data.target_space: AffineMap(
                input_dim=vt.shape[1],
                matrix=whiten_target @ (vt.t() * correlations)[:, :kept],
                center=target_mean,
            ),
        },
        data.device,
    )


def _inverse_root(covariance: Tensor) -> Tensor:
    """The symmetric C^(-1/2) of a covariance, (d, d), on the directions in which it has variance."""
    values, vectors = torch.linalg.eigh(covariance)
    sound = values > _RANK_TOLERANCE * values[-1]
    roots = torch.where(sound, values.clamp(min=torch.finfo(values.dtype).tiny).rsqrt(), 0.0)
    inverse: Tensor = (vectors * roots) @ vectors.t()
    return inverse
