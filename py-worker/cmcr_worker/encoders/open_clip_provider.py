"""The provider of open_clip models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.described import DescribedEncoder
from cmcr_worker.encoders.frozen import forward_pass, unit_rows
from cmcr_worker.encoders.huggingface_files import TOKENIZER_PATTERNS
from cmcr_worker.encoders.image_batch import ImageBatch
from cmcr_worker.encoders.image_preparation import ImagePreparation, PixelScale
from cmcr_worker.encoders.model_files import file_sha256
from cmcr_worker.encoders.open_clip_images import open_clip_images
from cmcr_worker.encoders.open_clip_model import build_model, load_open_clip_tokenizer
from cmcr_worker.encoders.open_clip_patches import patch_grid, patch_tokens
from cmcr_worker.encoders.open_clip_source import PROVIDER, OpenClipSource, config_text, open_clip_source
from cmcr_worker.encoders.options import Options, dtype_name
from cmcr_worker.encoders.protocol import EncoderDescription, PatchGrid, PatchSource, as_it_is
from cmcr_worker.encoders.text_batch import texts_of
from cmcr_worker.errors import Reason, WorkerError

REVISION = "1"
"""Of this code; changes whenever its preprocessing or forward pass change their results."""

MODALITIES = frozenset({"image", "text"})
ACTIVATIONS = ("configured", "quick_gelu", "gelu")

MAX_CHARACTERS = 8192
"""Of a text that open_clip's own tokenizer is given; it takes minutes for a word of a million letters. A
context of 77 tokens never has as many: the vocabulary's longest token has 32."""


class OpenClipProvider:
    """Any model of open_clip: a name with a tag, a hub repository, a local folder or file."""

    def describe(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object]
    ) -> EncoderDescription:
        """What `load` would give, from the configuration; reads the weights for their checksum alone.

        Raises:
            WorkerError: as `open_clip_source` does, and CONFIG_INVALID or UNKNOWN_NAME for the options.
        """
        return _resolve(model, checkpoint, options).description

    def load(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object], device: torch.device
    ) -> OpenClipEncoder:
        """The encoder, ready on that device. Raises as `describe` and `build_model` do."""
        found = _resolve(model, checkpoint, options)
        tokenizer = load_open_clip_tokenizer(found.source)
        # Not `freeze`: in open_clip's 16-bit modes some layers stay in float32.
        network = build_model(found.source, found.dtype).requires_grad_(False).eval().to(device)
        return OpenClipEncoder(found, network, tokenizer, device)


@dataclass(frozen=True, slots=True)
class _Resolved:
    source: OpenClipSource
    images: ImagePreparation
    scale: PixelScale
    dtype: torch.dtype
    description: EncoderDescription


class OpenClipEncoder(DescribedEncoder):
    """Embeds images and texts by `encode_image` and `encode_text`, and normalises their rows."""

    def __init__(self, found: _Resolved, network: nn.Module, tokenizer: Any, device: torch.device) -> None:
        super().__init__(
            found.description, f"the provider {PROVIDER}", {"image": found.images, "text": as_it_is}
        )
        self._network: Any = network
        self._tokenizer = tokenizer
        self._shorten = not hasattr(tokenizer, "tokenizer")
        self._device = device
        self._pixels = ImageBatch(found.images.size, found.scale, device, found.dtype)

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
                features = self._network.encode_image(self._pixels(inputs))
            else:
                features = self._network.encode_text(self.tokens(texts_of(inputs)).to(self._device))
            return unit_rows(features)

    def embed_patches(self, inputs: Sequence[Prepared], source: PatchSource) -> Tensor:
        """Embeddings of patches, (n, patches, dimension) float32 on the CPU; see `patches`."""
        assert self.patch_grid is not None
        if not inputs:
            return torch.empty(0, self.patch_grid.rows * self.patch_grid.columns, self.dimension)
        with forward_pass(self._device):
            return unit_rows(patch_tokens(self._network.visual, self._pixels(inputs), source))

    def tokens(self, texts: list[str]) -> Tensor:
        """Token numbers, (n, context length), on the CPU; a text that is too long is cut, its end kept."""
        if self._shorten:
            texts = [shortened(text) for text in texts]
        tokens: Tensor = self._tokenizer(texts)
        return tokens


def shortened(text: str) -> str:
    """The text, or of a very long one as much as a context can hold."""
    return text if len(text) <= MAX_CHARACTERS else " ".join(text.split())[:MAX_CHARACTERS]


def _resolve(model: str, checkpoint: Path | None, options: Mapping[str, object]) -> _Resolved:
    read = Options(PROVIDER, options)
    dtype = read.dtype()
    pretrained = read.text("pretrained", "")
    revision = read.text("revision", "main")
    activation = read.choice("activation", "configured", ACTIVATIONS)
    read.finish()
    source = open_clip_source(model, checkpoint, pretrained, revision, activation)
    images, scale = open_clip_images(source)
    return _Resolved(source, images, scale, dtype, _description(source, images, scale, dtype))


def _description(
    source: OpenClipSource, images: ImagePreparation, scale: PixelScale, dtype: torch.dtype
) -> EncoderDescription:
    dimension, text = source.config.get("embed_dim"), source.config.get("text_cfg")
    if not isinstance(dimension, int) or not isinstance(text, dict):
        raise WorkerError(
            Reason.DATA_CORRUPT,
            f"the configuration of {source.origin} has no embed_dim or no text_cfg",
            subject=source.origin,
        )
    config = hashlib.sha256(config_text(source.config).encode()).hexdigest()[:16]
    parts = [REVISION, *([f"hub.{source.commit}"] if source.commit else []), f"config.{config}"]
    tokenizer = {key: value for key, value in text.items() if "tokenizer" in key or key == "context_length"}
    if source.folder is not None:
        tokenizer["filesSha256"] = source.folder.sha256(TOKENIZER_PATTERNS)
    grid = patch_grid(source, images)
    return EncoderDescription(
        dimension=dimension,
        modalities=MODALITIES,
        weights_sha256=file_sha256(source.weights),
        revision="+".join([*parts, "quick_gelu" if source.quick_gelu else "gelu"]),
        compute_dtype=dtype_name(dtype),
        preprocessing={"image": {**images.settings(), **scale.settings()}, "text": tokenizer},
        patch_grid=grid if isinstance(grid, PatchGrid) else None,
        patches_missing="" if isinstance(grid, PatchGrid) else grid,
    )
