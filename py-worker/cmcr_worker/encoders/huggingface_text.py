"""The provider of sentence encoders in transformers' format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from cmcr_worker.encoders.frozen import freeze
from cmcr_worker.encoders.huggingface_files import (
    TOKENIZER_PATTERNS,
    check_weights,
    hub_commit,
    huggingface_folder,
    load_config,
    load_model,
    load_tokenizer,
    transformers_library,
    weights_files,
)
from cmcr_worker.encoders.huggingface_text_encoder import HuggingFaceTextEncoder
from cmcr_worker.encoders.model_files import file_sha256, files_sha256
from cmcr_worker.encoders.options import Options, dtype_name
from cmcr_worker.encoders.protocol import EncoderDescription
from cmcr_worker.encoders.restricted_checkpoint import read_checkpoint
from cmcr_worker.encoders.sentence_layout import ACTIVATIONS, DenseLayer, SentenceLayout, sentence_layout
from cmcr_worker.errors import Reason, WorkerError

REVISION = "1"
"""Of this code; changes whenever its preprocessing or forward pass change their results."""

MODALITIES = frozenset({"text"})
POOLING_OPTIONS = {"mean": "mean", "cls": "cls", "max": "max", "last": "lasttoken"}
"""What the option `pooling` admits, and sentence-transformers' names for it."""

UNLIMITED_TOKENS = 8192
"""Tokens of a text that are read where neither model nor tokenizer knows a limit."""

ENCODERS_ALONE: Mapping[str, str] = MappingProxyType(
    {"t5": "T5EncoderModel", "mt5": "MT5EncoderModel", "umt5": "UMT5EncoderModel"}
)
"""Models whose decoder plays no part in a sentence's embedding."""

_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "xmod")
# Names of weights that training for another task leaves in a file, and that embeddings do not need.
_HEADS = (
    *("cls.", "lm_head.", "pooler.", "classifier.", "score.", "qa_outputs.", "predictions.", "generator_"),
    *("vocab_transform.", "vocab_layer_norm.", "vocab_projector.", "discriminator_predictions.", "head."),
    *("decoder.", "embeddings.position_ids"),
)


class HuggingFaceTextProvider:
    """Any encoder of texts that transformers knows, with sentence-transformers' layout where it has one."""

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
    ) -> HuggingFaceTextEncoder:
        """The encoder, ready on that device. Raises as `describe` does; SHAPE_MISMATCH for the weights."""
        found = _resolve(model, checkpoint, options)
        folder = found.layout.transformer
        tokenizer = load_tokenizer(folder)
        library = transformers_library()
        name = ENCODERS_ALONE.get(found.config.model_type, "AutoModel")
        network = load_model(
            getattr(library, name), folder, found.config, found.dtype, unused=("pooler.",), heads=_HEADS
        )
        dense = nn.Sequential(*(part for layer in found.layout.dense for part in _load_dense(layer)))
        return HuggingFaceTextEncoder(
            found.description,
            freeze(network, device, found.dtype),
            # Small, and after the pooling: in float32 whatever the network's type.
            freeze(dense, device, torch.float32),
            tokenizer,
            poolings=found.poolings,
            prefix=found.prefix,
            max_tokens=_max_tokens(found, tokenizer),
            layout=found.layout,
            device=device,
        )


@dataclass(frozen=True, slots=True)
class _Resolved:
    layout: SentenceLayout
    config: Any
    poolings: tuple[str, ...]
    prefix: str
    max_length: int
    dtype: torch.dtype
    description: EncoderDescription


