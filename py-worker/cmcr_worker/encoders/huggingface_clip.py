"""The provider of CLIP and SigLIP models in transformers' format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch

from cmcr_worker.encoders.frozen import freeze
from cmcr_worker.encoders.huggingface_clip_encoder import HuggingFaceClipEncoder
from cmcr_worker.encoders.huggingface_files import (
    TOKENIZER_PATTERNS,
    hub_commit,
    huggingface_folder,
    load_config,
    load_model,
    load_tokenizer,
    transformers_library,
    weights_files,
)
from cmcr_worker.encoders.huggingface_images import image_settings
from cmcr_worker.encoders.image_preparation import ImagePreparation, PixelScale
from cmcr_worker.encoders.model_files import ModelFolder, file_sha256, files_sha256
from cmcr_worker.encoders.options import Options, dtype_name
from cmcr_worker.encoders.patches import grid_of
from cmcr_worker.encoders.protocol import EncoderDescription, PatchGrid
from cmcr_worker.errors import Reason, WorkerError

REVISION = "1"
"""Of this code; changes whenever its preprocessing or forward pass change their results."""

MODALITIES = frozenset({"image", "text"})
ACTIVATIONS = ("configured", "quick_gelu", "gelu")


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of model: its class in transformers, and how its texts are padded."""

    model_class: str
    padding: Literal["longest", "max_length"]


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "clip": Family("CLIPModel", "longest"),
        # SigLIP pools at the last position, which in training was padding for most texts.
        "siglip": Family("SiglipModel", "max_length"),
    }
)
"""By the configuration's `model_type`. SigLIP 2 of fixed resolution is published as `siglip`."""


class HuggingFaceClipProvider:
    """CLIP and SigLIP of any size: a local folder, or a repository of the hub."""

    def describe(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object]
    ) -> EncoderDescription:
        """What `load` would give, from the configuration; reads the weights for their checksum alone.

        Raises:
            WorkerError: CHECKPOINT_MISSING, DATA_CORRUPT or CONFIG_INVALID for the folder, CONFIG_INVALID
                or UNKNOWN_NAME for the options.
        """
        return _resolve(model, checkpoint, options).description

    def load(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object], device: torch.device
    ) -> HuggingFaceClipEncoder:
        """The encoder, ready on that device. Raises as `describe` does; SHAPE_MISMATCH for the weights."""
        found = _resolve(model, checkpoint, options)
        tokenizer = load_tokenizer(found.folder)
        _check_tokenizer(found.folder, found.config, tokenizer)
        model_class = getattr(transformers_library(), found.family.model_class)
        network = load_model(model_class, found.folder, found.config, found.dtype)
        return HuggingFaceClipEncoder(
            found.description,
            freeze(network, device, found.dtype),
            tokenizer,
            padding=found.family.padding,
            max_tokens=found.max_tokens,
            images=found.images,
            scale=found.scale,
            device=device,
            dtype=found.dtype,
        )


@dataclass(frozen=True, slots=True)
class _Resolved:
    folder: ModelFolder
    config: Any
    family: Family
    images: ImagePreparation
    scale: PixelScale
    max_tokens: int
    dtype: torch.dtype
    description: EncoderDescription = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "description", _description(self))


def _resolve(model: str, checkpoint: Path | None, options: Mapping[str, object]) -> _Resolved:
    read = Options("huggingface-clip", options)
    dtype = read.dtype()
    revision = read.text("revision", "main")
    activation = read.choice("activation", "configured", ACTIVATIONS)
    read.finish()
    folder = huggingface_folder("huggingface-clip", model, checkpoint, revision)
    raw = folder.json("config.json")
    family = FAMILIES.get(str(raw.get("model_type")))
    if family is None:
        raise _unsupported(folder, str(raw.get("model_type")))
    config = load_config(folder)
    _set_activation(folder, raw, config, activation)
    images, scale = image_settings(folder)
    _check_image_size(folder, config, images)
    return _Resolved(
        folder, config, family, images, scale, int(config.text_config.max_position_embeddings), dtype
    )


