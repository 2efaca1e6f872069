"""What transformers reads of a model's folder: configuration, weights and tokenizer, read strictly.

transformers fills weights that a file lacks with random numbers and goes on with a warning. Here
every weight of the network comes from the file, or loading fails and names the ones that do not.
Nothing here runs code that comes with a model: `trust_remote_code` is false throughout, and pickled
weights are read with `weights_only`.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cmcr_worker.encoders.model_files import ModelFolder, model_folder
from cmcr_worker.encoders.torchvision_import import import_torchvision
from cmcr_worker.errors import Reason, WorkerError

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Names of a model's weights, the preferred first; a sharded one has `NAME.index.json` beside its shards."""

TOKENIZER_PATTERNS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
)
HUB_PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model", "*_Dense/pytorch_model.bin")
PICKLED_PATTERNS = ("pytorch_model*.bin", "*/pytorch_model*.bin")
"""What is fetched of a hub repository; the pickled weights only where it has no others."""

_NAMED_AT_MOST = 6
_lock = threading.Lock()


def transformers_library() -> Any:
    """transformers, imported on first use: it takes seconds, and imports torchvision where there is one."""
    import_torchvision()
    import transformers

    return transformers


def hub_commit(folder: ModelFolder) -> str | None:
    """The commit of a hub snapshot, which is what its folder is called; None for a folder of the user's."""
    return folder.path.name if folder.path.parent.name == "snapshots" else None


def huggingface_folder(provider: str, model: str, checkpoint: Path | None, revision: str) -> ModelFolder:
    """The local folder `checkpoint`, or a snapshot of the hub repository `model` at `revision`.

    Raises:
        WorkerError: CHECKPOINT_MISSING where neither is to be had.
    """
    folder = model_folder(provider, model, checkpoint, revision, HUB_PATTERNS)
    if checkpoint is None and not any(folder.path.glob("model*.safetensors")):
        return model_folder(provider, model, None, revision, (*HUB_PATTERNS, *PICKLED_PATTERNS))
    return folder


def weights_files(folder: ModelFolder) -> tuple[Path, ...]:
    """The files that hold the weights, the index of a sharded model first.

    Raises:
        WorkerError: CHECKPOINT_MISSING where there are none or a shard is not there, DATA_CORRUPT for an
            index that cannot be read.
    """
    for name in WEIGHTS:
        if (folder.path / name).is_file():
            return (folder.path / name,)
        index = f"{name}.index.json"
        if not (folder.path / index).is_file():
            continue
        table = folder.json(index).get("weight_map")
        if not isinstance(table, dict) or not table:
            raise WorkerError(
                Reason.DATA_CORRUPT,
                f"{folder.path / index} names no shards",
                subject=str(folder.path / index),
            )
        shards = sorted({str(shard) for shard in table.values()})
        for shard in shards:
            if Path(shard).name != shard:
                raise WorkerError(
                    Reason.DATA_CORRUPT,
                    f"{folder.path / index} names a shard outside its folder: {shard}",
                    subject=str(folder.path / index),
                )
        return (folder.path / index, *(folder.file(shard) for shard in shards))
    raise WorkerError(
        Reason.CHECKPOINT_MISSING,
        f"{folder.origin} has no weights: neither {' nor '.join(WEIGHTS)}, nor an index of shards",
        subject=folder.origin,
        remedy="Give the folder that save_pretrained writes: configuration, weights and tokenizer.",
    )


def load_config(folder: ModelFolder) -> Any:
    """The model's configuration with the defaults of its class.

    Raises:
        WorkerError: CHECKPOINT_MISSING without a config.json, DATA_CORRUPT for one that is no model's,
            CONFIG_INVALID for a model that brings its own code.
    """
    content = folder.json("config.json")
    try:
        return transformers_library().AutoConfig.from_pretrained(
            str(folder.path), local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        if "auto_map" in content:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"{folder.origin} brings code of its own, which is not run",
                subject=folder.origin,
                remedy="Use a model that transformers knows, or wrap this one by the provider python.",
            ) from error
        raise WorkerError(
            Reason.DATA_CORRUPT,
            f"{folder.path / 'config.json'} is not a model's configuration ({_first_line(error)})",
            subject=str(folder.path / "config.json"),
        ) from error


