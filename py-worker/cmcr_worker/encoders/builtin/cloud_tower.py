"""A small PointNet over clouds of any number of points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.encoders.builtin.tower import Tower, wrong_item

POINTS = 256
"""Points of a cloud that are read."""


class PointNet(Tower):
    """The same network over every point, the maximum over the points, then two layers.

    As in Qi et al., "PointNet" (CVPR 2017), without its transformation nets; a
    point is also told its distance from the vertical axis and from the origin,
    which no turn about the vertical changes. z is up.
    """

    def __init__(self, *, widths: Sequence[int], hidden: int, dimension: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 5
        for after in widths:
            layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU(inplace=True)]
            before = after
        self.points = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(before, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, dimension),
        )

    def prepare(self, items: Sequence[Prepared]) -> torch.Tensor:
        """Points, (n, 256, 3) float32 in the cloud's own scale.

        Of a longer cloud points at even steps are taken, those of a shorter one are repeated.
        """
        clouds = np.empty((len(items), POINTS, 3), dtype=np.float32)
        for row, item in enumerate(items):
            if not isinstance(item, PointCloud) or not len(item.xyz):
                raise wrong_item("a point cloud", item, row)
            clouds[row] = _evenly(item.xyz)
        return torch.from_numpy(clouds)

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        """Embeddings, (n, dimension), of clouds of any number of points."""
        clouds, points, _ = prepared.shape
        squares = prepared.square()
        plane = squares[..., :2].sum(dim=2, keepdim=True).sqrt()
        radius = squares.sum(dim=2, keepdim=True).sqrt()
        told = torch.cat([prepared, plane, radius], dim=2).flatten(0, 1)
        each: torch.Tensor = self.points(told)
        embeddings: torch.Tensor = self.head(each.view(clouds, points, -1).amax(dim=1))
        return embeddings


def _evenly(xyz: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """256 of the points in their order, at even steps."""
    if len(xyz) == POINTS:
        return xyz
    return xyz[(np.arange(POINTS) * len(xyz)) // POINTS]
