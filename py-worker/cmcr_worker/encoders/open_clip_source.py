"""Where an open_clip model comes from: a name and a tag, a hub repository, a local folder or file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmcr_worker.encoders.huggingface_files import TOKENIZER_PATTERNS, hub_commit
from cmcr_worker.encoders.model_files import ModelFolder, model_folder
from cmcr_worker.encoders.torchvision_import import import_torchvision
from cmcr_worker.errors import Reason, WorkerError, unknown_name

PROVIDER = "open-clip"
HUB_PREFIX = "hf-hub:"
CONFIG = "open_clip_config.json"
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)
"""Names of weights in a folder, the preferred first; as open_clip's own order."""


@dataclass(frozen=True, slots=True)
class OpenClipSource:
    """A model before it is built.

    `config` is open_clip's model configuration, `preprocess` what its origin says of images beyond the
    library's defaults, `folder` the model's own folder where it has one, `origin` what people call it.
    """

    architecture: str
    config: dict[str, Any]
    preprocess: Mapping[str, Any]
    weights: Path
    folder: ModelFolder | None
    commit: str | None
    origin: str

    @property
    def quick_gelu(self) -> bool:
        """Whether the activation is x * sigmoid(1.702 x) in place of GELU."""
        return bool(self.config.get("quick_gelu", False))


def open_clip_library() -> Any:
    """open_clip, imported on first use; it takes seconds."""
    import_torchvision()
    import open_clip

    return open_clip


def open_clip_source(
    model: str, checkpoint: Path | None, pretrained: str, revision: str, activation: str
) -> OpenClipSource:
    """Finds the model's configuration and weights; a tag's and a repository's are fetched.

    Raises:
        WorkerError: UNKNOWN_NAME for an architecture or a tag, CHECKPOINT_MISSING or DATA_CORRUPT for
            files, CONFIG_INVALID where the request contradicts itself or asks for the wrong activation.
    """
    if model.startswith("local-dir:"):
        raise _contradiction("a local folder is given as checkpoint, not as model")
    if checkpoint is not None and pretrained:
        raise _contradiction("a checkpoint and a pretrained tag are two sources of weights")
    if model.startswith(HUB_PREFIX):
        if checkpoint is not None or pretrained:
            raise _contradiction(f"{model} has weights of its own")
        patterns = (*WEIGHTS, "*.json", *TOKENIZER_PATTERNS)
        found = _folder(model_folder(PROVIDER, model.removeprefix(HUB_PREFIX), None, revision, patterns))
    elif checkpoint is not None and checkpoint.is_dir() and (checkpoint / CONFIG).is_file():
        found = _folder(ModelFolder(checkpoint, str(checkpoint)))
    elif checkpoint is not None and checkpoint.is_dir() and not model:
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            f"the folder {checkpoint} has no {CONFIG}",
            subject=str(checkpoint),
            remedy="Give the folder that open_clip's save_for_hf writes, or beside it model: the weights' "
            "architecture, such as ViT-B-32.",
        )
    elif checkpoint is not None:
        found = _file(model, checkpoint)
    else:
        found = _tag(model, pretrained, revision)
    return _activated(found, pretrained, activation)


def _folder(folder: ModelFolder) -> OpenClipSource:
    content = folder.json(CONFIG)
    config, preprocess = content.get("model_cfg"), content.get("preprocess_cfg", {})
    if not isinstance(config, dict) or not isinstance(preprocess, dict):
        raise WorkerError(
            Reason.DATA_CORRUPT,
            f"{folder.path / CONFIG} has no model_cfg",
            subject=str(folder.path / CONFIG),
            remedy="Take the file that open_clip's push_to_hf_hub or save_for_hf writes.",
        )
    return OpenClipSource(
        "", config, preprocess, _weights_in(folder), folder, hub_commit(folder), folder.origin
    )


def _file(model: str, checkpoint: Path) -> OpenClipSource:
    config = _architecture(model)
    weights = checkpoint
    if checkpoint.is_dir():
        weights = _weights_in(ModelFolder(checkpoint, str(checkpoint)))
    elif not checkpoint.is_file():
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            f"there is no file or folder {checkpoint}",
            subject=str(checkpoint),
            remedy=f"Give a file of weights, or a folder with {CONFIG} and weights.",
        )
    return OpenClipSource(_clean(model), config, {}, weights, None, None, str(weights))


