"""What a training run is told and what it tells: the messages of connector.proto as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cmcr_worker.connectors.heads import HeadSpec
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.tensors.matrix import Matrix

BATCH_NORM_MODES = ("together", "apart")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainSideSpec:
    """One of the two spaces; `space` is the prefix of its parameters."""

    space: str
    head: HeadSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainSpec:
    """What is fixed for a whole run (`TrainStart`)."""

    sides: tuple[TrainSideSpec, TrainSideSpec]
    # A name of heads.INITIALIZATIONS: "default", "eye" or "xavier".
    initialization: str
    # Draws the initial weights of both sides, each from a stream of its own.
    seed: int
    # "together": both halves of a space form one batch; "apart": each is a batch of its own.
    batch_norm: str
    # A name of optimizers.OPTIMIZERS: "adamw", "adam" or "sgd".
    optimizer: str
    beta1: float
    beta2: float
    epsilon: float
    # Of SGD.
    momentum: float
    # Largest norm of the whole gradient; 0: not clipped.
    max_gradient_norm: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SideTensors:
    """A space's data: overlap (n, d), and the pseudo items made for each row, or None."""

    overlap: Matrix
    pseudo: Matrix | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StepPlan:
    """All that one step depends on (`Step`). A weight of 0 leaves the term out."""

    number: int
    # Rows of the overlap in this batch, (B,), of any integer type.
    rows: npt.NDArray[Any]
    noise_seed: int
    learning_rate: float
    weight_decay: float
    # Per element of the completion noise; 0: none.
    noise_variance: float
    overlap_weight: float
    overlap_temperature: float
    pseudo_weight: float
    pseudo_temperature: float
    intra_weight: float

    @property
    def uses_overlap(self) -> bool:
        """Whether a term needs the projected overlap."""
        return self.overlap_weight > 0 or self.intra_weight > 0

    @property
    def uses_pseudo(self) -> bool:
        """Whether a term needs the projected pseudo items."""
        return self.pseudo_weight > 0 or self.intra_weight > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """What a step measured: terms before weighting, None where left out; gradient norms before clipping."""

    number: int
    loss: float
    overlap: float | None
    pseudo: float | None
    intra: float | None
    # L2 norm of the gradient of each side's head.
    gradient_norms: tuple[float, float]
    seconds: float


def check_plan(plan: StepPlan, overlap_rows: int, *, has_pseudo: bool) -> None:
    """Raises CONFIG_INVALID, naming step and field, for a step that cannot be taken."""

    def refuse(field: str, what: str) -> WorkerError:
        return WorkerError(
            Reason.CONFIG_INVALID, f"step {plan.number}: {what}", subject=f"step {plan.number}, {field}"
        )

    for field in ("learning_rate", "weight_decay", "noise_variance"):
        _check_not_negative(plan, field, refuse)
    for term in ("overlap", "pseudo", "intra"):
        _check_not_negative(plan, f"{term}_weight", refuse)
    for term in ("overlap", "pseudo"):
        temperature = getattr(plan, f"{term}_temperature")
        if getattr(plan, f"{term}_weight") > 0 and not temperature > 0:
            raise refuse(f"{term}_temperature", f"{term}_temperature is {temperature}; expected above 0")
    if not (plan.uses_overlap or plan.uses_pseudo):
        raise refuse("weights", "every loss term has weight 0; expected at least one above 0")
    if plan.uses_pseudo and not has_pseudo:
        raise refuse("pseudo_weight", "a loss term uses the pseudo pairs, but the start named none")
    if plan.rows.ndim != 1 or not np.issubdtype(plan.rows.dtype, np.integer) or plan.rows.size < 2:
        raise refuse("rows", f"a batch has {plan.rows.size} rows; expected at least 2 row numbers")
    low, high = int(plan.rows.min()), int(plan.rows.max())
    if low < 0 or high >= overlap_rows:
        wrong = low if low < 0 else high
        raise refuse("rows", f"row {wrong} is not in the overlap, which has {overlap_rows} rows")


def _check_not_negative(plan: StepPlan, field: str, refuse: Any) -> None:
    value = getattr(plan, field)
    if not 0 <= value < float("inf"):
        raise refuse(field, f"{field} is {value}; expected a finite number that is not negative")
