"""Prepared images on the device, as the network's numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.image_preparation import PixelScale
from cmcr_worker.errors import Reason, WorkerError


class ImageBatch:
    """Stacks images of one size, copies them to the device as they are, 8 bits, and scales them there."""

    def __init__(
        self, size: tuple[int, int], scale: PixelScale, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._shape = (*size, 3)
        self._device = device
        self._dtype = dtype
        std = torch.tensor(scale.std, dtype=torch.float64)
        mean = torch.tensor(scale.mean, dtype=torch.float64)
        # (pixel * factor - mean) / std as one product and one sum, rounded once.
        self._factor = (scale.factor / std).float().to(device)
        self._offset = (-mean / std).float().to(device)

    def __call__(self, inputs: Sequence[Prepared]) -> Tensor:
        """Images, (n, 3, height, width) in the network's element type, on its device.

        Raises:
            WorkerError: CONFIG_INVALID for an item that is no image of this size.
        """
        pinned = self._device.type == "cuda"
        pixels = torch.empty((len(inputs), *self._shape), dtype=torch.uint8, pin_memory=pinned)
        try:
            np.stack(inputs, out=pixels.numpy(), casting="no")  # type: ignore[call-overload]
        except (TypeError, ValueError) as error:
            raise self._wrong(inputs) from error
        # The pinned block is kept by torch's allocator until the copy has been made.
        moved = pixels.to(self._device, non_blocking=pinned)
        scaled = torch.addcmul(self._offset, moved.float(), self._factor)
        return scaled.to(self._dtype).permute(0, 3, 1, 2)

    def _wrong(self, inputs: Sequence[Prepared]) -> WorkerError:
        for row, item in enumerate(inputs):
            if not isinstance(item, np.ndarray):
                found: object = type(item).__name__
            elif item.shape != self._shape or item.dtype != np.uint8:
                found = f"an array {item.shape} of {item.dtype}"
            else:
                continue
            return WorkerError(
                Reason.CONFIG_INVALID,
                f"expected a prepared image {self._shape} of uint8 at row {row} of the batch, found {found}",
                subject=f"items[{row}]",
            )
        return WorkerError(Reason.CONFIG_INVALID, "the images of a batch cannot be stacked", subject="items")
