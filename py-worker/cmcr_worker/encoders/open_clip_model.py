"""Building an open_clip network and loading its weights, strictly and without unpickling code."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cmcr_worker.encoders.huggingface_files import TOKENIZER_PATTERNS, check_weights
from cmcr_worker.encoders.open_clip_source import CONFIG, OpenClipSource, config_text, open_clip_library
from cmcr_worker.encoders.restricted_checkpoint import read_checkpoint
from cmcr_worker.errors import Reason, WorkerError

PRECISIONS = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
"""open_clip's names; in its usual 16-bit modes normalisation layers stay in float32."""

_lock = threading.Lock()


def build_model(source: OpenClipSource, dtype: torch.dtype) -> nn.Module:
    """The network with its weights, on the CPU, as `open_clip.create_model` builds it.

    Raises:
        WorkerError: CONFIG_INVALID where open_clip cannot build it, SHAPE_MISMATCH for weights that are
            missing, too many or of another shape, CHECKPOINT_MISSING or DATA_CORRUPT for their file.
    """
    library = open_clip_library()
    state = read_checkpoint(source.weights).state
    # The library builds from a folder's configuration; ours may differ from the model's in its activation.
    # Its random initial weights must not move the random numbers of others.
    with (
        tempfile.TemporaryDirectory() as folder,
        _lock,
        _without_reports(),
        torch.random.fork_rng(devices=[]),
    ):
        (Path(folder) / CONFIG).write_text(f'{{"model_cfg": {config_text(source.config)}}}')
        try:
            network: nn.Module = library.create_model(
                f"local-dir:{folder}",
                load_weights=False,
                precision=_precision(source, dtype),
                pretrained_image=False,
                pretrained_text=False,
            )
        except Exception as error:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"open_clip cannot build {source.origin} ({type(error).__name__}: {error})",
                subject=source.origin,
                remedy="Check its configuration; that of a text tower on the hub must be in the cache.",
            ) from error
    state = _in_this_layout(network, state)
    own = network.state_dict()
    check_weights(
        source.origin,
        [name for name in own if name not in state],
        [name for name in state if name not in own],
        [
            f"{name} {tuple(tensor.shape)} for {tuple(own[name].shape)}"
            for name, tensor in state.items()
            if name in own and tensor.shape != own[name].shape
        ],
    )
    network.load_state_dict(state)
    return network


def _precision(source: OpenClipSource, dtype: torch.dtype) -> str:
    pooled = source.config.get("vision_cfg", {}).get("attentional_pool")
    if dtype != torch.float32 and (pooled or "multimodal_cfg" in source.config):
        # CoCa's pooling has element types mixed up in the library's usual 16-bit mode, and fails.
        return f"pure_{PRECISIONS[dtype]}"
    return PRECISIONS[dtype]


def load_open_clip_tokenizer(source: OpenClipSource) -> Any:
    """The model's tokenizer, by open_clip's own choice.

    Raises:
        WorkerError: CHECKPOINT_MISSING for one of the hub that is not to be had, CONFIG_INVALID for one
            that shortens texts at random.
    """
    text = source.config.get("text_cfg", {})
    if text.get("tokenizer_kwargs", {}).get("reduction_mask"):
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"{source.origin} shortens long texts by the rule {text['tokenizer_kwargs']['reduction_mask']}, "
            "which is for training: the same text would have different embeddings",
            subject=source.origin,
            remedy="Remove reduction_mask from its configuration.",
        )
    library = open_clip_library()
    name = source.architecture
    if source.folder is not None and (
        not text.get("hf_tokenizer_name") or _has_tokenizer(source.folder.path)
    ):
        name = f"local-dir:{source.folder.path}"
    try:
        with _without_reports():
            if name:
                return library.get_tokenizer(name)
            return library.tokenizer.HFTokenizer(
                text["hf_tokenizer_name"],
                context_length=text.get("context_length", 77),
                tokenizer_mode=text.get("tokenizer_mode"),
                **text.get("tokenizer_kwargs", {}),
            )
    except Exception as error:
        wanted = text.get("hf_tokenizer_name", "of its folder")
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            f"the tokenizer {wanted} of {source.origin} is not to be had ({type(error).__name__}: {error})",
            subject=source.origin,
            remedy="Check the network, or save the tokenizer into a folder with the weights and "
            f"{CONFIG}, and give that as checkpoint.",
        ) from error


def _has_tokenizer(folder: Path) -> bool:
    return any(path for pattern in TOKENIZER_PATTERNS for path in folder.glob(pattern))


def _in_this_layout(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Takes names and shapes of older versions and other projects, as `open_clip.load_checkpoint` does.

    Only the position embeddings of another image size or text length are not resized to fit: those are
    weights of another model.
    """
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    model: Any = network
    state = convert_state_dict(model, state)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    for name in ("logit_scale", "logit_bias"):
        own = getattr(model, name, None)
        if name in state and own is not None and own.numel() == state[name].numel():
            state[name] = state[name].reshape(own.shape)
    if "logit_bias" not in state and getattr(model, "logit_bias", None) is not None:
        # Only the loss uses it, and embeddings do not depend on it.
        state["logit_bias"] = torch.zeros_like(model.logit_bias)
    if "text.transformer.embeddings.position_ids" not in model.state_dict():
        state.pop("text.transformer.embeddings.position_ids", None)
    return state


@contextmanager
def _without_reports() -> Iterator[None]:
    """open_clip reports on the root logger; what matters of it is raised here."""
    root = logging.getLogger()
    silent = logging.NullHandler()

    def other(record: logging.LogRecord) -> bool:
        return "open_clip" not in Path(record.pathname).parts

    root.addHandler(silent)
    root.addFilter(other)
    try:
        yield
    finally:
        root.removeFilter(other)
        root.removeHandler(silent)
