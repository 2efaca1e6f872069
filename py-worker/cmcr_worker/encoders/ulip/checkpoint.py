"""What an ULIP checkpoint holds, and whether it is all that the network needs and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from cmcr_worker.encoders.restricted_checkpoint import Checkpoint
from cmcr_worker.encoders.ulip.network import UlipNetwork
from cmcr_worker.encoders.ulip.sizes import MODELS, PointBertSizes, UlipSizes
from cmcr_worker.errors import Reason, WorkerError, unknown_name

OPEN_CLIP_PREFIX = "open_clip_model."
"""Before the names of a ViT-bigG-14 that a checkpoint of ULIP-2 may carry along."""

_BLOCKS = "point_encoder.blocks.blocks."
_NAMED_AT_MOST = 4


@dataclass(frozen=True, slots=True)
class Contents:
    """The sizes of the network that a checkpoint is for, and whether open_clip's towers come with it."""

    sizes: UlipSizes
    open_clip: bool


def contents(checkpoint: Checkpoint, model: str, sizes: UlipSizes) -> Contents:
    """What a checkpoint (or its layout) holds: depth, channels and dimension are read from its shapes.

    `model` is one of `MODELS`, against which they are checked, or empty; all other sizes are those of
    `sizes`.

    Raises:
        WorkerError: UNKNOWN_NAME for the model, SHAPE_MISMATCH, naming the parameters, where one is
            missing, unknown or of another shape.
    """
    if model and model not in MODELS:
        raise unknown_name("model of the provider ulip", model, MODELS)
    found = {name: tuple(tensor.shape) for name, tensor in checkpoint.state.items()}
    points = _point_sizes(checkpoint, found, sizes.points)
    if model:
        _check_model(checkpoint.path, model, points)
    own = {name: shape for name, shape in found.items() if not name.startswith(OPEN_CLIP_PREFIX)}
    actual = UlipSizes(
        points,
        sizes.text if _has(own, "transformer.", "token_embedding.", "text_projection") else None,
        sizes.image if _has(own, "visual.", "image_projection") else None,
    )
    check_shapes(checkpoint.path, own, _expected(actual))
    return Contents(actual, open_clip=len(own) < len(found))


def check_shapes(
    path: Path, found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> None:
    """Raises SHAPE_MISMATCH, naming parameters, unless both have the same names and shapes."""
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    others = [
        f"{name} (shape {found[name]}, {expected[name]} is needed)"
        for name in expected
        if name in found and found[name] != expected[name]
    ]
    parts = [
        f"{what}: {_listed(names)}"
        for what, names in (
            ("missing", missing),
            ("not part of the model", unknown),
            ("of another shape", others),
        )
        if names
    ]
    if parts:
        raise WorkerError(
            Reason.SHAPE_MISMATCH,
            f"checkpoint {path} does not fit the model; {'; '.join(parts)}",
            subject=str(path),
            remedy="Name a checkpoint of ULIP's or ULIP-2's PointBERT, whole, as its authors saved it.",
        )


def load_network(state: Mapping[str, Tensor], sizes: UlipSizes) -> UlipNetwork:
    """The network with these weights; `contents` has checked that they fit. Draws no random number."""
    with torch.device("meta"):
        network = UlipNetwork(sizes)
    own = {name: tensor for name, tensor in state.items() if not name.startswith(OPEN_CLIP_PREFIX)}
    network.load_state_dict(own, strict=True, assign=True)
    return network


def _point_sizes(
    checkpoint: Checkpoint, found: Mapping[str, tuple[int, ...]], sizes: PointBertSizes
) -> PointBertSizes:
    # Counted, not read: a number that is out of line then counts as unknown.
    depth = len({name[len(_BLOCKS) :].split(".")[0] for name in found if name.startswith(_BLOCKS)})
    if depth == 0:
        trained = checkpoint.settings.get("model")
        hint = f"; it says that it is of {trained}" if isinstance(trained, str) else ""
        raise WorkerError(
            Reason.SHAPE_MISMATCH,
            f"checkpoint {checkpoint.path} has no {_BLOCKS}0, so it is of no PointBERT{hint}",
            subject=str(checkpoint.path),
            remedy=f"Name a checkpoint of {' or '.join(MODELS)}; other backbones are not supported.",
        )
    first = found.get("point_encoder.encoder.first_conv.0.weight", ())
    projection = found.get("pc_projection", ())
    return replace(
        sizes,
        depth=depth,
        channels=first[1] if len(first) == 3 and first[1] in (3, 6) else sizes.channels,
        dimension=projection[1] if len(projection) == 2 and projection[1] > 0 else sizes.dimension,
    )


def _check_model(path: Path, model: str, found: PointBertSizes) -> None:
    stated = MODELS[model]
    differences = [
        f"{name} {getattr(found, name)} for {getattr(stated, name)}"
        for name in ("depth", "channels", "dimension")
        if getattr(found, name) != getattr(stated, name)
    ]
    if differences:
        fitting = [name for name, sizes in MODELS.items() if _same_kind(sizes, found)]
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"checkpoint {path} is not of {model}: {', '.join(differences)}",
            subject="encoder.model",
            remedy=f"It is of {fitting[0]}." if fitting else "Leave the model out: its shapes tell it.",
        )


def _same_kind(one: PointBertSizes, other: PointBertSizes) -> bool:
    return (one.depth, one.channels, one.dimension) == (other.depth, other.channels, other.dimension)


def _has(found: Mapping[str, object], *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in found)


@lru_cache(maxsize=8)
def _expected(sizes: UlipSizes) -> Mapping[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in UlipNetwork(sizes).state_dict().items()}


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
