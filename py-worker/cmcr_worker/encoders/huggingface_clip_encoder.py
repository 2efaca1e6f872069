"""A CLIP or SigLIP model in transformers' format, frozen, on a device."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.described import DescribedEncoder
from cmcr_worker.encoders.frozen import forward_pass, unit_rows
from cmcr_worker.encoders.image_batch import ImageBatch
from cmcr_worker.encoders.image_preparation import ImagePreparation, PixelScale
from cmcr_worker.encoders.patches import values_for_attention
from cmcr_worker.encoders.protocol import EncoderDescription, PatchSource, as_it_is
from cmcr_worker.encoders.text_batch import texts_of


class HuggingFaceClipEncoder(DescribedEncoder):
    """Embeds images and texts by `get_image_features` and `get_text_features`, and normalises their rows."""

    def __init__(
        self,
        description: EncoderDescription,
        network: nn.Module,
        tokenizer: Any,
        *,
        padding: Literal["longest", "max_length"],
        max_tokens: int,
        images: ImagePreparation,
        scale: PixelScale,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(description, "the provider huggingface-clip", {"image": images, "text": as_it_is})
        self._network: Any = network
        self._tokenizer = tokenizer
        self._padding = padding
        self._max_tokens = max_tokens
        self._device = device
        self._pixels = ImageBatch(images.size, scale, device, dtype)

    @property
    def module(self) -> nn.Module:
        """The network; frozen, and to be left so."""
        network: nn.Module = self._network
        return network

    def embed(self, modality: str, inputs: Sequence[Prepared]) -> Tensor:
        """Embeddings, (n, dimension) float32 on the CPU, rows L2-normalised. Raises as the protocol says."""
        self.preparation(modality)
        if not inputs:
            return torch.empty(0, self.dimension)
        with forward_pass(self._device):
            if modality == "image":
                found = self._network.get_image_features(pixel_values=self._pixels(inputs))
            else:
                found = self._network.get_text_features(**self._tokens(texts_of(inputs)))
            # transformers 5 wraps what its version 4 returned as it was.
            features: Tensor = getattr(found, "pooler_output", found)
            return unit_rows(features)

    def embed_patches(self, inputs: Sequence[Prepared], source: PatchSource) -> Tensor:
        """Embeddings of patches, (n, patches, dimension) float32 on the CPU; see `patches`.

        `visual_projection` of `post_layernorm` of the last hidden state without the class token, as
        CLIPModel does it to the class token. Raises as the protocol says.
        """
        assert self.patch_grid is not None
        if not inputs:
            return torch.empty(0, self.patch_grid.rows * self.patch_grid.columns, self.dimension)
        vision = self._network.vision_model
        last = vision.encoder.layers[-1]
        with forward_pass(self._device), ExitStack() as replaced:
            if source == "values":
                replaced.enter_context(values_for_attention(last, partial(_values, last)))
            hidden: Tensor = vision(pixel_values=self._pixels(inputs)).last_hidden_state
            tokens = vision.post_layernorm(hidden[:, 1:])
            return unit_rows(self._network.visual_projection(tokens))

    def _tokens(self, texts: list[str]) -> dict[str, Tensor]:
        # Truncation keeps the end token, where CLIP pools.
        batch = self._tokenizer(
            texts,
            padding=self._padding,
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="pt",
        )
        return {name: tensor.to(self._device) for name, tensor in batch.items()}


def _values(layer: Any, hidden: Tensor) -> Tensor:
    """The output of a CLIPEncoderLayer in which each token attends to itself alone."""
    attention = layer.self_attn
    hidden = hidden + attention.out_proj(attention.v_proj(layer.layer_norm1(hidden)))
    result: Tensor = hidden + layer.mlp(layer.layer_norm2(hidden))
    return result
