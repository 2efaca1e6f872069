"""Checkpoints in ULIP's format, small and random, and clouds to embed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.encoders.ulip.network import UlipNetwork
from cmcr_worker.encoders.ulip.sizes import ImageSizes, PointBertSizes, TextSizes, UlipSizes

POINTS = PointBertSizes(width=96, depth=2, heads=2, encoder=32, groups=24, neighbours=8, dimension=40)
TINY = UlipSizes(
    POINTS,
    TextSizes(width=64, depth=2, heads=2),
    ImageSizes(width=64, depth=2, heads=2, patch=8, side=32),
)
COLOURED = UlipSizes(replace(POINTS, channels=6, depth=3), None, None)


def random_state(sizes: UlipSizes, seed: int = 0) -> dict[str, Tensor]:
    """Weights that no part of a network can ignore: biases, norms and statistics are random as well."""
    draw = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        layout = UlipNetwork(sizes).state_dict()
    state = {}
    for name, tensor in layout.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(3080)
        elif name.endswith("running_var"):
            state[name] = torch.rand(tensor.shape, generator=draw) + 0.5
        elif tensor.ndim < 2:
            scale = 1.0 if name.endswith("weight") else 0.0
            state[name] = scale + 0.2 * torch.randn(tensor.shape, generator=draw)
        elif name.startswith(("point_encoder.encoder", "point_encoder.pos_embed")):
            state[name] = torch.randn(tensor.shape, generator=draw) * (2 / tensor.shape[1]) ** 0.5
        else:
            state[name] = torch.randn(tensor.shape, generator=draw) * tensor.shape[-1] ** -0.5
    return state


def write_checkpoint(
    path: Path, state: Mapping[str, Tensor], model: str = "ULIP_PointBERT", prefix: str = "module."
) -> Path:
    """The file that ULIP's `main.py` saves."""
    optimizer = torch.optim.AdamW([nn.Parameter(torch.ones(2))])
    torch.save(
        {
            "epoch": 250,
            "state_dict": {f"{prefix}{name}": tensor for name, tensor in state.items()},
            "optimizer": optimizer.state_dict(),
            "scaler": {"scale": 65536.0, "growth_factor": 2.0},
            "best_acc1": 60.3,
            "args": argparse.Namespace(model=model, npoints=8192, betas=(0.9, 0.98), gpu=0),
        },
        path,
    )
    return path


def clouds(count: int, *, coloured: bool = False, least: int = 60, seed: int = 0) -> list[PointCloud]:
    """Clouds of different sizes and shapes: ellipsoids, some hollow, some in two parts."""
    draw = np.random.default_rng(seed)
    made = []
    for number in range(count):
        points = draw.normal(size=(least + 13 * number, 3))
        if number % 3 == 0:
            points /= np.linalg.norm(points, axis=1, keepdims=True)
        if number % 3 == 1:
            points[::2] += 3
        points *= draw.uniform(0.05, 0.6, size=3)
        points += draw.uniform(-0.2, 0.2, size=3)
        rgb = draw.random((len(points), 3)).astype(np.float32) if coloured else None
        made.append(PointCloud(points.astype(np.float32), rgb))
    return made
