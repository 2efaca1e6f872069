"""Weights files of built-in models: safetensors in float16, with the vocabulary in the metadata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load, save

from cmcr_worker.encoders.builtin.vocabulary import Vocabulary
from cmcr_worker.errors import Reason, WorkerError

FORMAT = "cmcr-builtin-encoder-1"
SHIPPED = Path(__file__).resolve().parents[2] / "weights"
"""Where the weights that come with the package lie."""

MAX_BYTES = 64 << 20
"""Largest weights file that is read; a built-in model has less than one megabyte."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A weights file in memory: float32 tensors by parameter name, and what the text tower knows."""

    model: str
    tensors: dict[str, torch.Tensor]
    vocabulary: Vocabulary
    sha256: str


def file_name(model: str) -> str:
    """The name of a model's weights file, as it is shipped and as training writes it."""
    return f"{model}.safetensors"


def read_weights(path: Path) -> Weights:
    """Reads a weights file whole.

    Raises:
        WorkerError: CHECKPOINT_MISSING where there is none; DATA_CORRUPT where it is no safetensors
            file, or not one of a built-in model.
    """
    if not path.is_file():
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            f"there is no weights file {path}",
            subject=str(path),
            remedy="Check the path, or leave the checkpoint out to use the weights that come with cmcr.",
        )
    if path.stat().st_size > MAX_BYTES:
        raise _not_ours(path, f"is larger than {MAX_BYTES >> 20} MiB")
    content = path.read_bytes()
    try:
        metadata = _metadata(content)
        tensors = load(content)
    except (safetensors.SafetensorError, ValueError) as error:
        raise _not_ours(path, f"cannot be read as safetensors ({error})") from error
    if metadata.get("format") != FORMAT or "model" not in metadata:
        raise _not_ours(path, "was not written for a built-in model")
    try:
        words = json.loads(metadata.get("vocabulary", ""))
    except json.JSONDecodeError as error:
        raise _not_ours(path, "has a vocabulary that cannot be read") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise _not_ours(path, "has a vocabulary that is no list of words")
    return Weights(
        model=metadata["model"],
        tensors={
            name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
        },
        vocabulary=Vocabulary(words),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def write_weights(
    path: Path,
    model: str,
    tensors: Mapping[str, torch.Tensor],
    vocabulary: Vocabulary,
    notes: Mapping[str, str],
) -> str:
    """Writes a weights file in float16 and returns its SHA-256; `notes` go to the metadata."""
    halves = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in tensors.items()
    }
    metadata = {
        **notes,
        "format": FORMAT,
        "model": model,
        "vocabulary": json.dumps(vocabulary.words, separators=(",", ":")),
    }
    content = _in_stable_order(save(halves, metadata=metadata))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
    return hashlib.sha256(content).hexdigest()


def _header(content: bytes) -> tuple[dict[str, object], int]:
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("the header is no JSON object")
    return header, 8 + length


def _metadata(content: bytes) -> dict[str, str]:
    metadata = _header(content)[0].get("__metadata__", {})
    if not isinstance(metadata, dict):
        raise ValueError("the metadata is no JSON object")
    return {str(key): str(value) for key, value in metadata.items()}


def _in_stable_order(content: bytes) -> bytes:
    """The same file with its header sorted: the library writes the metadata in random order."""
    header, start = _header(content)
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    # The format aligns the data to 8 bytes by spaces after the header.
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[start:]


def _not_ours(path: Path, what: str) -> WorkerError:
    return WorkerError(
        Reason.DATA_CORRUPT,
        f"weights file {path} {what}",
        subject=str(path),
        remedy="Use a file that cmcr_worker.encoders.builtin.train wrote.",
    )