def load_tokenizer(folder: ModelFolder) -> Any:
    """The model's tokenizer.

    Raises:
        WorkerError: CHECKPOINT_MISSING where the folder has none, DATA_CORRUPT where it cannot be read.
    """
    if not any(path for name in TOKENIZER_PATTERNS for path in folder.path.glob(name)):
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            f"{folder.origin} has no tokenizer: none of {', '.join(TOKENIZER_PATTERNS)}",
            subject=folder.origin,
            remedy="Save the tokenizer into the same folder: tokenizer.save_pretrained(folder).",
        )
    try:
        return transformers_library().AutoTokenizer.from_pretrained(
            str(folder.path), local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise WorkerError(
            Reason.DATA_CORRUPT,
            f"the tokenizer of {folder.origin} cannot be read ({_first_line(error)})",
            subject=folder.origin,
            remedy="Save it anew: tokenizer.save_pretrained(folder).",
        ) from error


def load_model(
    model_class: Any,
    folder: ModelFolder,
    config: Any,
    dtype: torch.dtype,
    *,
    unused: Iterable[str] = (),
    heads: Iterable[str] = (),
) -> nn.Module:
    """The network with its weights, in `dtype` on the CPU.

    `unused` begin the names of weights that the network has and nobody reads: they may be missing.
    `heads` begin the names of weights that the file may have beyond the network's.

    Raises:
        WorkerError: CHECKPOINT_MISSING, DATA_CORRUPT for files that cannot be read, SHAPE_MISMATCH for
            weights that are missing, too many or of another shape; it names them.
    """
    files = weights_files(folder)
    _be_quiet()
    try:
        # Building a model sets torch's default element type for a while, which is one for all threads, and
        # draws random numbers for weights that are missing.
        with _lock, torch.random.fork_rng(devices=[]):
            model, found = model_class.from_pretrained(
                str(folder.path),
                config=config,
                dtype=dtype,
                use_safetensors=".safetensors" in files[0].name,
                weights_only=True,
                local_files_only=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except torch.OutOfMemoryError:
        raise
    except pickle.UnpicklingError as error:
        raise _unreadable(files, "holds more than tensors, and what it holds is not run") from error
    except Exception as error:
        raise _unreadable(files, f"cannot be read ({_first_line(error)})") from error
    shapes = [f"{name} {tuple(a)} for {tuple(b)}" for name, a, b in found["mismatched_keys"]]
    missing = [name for name in found["missing_keys"] if not name.startswith(tuple(unused))]
    surplus = [name for name in found["unexpected_keys"] if not name.startswith(tuple(heads))]
    check_weights(folder.origin, missing, surplus, shapes)
    network: nn.Module = model
    return network


def check_weights(
    origin: str,
    missing: Iterable[str],
    surplus: Iterable[str],
    shapes: Iterable[str],
    *,
    wanted: str = "its configuration",
    remedy: str = "Take configuration and weights from one and the same model.",
) -> None:
    """Raises SHAPE_MISMATCH, with their names, where weights are missing, too many or of another shape.

    `wanted` is what tells which weights there must be.
    """
    complaints = [
        f"{what}: {', '.join(sorted(names)[:_NAMED_AT_MOST])}"
        + (f" and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else "")
        for what, names in (
            ("missing", list(missing)),
            ("not the network's", list(surplus)),
            ("of another shape", list(shapes)),
        )
        if names
    ]
    if complaints:
        raise WorkerError(
            Reason.SHAPE_MISMATCH,
            f"the weights of {origin} are not those of {wanted}; {'; '.join(complaints)}",
            subject=origin,
            remedy=remedy,
        )


def _unreadable(files: tuple[Path, ...], what: str) -> WorkerError:
    names = ", ".join(str(path) for path in files)
    return WorkerError(
        Reason.DATA_CORRUPT,
        f"the weights file {names} {what}",
        subject=str(files[0]),
        remedy="Fetch or save it anew, best as safetensors.",
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _be_quiet() -> None:
    """No bars and no reports on the worker's stderr: what matters of them is raised."""
    import transformers.utils.logging

    reports: Any = transformers.utils.logging
    reports.disable_progress_bar()
    reports.set_verbosity_error()