def _description(found: _Resolved) -> EncoderDescription:
    towers = (found.config.text_config, found.config.vision_config)
    activation = "/".join(sorted({str(tower.hidden_act) for tower in towers}))
    commit = hub_commit(found.folder)
    config = file_sha256(found.folder.file("config.json"))[:16]
    grid = _patch_grid(found)
    return EncoderDescription(
        dimension=_dimension(found),
        modalities=MODALITIES,
        weights_sha256=files_sha256(weights_files(found.folder)),
        revision="+".join([REVISION, *([f"hub.{commit}"] if commit else []), f"config.{config}", activation]),
        compute_dtype=dtype_name(found.dtype),
        preprocessing={
            "image": {**found.images.settings(), **found.scale.settings()},
            "text": {
                "padding": found.family.padding,
                "maxTokens": found.max_tokens,
                "tokenizerSha256": found.folder.sha256(TOKENIZER_PATTERNS),
            },
        },
        patch_grid=grid if isinstance(grid, PatchGrid) else None,
        patches_missing="" if isinstance(grid, PatchGrid) else grid,
    )


def _patch_grid(found: _Resolved) -> PatchGrid | str:
    if found.family.model_class != "CLIPModel":
        return "SigLIP pools its patches by attention, and by themselves they lie in no space with texts"
    side = int(found.config.vision_config.patch_size)
    return grid_of(found.images, (side, side))


def _dimension(found: _Resolved) -> int:
    if found.family.model_class == "CLIPModel":
        return int(found.config.projection_dim)
    image = int(found.config.vision_config.hidden_size)
    text = int(found.config.text_config.projection_size)
    if image != text:
        raise WorkerError(
            Reason.SHAPE_MISMATCH,
            f"{found.folder.origin} has images of {image} and texts of {text} dimensions: no joint space",
            subject=found.folder.origin,
        )
    return image


def _set_activation(folder: ModelFolder, raw: Mapping[str, object], config: Any, activation: str) -> None:
    towers = (config.text_config, config.vision_config)
    if activation != "configured":
        for tower in towers:
            tower.hidden_act = activation
        return
    names = f"{folder.origin} {raw.get('_name_or_path', '')}"
    openai = config.model_type == "clip" and re.search(r"\bopenai\b", names, re.IGNORECASE) is not None
    if openai and any(tower.hidden_act != "quick_gelu" for tower in towers):
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"{folder.origin} is OpenAI's by its name, and its configuration says hidden_act "
            f"{towers[0].hidden_act} (text) and {towers[1].hidden_act} (vision): OpenAI's weights were "
            "trained with quick_gelu, and anything else changes every embedding a little",
            subject="encoder.options.activation",
            remedy="Set activation: quick_gelu; or activation: gelu if these weights were trained with it.",
        )


def _check_image_size(folder: ModelFolder, config: Any, images: ImagePreparation) -> None:
    side = config.vision_config.image_size
    expected = (side, side) if isinstance(side, int) else tuple(side)
    if images.size != expected:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"{folder.origin} prepares images of {images.size}, and its network takes {expected}",
            subject=folder.origin,
            remedy="Take config.json and preprocessor_config.json from one and the same model.",
        )


def _check_tokenizer(folder: ModelFolder, config: Any, tokenizer: Any) -> None:
    text = config.text_config
    end = text.eos_token_id
    # The number 2 stands for "the highest token of the text": configurations from before transformers 4.32.
    pools_at_end = config.model_type == "clip" and end != 2
    if len(tokenizer) > text.vocab_size or (pools_at_end and tokenizer.eos_token_id != end):
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"the tokenizer of {folder.origin} has {len(tokenizer)} tokens and ends texts with "
            f"{tokenizer.eos_token_id}; its network knows {text.vocab_size} and looks for {end}",
            subject=folder.origin,
            remedy="Take tokenizer and configuration from one and the same model.",
        )


def _unsupported(folder: ModelFolder, model_type: str) -> WorkerError:
    if model_type == "siglip2":
        return WorkerError(
            Reason.CONFIG_INVALID,
            f"{folder.origin} is a NaFlex model, whose images differ in their patches: not supported",
            subject=folder.origin,
            remedy="Use SigLIP 2 of a fixed resolution, such as google/siglip2-base-patch16-224.",
        )
    return WorkerError(
        Reason.CONFIG_INVALID,
        f"{folder.origin} is a model of the type {model_type}; supported: {', '.join(FAMILIES)}",
        subject=folder.origin,
        remedy="Use open-clip, or wrap the model by the provider python.",
    )