def _resolve(model: str, checkpoint: Path | None, options: Mapping[str, object]) -> _Resolved:
    read = Options("huggingface-text", options)
    dtype = read.dtype()
    revision = read.text("revision", "main")
    pooling = read.choice("pooling", "model", ("model", *POOLING_OPTIONS))
    prefix = read.text("prefix", "", empty=True)
    max_length = read.whole("maxLength", 0)
    read.finish()
    folder = huggingface_folder("huggingface-text", model, checkpoint, revision)
    layout = sentence_layout(folder)
    config = load_config(layout.transformer)
    if not isinstance(getattr(config, "hidden_size", None), int) or hasattr(config, "vision_config"):
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"{folder.origin} is a model of the type {config.model_type}, which is no encoder of texts alone",
            subject=folder.origin,
            remedy="For CLIP and SigLIP use huggingface-clip; else wrap the model by the provider python.",
        )
    poolings = layout.poolings or ("mean",) if pooling == "model" else (POOLING_OPTIONS[pooling],)
    # An empty prefix takes the model's own away.
    prefix = prefix if "prefix" in options else layout.prompt
    width = config.hidden_size * len(poolings)
    for layer in layout.dense:
        if layer.inputs != width:
            raise WorkerError(
                Reason.SHAPE_MISMATCH,
                f"{folder.origin}: {layer.folder.path.name} takes {layer.inputs} numbers, not {width}",
                subject=folder.origin,
                remedy="Leave pooling to the model, or check its modules.json.",
            )
        width = layer.outputs
    description = EncoderDescription(
        dimension=width,
        modalities=MODALITIES,
        weights_sha256=files_sha256(
            [
                *weights_files(layout.transformer),
                *(path for part in layout.dense for path in weights_files(part.folder)),
            ]
        ),
        revision="+".join(
            [
                REVISION,
                *([f"hub.{commit}"] if (commit := hub_commit(folder)) else []),
                f"config.{file_sha256(layout.transformer.file('config.json'))[:16]}",
                *([f"modules.{files_sha256(layout.files)[:16]}"] if layout.files else []),
            ]
        ),
        compute_dtype=dtype_name(dtype),
        preprocessing={
            "text": {
                "pooling": list(poolings),
                "prefix": prefix,
                "maxTokens": max_length or layout.max_tokens,
                "lowerCase": layout.lower_case,
                "tokenizerSha256": layout.transformer.sha256(TOKENIZER_PATTERNS),
            }
        },
    )
    return _Resolved(layout, config, poolings, prefix, max_length, dtype, description)


def _max_tokens(found: _Resolved, tokenizer: Any) -> int:
    """The option, or what the layout says; at most as many as the network has positions."""
    limit = min(int(tokenizer.model_max_length), _positions(found.config))
    if found.max_length > limit:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"maxLength is {found.max_length}, and {found.layout.transformer.origin} takes {limit} tokens",
            subject="encoder.options.maxLength",
            remedy=f"Give {limit} or less.",
        )
    if found.max_length:
        return found.max_length
    return min(found.layout.max_tokens or limit, limit if limit < 1 << 30 else UNLIMITED_TOKENS)


def _positions(config: Any) -> int:
    positions = getattr(config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions < 1:
        return 1 << 40
    # RoBERTa counts positions from after its padding number; its table has rows that no token uses.
    offset = (config.pad_token_id or 0) + 1 if config.model_type in _OFFSET_POSITIONS else 0
    return positions - offset


def _load_dense(layer: DenseLayer) -> tuple[nn.Module, nn.Module]:
    state = read_checkpoint(weights_files(layer.folder)[-1]).state
    linear = nn.Linear(layer.inputs, layer.outputs, bias=layer.bias)
    own = {f"linear.{name}": tensor for name, tensor in linear.state_dict().items()}
    check_weights(
        f"{layer.folder.origin} ({layer.folder.path.name})",
        [name for name in own if name not in state],
        [name for name in state if name not in own],
        [
            f"{name} {tuple(tensor.shape)} for {tuple(own[name].shape)}"
            for name, tensor in state.items()
            if name in own and tensor.shape != own[name].shape
        ],
    )
    linear.load_state_dict({name.removeprefix("linear."): tensor for name, tensor in state.items()})
    return linear, ACTIVATIONS[layer.activation]()
