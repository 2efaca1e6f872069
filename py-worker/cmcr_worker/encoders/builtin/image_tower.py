"""A small convolutional network over images of 32 x 32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.builtin.image_size import SIDE, is_image, resized
from cmcr_worker.encoders.builtin.tower import Tower, wrong_item


class ConvolutionalImage(Tower):
    """A convolution for each of the channels, halving the side; the place is kept until the last layer."""

    def __init__(self, *, channels: Sequence[int], dimension: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for number, after in enumerate(channels):
            kernel = 5 if number == 0 else 3
            layers += [
                nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
            before = after
        self.features = nn.Sequential(*layers)
        left = SIDE // 2 ** len(channels)
        self.head = nn.Linear(before * left * left, dimension)

    def prepare(self, items: Sequence[Prepared]) -> torch.Tensor:
        """Pixels, (n, 32, 32, 3) uint8; images of any other size are resized."""
        pixels = np.empty((len(items), SIDE, SIDE, 3), dtype=np.uint8)
        for row, item in enumerate(items):
            if not isinstance(item, np.ndarray) or not is_image(item):
                raise wrong_item("an RGB image", item, row)
            pixels[row] = resized(item)
        return torch.from_numpy(pixels)

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        """Embeddings, (n, dimension)."""
        # A permuted view of (n, h, w, c) is what torch calls channels-last: the faster layout on CPUs.
        images = prepared.permute(0, 3, 1, 2).float().div_(63.75).sub_(2.0)
        embeddings: torch.Tensor = self.head(self.features(images).flatten(1))
        return embeddings
