"""A small convolutional network over images of 32 x 32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import nn

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.builtin.tower import Tower, wrong_item

SIDE = 32


class ConvolutionalImage(Tower):
    """Four convolutions, the last three halving the side; the place is kept until the last layer."""

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
            if (
                not isinstance(item, np.ndarray)
                or item.dtype != np.uint8
                or item.ndim != 3
                or item.shape[2] != 3
            ):
                raise wrong_item("an RGB image", item, row)
            pixels[row] = item if item.shape[:2] == (SIDE, SIDE) else _resized(item)
        return torch.from_numpy(pixels)

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        """Embeddings, (n, dimension)."""
        # A permuted view of (n, h, w, c) is what torch calls channels-last: the faster layout on CPUs.
        images = prepared.permute(0, 3, 1, 2).float().div_(63.75).sub_(2.0)
        embeddings: torch.Tensor = self.head(self.features(images).flatten(1))
        return embeddings


def _resized(
    image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    # Pillow averages over all pixels that fall together, so that fine detail does not alias.
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.uint8)
