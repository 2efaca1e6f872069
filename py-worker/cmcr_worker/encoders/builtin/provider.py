"""The provider of built-in encoders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from cmcr_worker.encoders.builtin.encoder import COMPUTE_DTYPE, BuiltinEncoder
from cmcr_worker.encoders.builtin.models import MODELS, ModelDefinition, build_towers
from cmcr_worker.encoders.builtin.weights import SHIPPED, Weights, file_name, read_weights
from cmcr_worker.encoders.protocol import EncoderDescription
from cmcr_worker.errors import Reason, WorkerError, unknown_name


class BuiltinProvider:
    """Encoders of the built-in worlds, with the weights that come with the package or others like them."""

    def describe(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object]
    ) -> EncoderDescription:
        """What `load` would give; reads the weights file, under a megabyte, but builds nothing.

        Raises:
            WorkerError: UNKNOWN_NAME for the model, CHECKPOINT_MISSING, DATA_CORRUPT or SHAPE_MISMATCH
                for the checkpoint, CONFIG_INVALID for the options.
        """
        definition, weights = _resolve(model, checkpoint, options)
        return EncoderDescription(
            dimension=definition.dimension,
            modalities=frozenset(definition.towers),
            weights_sha256=weights.sha256,
            revision=definition.revision,
            compute_dtype=COMPUTE_DTYPE,
        )

    def load(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object], device: torch.device
    ) -> BuiltinEncoder:
        """The encoder, ready on that device. Raises as `describe` does."""
        definition, weights = _resolve(model, checkpoint, options)
        return BuiltinEncoder(model, definition, weights, device)


def _resolve(
    model: str, checkpoint: Path | None, options: Mapping[str, object]
) -> tuple[ModelDefinition, Weights]:
    definition = MODELS.get(model)
    if definition is None:
        raise unknown_name("model of the provider builtin", model, MODELS)
    if options:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"the provider builtin has no option {sorted(options)[0]!r}",
            subject="encoder.options",
            remedy="It takes none; leave the options out.",
        )
    path = checkpoint if checkpoint is not None else SHIPPED / file_name(model)
    weights = read_weights(path)
    if weights.model != model:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"weights file {path} is of the model {weights.model!r}, not of {model!r}",
            subject=str(path),
            remedy=f"Name the checkpoint of {model}, or set the model to {weights.model}.",
        )
    _check_shapes(path, definition, weights)
    return definition, weights


def _check_shapes(path: Path, definition: ModelDefinition, weights: Weights) -> None:
    with torch.device("meta"):
        expected = build_towers(definition, weights.vocabulary).state_dict()
    for name in sorted(expected.keys() | weights.tensors.keys()):
        needed = tuple(expected[name].shape) if name in expected else None
        found = tuple(weights.tensors[name].shape) if name in weights.tensors else None
        if needed != found:
            raise WorkerError(
                Reason.SHAPE_MISMATCH,
                f"weights file {path}: {name} has shape {found or 'none'}, but {needed or 'none'} is needed",
                subject=str(path),
                remedy="The file is of another version of the model: train it again.",
            )
