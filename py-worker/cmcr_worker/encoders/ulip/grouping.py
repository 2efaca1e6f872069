"""Groups of neighbouring points, on the device, as PointBERT takes them."""

from __future__ import annotations

import torch
from torch import Tensor

# Distances that are held at once: few enough on a CPU to stay in its cache.
_DISTANCES_ON_CPU = 1 << 19
_DISTANCES_ON_DEVICE = 1 << 26


def group(points_NC: Tensor, chosen_G: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The `size` nearest points of each chosen one, (groups, size, channels), and the centres, (groups, 3).

    Coordinates are relative to the centre, neither scaled nor bounded by a radius; further channels are
    as they are, and do not count for the distance. Everything is float32, whatever the network computes
    in: in 16 bits, distances within a cloud of some thousand points cannot be told apart.

    One cloud at a time, and without a matrix product: products of other batch sizes round otherwise, and
    where the last neighbour and the next are almost as near, another rounding is another group.
    """
    xyz_N3 = points_NC[:, :3]
    centres_G3 = xyz_N3[chosen_G]
    nearest_GK = nearest(xyz_N3, centres_G3, size)
    groups_GKC = points_NC[nearest_GK]
    relative_GK3 = groups_GKC[..., :3] - centres_G3[:, None]
    return torch.cat([relative_GK3, groups_GKC[..., 3:]], dim=-1), centres_G3


def nearest(xyz_N3: Tensor, centres_G3: Tensor, size: int) -> Tensor:
    """Indices of the `size` nearest points of each centre, (groups, size), in no order.

    The squared distance is -2ab + a^2 + b^2, as in ULIP's `square_distance`.
    """
    limit = _DISTANCES_ON_CPU if xyz_N3.device.type == "cpu" else _DISTANCES_ON_DEVICE
    block = max(1, limit // len(xyz_N3))
    x, y, z = xyz_N3.T.contiguous()
    squares_N = _squares(xyz_N3)
    found = []
    for centres in centres_G3.split(block):
        distances = centres[:, 0, None] * x
        distances += centres[:, 1, None] * y
        distances += centres[:, 2, None] * z
        distances *= -2
        distances += _squares(centres)[:, None]
        distances += squares_N
        found.append(distances.topk(size, dim=1, largest=False, sorted=False).indices)
    return torch.cat(found)


def _squares(xyz: Tensor) -> Tensor:
    squares = xyz * xyz
    return squares[:, 0] + squares[:, 1] + squares[:, 2]