def _tag(model: str, pretrained: str, revision: str) -> OpenClipSource:
    library = open_clip_library()
    config = _architecture(model)
    architecture = _clean(model)
    tags = library.list_pretrained_tags_by_model(architecture)
    if not pretrained:
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            f"{model} is an architecture: without weights its embeddings would be random",
            subject="encoder.options.pretrained",
            remedy=f"Give pretrained: one of {', '.join(tags) or '(it has none)'}; or a checkpoint.",
        )
    tag: dict[str, Any] = library.get_pretrained_cfg(architecture, pretrained)
    if not tag:
        raise unknown_name(f"pretrained tag of {architecture}", pretrained, tags)
    config["quick_gelu"] = bool(tag.get("quick_gelu") or config.get("quick_gelu"))
    origin = f"{architecture}/{pretrained}"
    if not tag.get("hf_hub"):
        return OpenClipSource(architecture, config, tag, _download(library, tag, origin), None, None, origin)
    repository, name = os.path.split(str(tag["hf_hub"]))
    names = (f"{os.path.splitext(name)[0]}.safetensors", name) if name else WEIGHTS
    folder = model_folder(PROVIDER, repository, None, revision, names)
    weights = _weights_in(ModelFolder(folder.path, origin), names)
    return OpenClipSource(architecture, config, tag, weights, None, hub_commit(folder), origin)


def _activated(found: OpenClipSource, pretrained: str, activation: str) -> OpenClipSource:
    if activation != "configured":
        found.config["quick_gelu"] = activation == "quick_gelu"
        return found
    named = re.search(r"\bopenai\b", found.origin.replace("_", " "), re.IGNORECASE) is not None
    if named and not pretrained and not found.quick_gelu:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"{found.origin} is OpenAI's by its name, and {found.architecture or CONFIG} has GELU: OpenAI's "
            "weights were trained with QuickGELU, and anything else changes every embedding a little",
            subject="encoder.options.activation",
            remedy=f"Give model: {found.architecture or 'ViT-B-32'}-quickgelu or activation: quick_gelu; "
            "or activation: gelu if these weights were trained with it.",
        )
    return found


def _architecture(model: str) -> dict[str, Any]:
    library = open_clip_library()
    name = _clean(model)
    if not name:
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            "the provider open-clip was given no model",
            subject="encoder.model",
            remedy="Give model: an architecture such as ViT-B-32, or hf-hub:owner/name; or as checkpoint a "
            f"folder with {CONFIG}.",
        )
    if name not in library.list_models():
        raise unknown_name("architecture of open_clip", model, library.list_models())
    config: dict[str, Any] = deepcopy(library.get_model_config(name))
    return config


def _weights_in(folder: ModelFolder, names: tuple[str, ...] = WEIGHTS) -> Path:
    for name in names:
        if (folder.path / name).is_file():
            return folder.path / name
    raise WorkerError(
        Reason.CHECKPOINT_MISSING,
        f"{folder.origin} has no weights: none of {', '.join(names)}",
        subject=folder.origin,
        remedy="Give the file itself as checkpoint, and model: its architecture.",
    )


def _download(library: Any, tag: Mapping[str, Any], origin: str) -> Path:
    try:
        return Path(library.download_pretrained_from_url(tag["url"]))
    except Exception as error:
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            f"the weights {origin} cannot be fetched from {tag['url']} ({error})",
            subject=origin,
            remedy="Check the network, or download it elsewhere and give it as checkpoint.",
        ) from error


def _clean(model: str) -> str:
    # As open_clip: OpenAI's ViT-B/32 is its ViT-B-32.
    return model.replace("/", "-")


def _contradiction(what: str) -> WorkerError:
    return WorkerError(
        Reason.CONFIG_INVALID,
        f"the provider open-clip: {what}",
        subject="encoder",
        remedy="Give model and pretrained; or model: hf-hub:owner/name; or checkpoint, with model where it "
        f"has no {CONFIG}.",
    )


def config_text(config: Mapping[str, Any]) -> str:
    """A configuration as text that is the same whenever the configuration is."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), default=str)
