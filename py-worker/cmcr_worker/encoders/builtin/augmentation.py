"""What training changes at random in what a tower is given, without changing what it shows."""

from __future__ import annotations

import math

import torch

SUBSET = 160
"""Points of a cloud that a step of training is given."""


def mirrored(images: torch.Tensor) -> torch.Tensor:
    """Images (n, height, width, 3), half of them mirrored: for worlds where left and right mean nothing."""
    chosen = torch.rand(len(images)) < 0.5
    return torch.where(chosen[:, None, None, None], images.flip(2), images)


def scanned_anew(clouds: torch.Tensor) -> torch.Tensor:
    """A random part of each cloud (n, points, 3), turned about the vertical: (n, 160, 3)."""
    part = clouds[:, torch.randperm(clouds.shape[1])[:SUBSET]]
    angle = torch.rand(len(clouds), 1) * (2 * math.pi)
    cos, sin = angle.cos(), angle.sin()
    x, y, z = part.unbind(2)
    return torch.stack([cos * x - sin * y, sin * x + cos * y, z], dim=2)
