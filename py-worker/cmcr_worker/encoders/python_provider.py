"""The provider of users' own encoders: a class or function in a Python file of theirs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.described import DescribedEncoder
from cmcr_worker.encoders.frozen import forward_pass, unit_rows
from cmcr_worker.encoders.model_files import files_sha256
from cmcr_worker.encoders.options import COMPUTE_DTYPES, Options
from cmcr_worker.encoders.protocol import EncoderDescription, Preparation, as_it_is
from cmcr_worker.encoders.python_file import load_module, source_sha256, target_of, users_code
from cmcr_worker.encoders.python_preparation import PythonPreparation, static_preparation
from cmcr_worker.errors import Reason, WorkerError

REVISION = "1"
"""Of this code; changes whenever it changes what becomes of a user's embeddings."""

KNOWN_MODALITIES = ("text", "image", "audio", "pointcloud", "video")
_DECLARED = ("dimension", "modalities")


class PythonProvider:
    """Runs a user's file: `checkpoint` is the file, `model` the class or function in it."""

    def describe(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object]
    ) -> EncoderDescription:
        """What the class declares; where it leaves dimension or modalities open, it is built, on the CPU.

        Raises:
            WorkerError: CHECKPOINT_MISSING for the file, UNKNOWN_NAME for the class, CONFIG_INVALID for
                what the file's code raises or declares wrongly, and for options that it does not take.
        """
        return _describe(_find(model, checkpoint, options), None)

    def load(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object], device: torch.device
    ) -> PythonEncoder:
        """The encoder, built for that device. Raises as `describe` does."""
        found = _find(model, checkpoint, options)
        description = _describe(found, None) if found.declares else None
        instance = found.build(device)
        built = _describe(found, instance)
        if description is not None and built != description:
            raise found.wrong(
                "an instance has other values of dimension, modalities, version or files than its class: "
                "set them in one place"
            )
        return PythonEncoder(found, instance, built, device)


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    sha256: str
    name: str
    target: Any
    module: ModuleType
    options: dict[str, object]
    dtype: str

    @property
    def declares(self) -> bool:
        """Whether the class says by itself what it embeds, so that it need not be built to be described."""
        return inspect.isclass(self.target) and all(hasattr(self.target, name) for name in _DECLARED)

    def build(self, device: torch.device) -> Any:
        """An instance; `device` and `dtype` are given to those that ask for them."""
        with users_code(self.path, f"the signature of {self.name}"):
            taken = inspect.signature(self.target).parameters
        given = dict(self.options)
        offered = {"device": str(device), "dtype": self.dtype}
        given.update({key: value for key, value in offered.items() if key in taken})
        if "dtype" not in given and self.dtype != "float32":
            raise self.wrong(f"it is to compute in {self.dtype} and has no parameter dtype")
        try:
            inspect.signature(self.target).bind(**given)
        except TypeError as error:
            names = ", ".join(name for name in taken if name not in offered)
            raise self.wrong(
                f"its options are not those that it takes: {error}; it takes {names or 'none'}"
            ) from None
        with users_code(self.path, f"building {self.name}"):
            instance = self.target(**given)
        for part in vars(instance).values() if hasattr(instance, "__dict__") else ():
            if isinstance(part, nn.Module):
                part.requires_grad_(False).eval()
        return instance

    def wrong(self, what: str) -> WorkerError:
        """The error for a class that is not as the protocol wants it."""
        return WorkerError(
            Reason.CONFIG_INVALID,
            f"{self.path.name}: {self.name}: {what}",
            subject=str(self.path),
            remedy=f"Mend {self.path}; docs/own-encoder.md says what an encoder has.",
        )


