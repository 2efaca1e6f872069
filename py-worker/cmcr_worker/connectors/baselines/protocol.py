"""What a connector is, and what a closed-form one may be fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.tensors.matrix import require_matrix

_CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True, slots=True)
class FitData:
    """All that a method may use: no pairs but the overlap's.

    The source is the space that is mapped, the target the one that it is mapped into. Matrices are
    (rows, dimensions of their space), L2-normalised, and may be mapped files.
    """

    source_space: str
    target_space: str
    source_overlap: Tensor
    target_overlap: Tensor
    # The pseudo pairs: row i of one belongs to row i of the other.
    source_pseudo: Tensor | None = None
    target_pseudo: Tensor | None = None
    source_memory: Tensor | None = None
    target_memory: Tensor | None = None
    # Of the softmax.
    temperature: float | None = None
    # Ridge as a fraction of the mean diagonal.
    regularization: float | None = None
    # Dimensions kept; 0: all.
    dimensions: int = 0
    # Where the work is done.
    device: torch.device = field(default=_CPU)


class Connector(Protocol):
    """Embeds rows of its spaces into one joint space."""

    @property
    def output_dim(self) -> int:
        """Dimension k of the joint space."""

    def embed(self, space: str, x: Tensor) -> Tensor:
        """Rows of `space`, (n, d), as (n, k), L2-normalised, on the device of `x`."""


Fitter = Callable[[FitData], Connector]


def check_fit_data(data: FitData) -> None:
    """Raises SHAPE_MISMATCH or DTYPE_MISMATCH for matrices that do not belong together, and
    CONFIG_INVALID for two spaces of one name."""
    if data.source_space == data.target_space:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"source and target are both {data.source_space!r}; a connector joins two spaces",
            subject="target_space",
        )
    pairs = (
        ("overlap", data.source_overlap, data.target_overlap),
        ("pseudo", data.source_pseudo, data.target_pseudo),
    )
    widths = data.source_overlap.shape[-1], data.target_overlap.shape[-1]
    for name, source, target in pairs:
        for side, matrix, width in (("source", source, widths[0]), ("target", target, widths[1])):
            if matrix is not None:
                require_matrix(matrix, f"{side}_{name}", columns=width)
        if source is not None and target is not None and source.shape[0] != target.shape[0]:
            raise WorkerError(
                Reason.SHAPE_MISMATCH,
                f"source_{name} has {source.shape[0]} rows, target_{name} {target.shape[0]}; "
                "they hold the same items",
                subject=f"target_{name}",
            )
    for side, matrix, width in (
        ("source", data.source_memory, widths[0]),
        ("target", data.target_memory, widths[1]),
    ):
        if matrix is not None:
            require_matrix(matrix, f"{side}_memory", columns=width)


def need_number(data: FitData, name: str, method: str) -> float:
    """The field's value. Raises CONFIG_INVALID when it is missing or below 0."""
    value: float | None = getattr(data, name)
    if value is None or not 0 <= value < float("inf"):
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"{method} needs {name}, a number that is not negative; got {value}",
            subject=name,
            remedy=f"Give {name} for {method}.",
        )
    return value


def need_matrix(data: FitData, name: str, method: str) -> Tensor:
    """The field's matrix. Raises CONFIG_INVALID when it is missing."""
    value: Tensor | None = getattr(data, name)
    if value is None:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"{method} needs {name}, and the request names none",
            subject=name,
            remedy=f"Give {name} for {method}.",
        )
    return value
