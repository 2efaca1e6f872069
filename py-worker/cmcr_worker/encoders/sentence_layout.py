"""The folder of a sentence encoder: sentence-transformers' layout where it has one, else a bare model.

The layout is a list of modules, each with its configuration in a folder of its own. It names classes by
import paths; those are looked up in the tables here and never imported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import nn

from cmcr_worker.encoders.model_files import ModelFolder
from cmcr_worker.errors import Reason, WorkerError

POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
"""By sentence-transformers' names, in the order in which it concatenates several."""

_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {
        "Identity": nn.Identity,
        "Tanh": nn.Tanh,
        "ReLU": nn.ReLU,
        "GELU": nn.GELU,
        "SiLU": nn.SiLU,
        "Sigmoid": nn.Sigmoid,
    }
)
"""What may follow a dense layer, by the name of its class."""


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """A linear layer over the pooled embedding, and its activation."""

    folder: ModelFolder
    inputs: int
    outputs: int
    bias: bool
    activation: str


@dataclass(frozen=True, slots=True)
class SentenceLayout:
    """How a text becomes an embedding; what the folder leaves open is empty or None."""

    transformer: ModelFolder
    poolings: tuple[str, ...] = ()
    dense: tuple[DenseLayer, ...] = ()
    max_tokens: int | None = None
    lower_case: bool = False
    strip: bool = False
    prompt: str = ""
    files: tuple[Path, ...] = field(default=())


def sentence_layout(folder: ModelFolder) -> SentenceLayout:
    """Reads modules.json and what it names; without one, the folder is a model alone.

    Raises:
        WorkerError: CHECKPOINT_MISSING or DATA_CORRUPT for its files, CONFIG_INVALID for a module that is
            not supported.
    """
    if not (folder.path / "modules.json").is_file():
        return SentenceLayout(folder)
    transformer: ModelFolder | None = None
    poolings: tuple[str, ...] = ()
    dense: list[DenseLayer] = []
    normalised = False
    for kind, part in _modules(folder):
        match kind:
            case "Transformer" if transformer is None:
                transformer = part
            case "Pooling" if transformer is not None and not poolings:
                poolings = _poolings(part)
            case "Dense" if poolings and not normalised:
                dense.append(_dense(part))
            case "Normalize" if poolings:
                # Rows are normalised anyway: only a layer after this one would tell the difference.
                normalised = True
            case "Dropout":
                continue
            case _:
                raise _unsupported(folder, f"a module {kind} at this place")
    if transformer is None or not poolings:
        raise _unsupported(folder, "a list of modules without Transformer and Pooling")
    settings = _first_json(transformer, "sentence_*_config.json")
    prompts = _first_json(folder, "config_sentence_transformers.json")
    return SentenceLayout(
        transformer=transformer,
        poolings=poolings,
        dense=tuple(dense),
        max_tokens=_whole_or_none(settings.get("max_seq_length")),
        lower_case=settings.get("do_lower_case") is True,
        strip=True,
        prompt=_default_prompt(prompts),
        files=(folder.path / "modules.json", *sorted(folder.path.glob("*/config.json"))),
    )


def _modules(folder: ModelFolder) -> list[tuple[str, ModelFolder]]:
    path = folder.path / "modules.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = [(str(entry["type"]).rsplit(".", 1)[-1], str(entry["path"])) for entry in content]
    except (ValueError, OSError, TypeError, KeyError) as error:
        raise WorkerError(
            Reason.DATA_CORRUPT, f"{path} is no list of modules ({error})", subject=str(path)
        ) from error
    for _, part in found:
        if Path(part).is_absolute() or ".." in Path(part).parts:
            raise WorkerError(
                Reason.DATA_CORRUPT, f"{path} names a folder outside its own: {part}", subject=str(path)
            )
    return [(kind, ModelFolder(folder.path / part, folder.origin)) for kind, part in found]


def _poolings(part: ModelFolder) -> tuple[str, ...]:
    config = part.json("config.json")
    mode = config.get("pooling_mode")
    if mode is None:
        found = [name for flag, name in _FLAGS.items() if config.get(flag) is True]
    else:
        given = mode if isinstance(mode, list) else str(mode).split("+")
        if unknown := [str(name) for name in given if name not in POOLINGS]:
            raise _unsupported(part, f"the pooling {', '.join(unknown)}")
        found = [name for name in POOLINGS if name in given]
    if not found:
        raise _unsupported(part, f"a pooling that takes nothing: {config}")
    if config.get("include_prompt") is False:
        raise _unsupported(part, "pooling without the prompt")
    return tuple(found)


def _dense(part: ModelFolder) -> DenseLayer:
    config = part.json("config.json")
    inputs, outputs = config.get("in_features"), config.get("out_features")
    activation = str(config.get("activation_function", "")).rsplit(".", 1)[-1]
    if not isinstance(inputs, int) or not isinstance(outputs, int):
        raise WorkerError(
            Reason.DATA_CORRUPT,
            f"{part.path / 'config.json'} has no in_features and out_features",
            subject=str(part.path),
        )
    if activation not in ACTIVATIONS:
        raise _unsupported(part, f"the activation {activation} (known: {', '.join(ACTIVATIONS)})")
    names = (config.get("module_input_name"), config.get("module_output_name"))
    if any(name not in (None, "sentence_embedding") for name in names):
        raise _unsupported(part, "a dense layer over tokens")
    return DenseLayer(part, inputs, outputs, config.get("bias", True) is True, activation)


def _first_json(folder: ModelFolder, pattern: str) -> dict[str, Any]:
    names = sorted(path.name for path in folder.path.glob(pattern))
    return folder.json(names[0]) if names else {}


def _default_prompt(prompts: Mapping[str, Any]) -> str:
    table, name = prompts.get("prompts"), prompts.get("default_prompt_name")
    return str(table.get(name, "")) if isinstance(table, dict) and name is not None else ""


def _whole_or_none(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _unsupported(folder: ModelFolder, what: str) -> WorkerError:
    return WorkerError(
        Reason.CONFIG_INVALID,
        f"{folder.origin} has {what}, which is not supported",
        subject=folder.origin,
        remedy="Use a model of Transformer, Pooling, Dense and Normalize, or wrap it by the provider python.",
    )
