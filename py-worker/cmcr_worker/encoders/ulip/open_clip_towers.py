"""ULIP-2's image and text towers: a model of open_clip, ViT-bigG-14, beside the point encoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cmcr_worker.encoders.image_preparation import ImagePreparation, PixelScale
from cmcr_worker.encoders.ulip.checkpoint import OPEN_CLIP_PREFIX, check_shapes
from cmcr_worker.errors import Reason, WorkerError

DEFAULT_MODEL = "ViT-bigG-14"
"""The model whose embeddings ULIP-2's point clouds were trained towards."""

# Of every open_clip model with OpenAI's image statistics, ViT-bigG-14 among them.
CLIP_SCALE = PixelScale(mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711))


class OpenClipTowers:
    """A model of open_clip without its weights yet, and what belongs to it.

    Raises:
        WorkerError: CONFIG_INVALID for a model that open_clip does not have.
    """

    def __init__(self, model: str) -> None:
        from cmcr_worker.encoders.torchvision_import import import_torchvision

        import_torchvision()
        import open_clip

        config = open_clip.get_model_config(model)
        if config is None:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"open_clip has no model {model}",
                subject="encoder.options.openClipModel",
                remedy=f"ULIP-2 was trained with {DEFAULT_MODEL}.",
            )
        self._model = model
        self.dimension = int(config["embed_dim"])
        side = config["vision_cfg"].get("image_size", 224)
        self.side = (side, side) if isinstance(side, int) else (int(side[0]), int(side[1]))

    def images(self) -> ImagePreparation:
        """open_clip's preparation of an image for this model."""
        return ImagePreparation("shortest", self.side, self.side, filter="bicubic", centering="torchvision")

    def tokenizer(self) -> Any:
        """open_clip's tokenizer of this model: texts to (texts, context) token numbers."""
        import open_clip

        return open_clip.get_tokenizer(self._model)

    def check(self, path: Path, state: Mapping[str, Tensor]) -> None:
        """Raises SHAPE_MISMATCH, naming the parameters, unless these are the model's weights (or layout)."""
        self._check(path, state, self._empty())

    def build(self, path: Path, state: Mapping[str, Tensor]) -> nn.Module:
        """The model with these weights. Raises as `check` does."""
        network = self._empty()
        self._check(path, state, network)
        network.load_state_dict(dict(state), strict=True, assign=True)
        for name, buffer in list(network.named_buffers()):
            if buffer.device.type == "meta":
                # What no checkpoint has: the causal mask.
                assert name == "attn_mask", name
                network.attn_mask = torch.full(buffer.shape, float("-inf")).triu_(1)
        return network

    def _empty(self) -> nn.Module:
        import open_clip

        with torch.device("meta"):
            network: nn.Module = open_clip.create_model(self._model, load_weights=False, device="meta")
        return network

    def _check(self, path: Path, state: Mapping[str, Tensor], network: nn.Module) -> None:
        check_shapes(
            path,
            {name: tuple(tensor.shape) for name, tensor in state.items()},
            {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()},
        )


def state_within(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of open_clip's model that an ULIP-2 checkpoint carries along."""
    return {
        name.removeprefix(OPEN_CLIP_PREFIX): tensor
        for name, tensor in state.items()
        if name.startswith(OPEN_CLIP_PREFIX)
    }
