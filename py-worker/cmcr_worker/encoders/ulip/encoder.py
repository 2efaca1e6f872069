"""ULIP or ULIP-2, frozen, on a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.described import DescribedEncoder
from cmcr_worker.encoders.frozen import forward_pass, unit_rows
from cmcr_worker.encoders.image_batch import ImageBatch
from cmcr_worker.encoders.protocol import EncoderDescription, Preparation
from cmcr_worker.encoders.text_batch import texts_of
from cmcr_worker.encoders.ulip.grouping import group
from cmcr_worker.encoders.ulip.network import UlipNetwork
from cmcr_worker.errors import Reason, WorkerError


class UlipEncoder(DescribedEncoder):
    """Embeds point clouds, and images and texts by the towers that came with them; normalises the rows."""

    def __init__(
        self,
        description: EncoderDescription,
        network: UlipNetwork,
        open_clip: nn.Module | None,
        *,
        preparations: Mapping[str, Preparation],
        neighbours: int,
        pixels: ImageBatch | None,
        tokenizer: Callable[[Sequence[str]], Tensor] | None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(description, "this checkpoint of ulip", preparations)
        self._network = network
        self._towers: Any = network if open_clip is None else open_clip
        self._parts = nn.ModuleList([network] if open_clip is None else [network, open_clip]).eval()
        self._neighbours = neighbours
        self._pixels = pixels
        self._tokenizer = tokenizer
        self._device = device
        self._dtype = dtype

    @property
    def module(self) -> nn.Module:
        """The network and open_clip's model, if any; frozen, and to be left so."""
        return self._parts

    def embed(self, modality: str, inputs: Sequence[Prepared]) -> Tensor:
        """Embeddings, (n, dimension) float32 on the CPU, rows L2-normalised. Raises as the protocol says."""
        self.preparation(modality)
        if not inputs:
            return torch.empty(0, self.dimension)
        with forward_pass(self._device):
            if modality == "pointcloud":
                features = self._clouds(inputs)
            elif modality == "image":
                assert self._pixels is not None
                features = self._towers.encode_image(self._pixels(inputs))
            else:
                assert self._tokenizer is not None
                tokens: Tensor = self._tokenizer(texts_of(inputs)).to(self._device)
                features = self._towers.encode_text(tokens)
            return unit_rows(features)

    def _clouds(self, inputs: Sequence[Prepared]) -> Tensor:
        # Clouds of different sizes go together: after grouping all have the same shape.
        grouped = [self._grouped(item, row) for row, item in enumerate(inputs)]
        groups_BGKC = torch.stack([groups for groups, _ in grouped]).to(self._dtype)
        centres_BG3 = torch.stack([centres for _, centres in grouped]).to(self._dtype)
        return self._network.encode_points(groups_BGKC, centres_BG3)

    def _grouped(self, item: Prepared, row: int) -> tuple[Tensor, Tensor]:
        if not isinstance(item, tuple) or len(item) != 2 or not all(isinstance(a, np.ndarray) for a in item):
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"expected a prepared point cloud at row {row} of the batch, found {type(item).__name__}",
                subject=f"items[{row}]",
            )
        points, centres = (torch.from_numpy(np.require(part, requirements="W")) for part in item)
        return group(points.to(self._device), centres.to(self._device), self._neighbours)