class PythonEncoder(DescribedEncoder):
    """A user's encoder behind the worker's protocol: its rows are checked and normalised."""

    def __init__(
        self, found: _Found, instance: Any, description: EncoderDescription, device: torch.device
    ) -> None:
        super().__init__(description, found.name, dict.fromkeys(description.modalities, as_it_is))
        self._found = found
        self._instance = instance
        self._device = device
        with users_code(found.path, f"{found.name}.prepare"):
            self._prepared_apart = static_preparation(type(instance))
        if not callable(getattr(instance, "encode", None)):
            raise found.wrong("it has no method encode(modality, items)")

    def preparation(self, modality: str) -> Preparation:
        """The class's own `prepare`, or none. Raises UNKNOWN_NAME for a modality that it does not have."""
        plain = super().preparation(modality)
        if not self._prepared_apart:
            return plain
        kind = type(self._instance)
        if getattr(self._found.module, kind.__name__, None) is not kind:
            raise self._found.wrong(
                f"prepare belongs to {kind.__name__}, which is not at the top of the file"
            )
        return PythonPreparation(self._found.path, self._found.sha256, kind.__name__, modality)

    def embed(self, modality: str, inputs: Sequence[Prepared]) -> Tensor:
        """Embeddings, (n, dimension) float32 on the CPU, rows L2-normalised.

        Raises:
            WorkerError: as the protocol says; CONFIG_INVALID for what the user's code raises,
                SHAPE_MISMATCH for a result of another shape, NON_FINITE for a row without a direction.
        """
        self.preparation(modality)
        if not inputs:
            return torch.empty(0, self.dimension)
        what = f"{self._found.name}.encode"
        with users_code(self._found.path, what), forward_pass(self._device):
            rows = _as_tensor(self._instance.encode(modality, list(inputs)))
        expected = (len(inputs), self.dimension)
        if tuple(rows.shape) != expected:
            raise WorkerError(
                Reason.SHAPE_MISMATCH,
                f"{self._found.path.name}: {what} gave an array of {tuple(rows.shape)} for {len(inputs)} "
                f"items; expected {expected}",
                subject=str(self._found.path),
                remedy=f"Mend {self._found.path}.",
            )
        lengths = rows.norm(dim=1)
        bad = (~torch.isfinite(lengths) | (lengths == 0)).nonzero()
        if len(bad):
            row = int(bad[0])
            fault = "is all zeros: it has no direction" if lengths[row] == 0 else "is not finite"
            raise WorkerError(
                Reason.NON_FINITE,
                f"{self._found.path.name}: {what}: row {row} {fault}",
                subject=str(self._found.path),
                remedy=f"Mend {self._found.path}, or refuse such items in prepare by raising ValueError.",
            )
        return unit_rows(rows)


def _find(model: str, checkpoint: Path | None, options: Mapping[str, object]) -> _Found:
    given = dict(options)
    dtype = Options("python", {"dtype": given.pop("dtype", None)}).choice(
        "dtype", "float32", tuple(COMPUTE_DTYPES)
    )
    if checkpoint is None or not model:
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            "the provider python needs a file and the name of a class or function in it",
            subject="encoder.checkpoint",
            remedy="Give checkpoint: a .py file, and model: a name in it.",
        )
    # Tracebacks name a file as it was loaded; resolved, it is one and the same everywhere.
    path = checkpoint.resolve()
    sha256 = source_sha256(path)
    module = load_module(path, sha256)
    return _Found(path, sha256, model, target_of(module, path, model), module, given, dtype)


def _describe(found: _Found, instance: Any) -> EncoderDescription:
    if instance is None and not found.declares:
        instance = found.build(torch.device("cpu"))
    source = found.target if instance is None else instance
    dimension = getattr(source, "dimension", None)
    if not isinstance(dimension, int) or isinstance(dimension, bool) or dimension < 1:
        raise found.wrong(f"dimension is {dimension!r}, not a whole number above 0")
    modalities = getattr(source, "modalities", ())
    modalities = (modalities,) if isinstance(modalities, str) else tuple(modalities)
    if not modalities or any(name not in KNOWN_MODALITIES for name in modalities):
        raise found.wrong(f"modalities are {modalities!r}, not some of {', '.join(KNOWN_MODALITIES)}")
    settings = {"options": dict(sorted(found.options.items())), "class": found.name}
    return EncoderDescription(
        dimension=dimension,
        modalities=frozenset(modalities),
        weights_sha256=files_sha256([found.path, *_declared_files(found, source)]),
        revision=f"{REVISION}+{getattr(source, 'version', '')}",
        compute_dtype=found.dtype,
        preprocessing={name: settings for name in sorted(set(modalities))},
    )


def _declared_files(found: _Found, source: Any) -> list[Path]:
    declared = getattr(source, "files", ())
    with users_code(found.path, f"{found.name}.files"):
        names = declared(**found.options) if callable(declared) else declared
        paths = [found.path.parent / str(name) for name in ([names] if isinstance(names, str) else names)]
    for path in paths:
        if not path.is_file():
            raise WorkerError(
                Reason.CHECKPOINT_MISSING,
                f"{found.path.name}: {found.name} declares a file that is not there: {path}",
                subject=str(path),
            )
    return paths


def _as_tensor(rows: Any) -> Tensor:
    if isinstance(rows, Tensor):
        return rows.detach().float().cpu()
    return torch.from_numpy(np.array(rows, dtype=np.float32))
