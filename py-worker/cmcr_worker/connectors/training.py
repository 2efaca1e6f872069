"""Training two projectors, step by step as the plan says; no schedule and no default of its own.

Side 1 has overlap t1 and pseudo items v, side 2 has t2 and w; B rows of each in a batch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cmcr_worker.connectors.batches import BatchMaker
from cmcr_worker.connectors.checkpoint import SideHead, to_bytes
from cmcr_worker.connectors.heads import initial_head
from cmcr_worker.connectors.losses import intra_loss, normalize, symmetric_info_nce
from cmcr_worker.connectors.optimizers import build_optimizer
from cmcr_worker.connectors.plan import (
    BATCH_NORM_MODES,
    SideTensors,
    StepPlan,
    StepReport,
    TrainSpec,
    check_plan,
)
from cmcr_worker.connectors.seeds import stream_seed
from cmcr_worker.errors import Reason, WorkerError, unknown_name
from cmcr_worker.tensors.matrix import require_matrix


@dataclass(slots=True)
class _Pending:
    """A step whose figures are still on the device."""

    number: int
    # Names of the terms that took part.
    terms: tuple[str, ...]
    # Total, each term in `terms`, each side's gradient norm.
    figures: Tensor
    seconds: float


class ProjectorTrainer:
    """Two heads and their optimizer.

    On the CPU the same spec, data and plans give the same bits. On CUDA `step` only launches work;
    `flush` waits for it.
    """

    def __init__(
        self,
        spec: TrainSpec,
        tensors: Sequence[SideTensors],
        device: torch.device | str,
    ) -> None:
        """`tensors` has the data of each side of `spec`, in order.

        Raises CONFIG_INVALID, SHAPE_MISMATCH, DTYPE_MISMATCH or UNKNOWN_NAME for a start that
        cannot be.
        """
        self._spec = spec
        self._device = torch.device(device)
        _check_start(spec, tensors)
        self._sides = [
            SideHead(
                space=side.space,
                spec=side.head,
                head=initial_head(side.head, spec.initialization, stream_seed(spec.seed, number)).to(
                    self._device
                ),
            )
            for number, side in enumerate(spec.sides)
        ]
        self._has_batch_norm = any(
            isinstance(module, nn.BatchNorm1d) for side in self._sides for module in side.head.modules()
        )
        self._overlap_rows = tensors[0].overlap.shape[0]
        self._has_pseudo = all(side.pseudo is not None for side in tensors)
        self._batches = BatchMaker(tensors, self._device)
        self._parameters = [list(side.head.parameters()) for side in self._sides]
        self._all_parameters = [parameter for group in self._parameters for parameter in group]
        self._optimizer = build_optimizer(self._all_parameters, spec)
        self._pending: list[_Pending] = []
        self._next_step: int = 0

    @property
    def parameters(self) -> int:
        """How many numbers are trained, both heads together."""
        return sum(p.numel() for p in self._all_parameters)

    def step(self, plan: StepPlan) -> None:
        """Takes one step. Its report comes with the next `flush`.

        Raises CONFIG_INVALID for a step that cannot be taken, or that is not the next one.
        """
        began = time.perf_counter()
        if plan.number != self._next_step:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"step {plan.number} came where step {self._next_step} was due",
                subject="step.number",
                remedy="Send every step once, counted from 0.",
            )
        check_plan(plan, self._overlap_rows, has_pseudo=self._has_pseudo)
        for parameter in self._all_parameters:
            parameter.grad = None
        terms, loss = self._loss(plan)
        loss.backward()
        gradients = [[p.grad for p in group if p.grad is not None] for group in self._parameters]
        norms = [nn.utils.get_total_norm(group) for group in gradients]
        if self._spec.max_gradient_norm > 0:
            # A norm that is not finite stays in the figures, so that flush tells of it.
            whole = torch.linalg.vector_norm(torch.stack(norms))
            nn.utils.clip_grads_with_norm_(self._all_parameters, self._spec.max_gradient_norm, whole)
        self._optimizer.step(plan.learning_rate, plan.weight_decay)
        self._next_step += 1
        figures = torch.stack([loss.detach(), *(term.detach() for term in terms.values()), *norms])
        self._pending.append(_Pending(plan.number, tuple(terms), figures, time.perf_counter() - began))

    def flush(self) -> list[StepReport]:
        """The reports of the steps since the last flush, in order, in one transfer.

        On CUDA the time that the host waited here is shared out among them. Raises NON_FINITE, with
        the first step concerned, when a loss, a gradient norm or a weight is not finite.
        """
        if not self._pending:
            return []
        pending, self._pending = self._pending, []
        began = time.perf_counter()
        finite = torch.stack([p.detach().isfinite().all() for p in self._all_parameters])
        # Steps may have different terms, so their figures travel end to end.
        figures = torch.cat([entry.figures for entry in pending] + [finite.float()]).tolist()
        waited = (time.perf_counter() - began) / len(pending)
        reports: list[StepReport] = []
        for entry in pending:
            count = 1 + len(entry.terms) + len(self._sides)
            values, figures = figures[:count], figures[count:]
            reports.append(self._report(entry, values, waited))
        self._check_weights(figures, pending[-1].number)
        return reports

    def state(self) -> bytes:
        """Both heads as the bytes of a projectors.safetensors; see `checkpoint.to_bytes`."""
        return to_bytes(self._sides, self._spec.batch_norm)

    def _loss(self, plan: StepPlan) -> tuple[dict[str, Tensor], Tensor]:
        projected = [
            self._project(side.head, x, plan)
            for side, x in zip(self._sides, self._batches.make(plan), strict=True)
        ]
        (t1, v), (t2, w) = projected
        terms: dict[str, Tensor] = {}
        if plan.overlap_weight > 0:
            terms["overlap"] = symmetric_info_nce(t1, t2, plan.overlap_temperature)
        if plan.pseudo_weight > 0:
            terms["pseudo"] = symmetric_info_nce(v, w, plan.pseudo_temperature)
        if plan.intra_weight > 0:
            terms["intra"] = intra_loss(t1, v, t2, w)
        weighted = [term * getattr(plan, f"{name}_weight") for name, term in terms.items()]
        return terms, torch.stack(weighted).sum()

    def _project(self, head: nn.Module, x: Tensor, plan: StepPlan) -> tuple[Tensor, Tensor]:
        """(overlap, pseudo) of one side in the joint space, each (B, k), rows normalised.

        A half that no term uses is not projected; the other stands in for it.
        """
        both = plan.uses_overlap and plan.uses_pseudo
        if both and self._spec.batch_norm == "apart":
            first, second = x.chunk(2)
            return normalize(head(first)), normalize(head(second))
        y = normalize(head(x))
        if not both:
            return y, y
        first, second = y.chunk(2)
        return first, second

    def _report(self, entry: _Pending, values: list[float], waited: float) -> StepReport:
        loss, *rest = values
        terms = dict(zip(entry.terms, rest, strict=False))
        norms = rest[len(entry.terms) :]
        if not _is_finite(loss):
            raise _non_finite(entry.number, "the loss", loss)
        for side, norm in zip(self._sides, norms, strict=True):
            if not _is_finite(norm):
                raise _non_finite(entry.number, f"the gradient norm of {side.space}", norm)
        return StepReport(
            number=entry.number,
            loss=loss,
            overlap=terms.get("overlap"),
            pseudo=terms.get("pseudo"),
            intra=terms.get("intra"),
            gradient_norms=(norms[0], norms[1]),
            seconds=entry.seconds + waited,
        )

    def _check_weights(self, finite: list[float], number: int) -> None:
        names = [f"{side.space}.{name}" for side in self._sides for name, _ in side.head.named_parameters()]
        for name, is_finite in zip(names, finite, strict=True):
            if is_finite == 0.0:
                raise _non_finite(number, f"the weight {name}", float("nan"))


def _is_finite(value: float) -> bool:
    return float("-inf") < value < float("inf")


def _non_finite(number: int, what: str, value: float) -> WorkerError:
    return WorkerError(
        Reason.NON_FINITE,
        f"{what} is not finite ({value}) at step {number}",
        subject=what,
        remedy="Lower the learning rate, raise the temperatures, or clip the gradient.",
        step=number,
    )


def _check_start(spec: TrainSpec, tensors: Sequence[SideTensors]) -> None:
    if len(spec.sides) != 2 or len(tensors) != 2:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"training needs exactly two sides, and data for each; got {len(spec.sides)} and {len(tensors)}",
            subject="sides",
        )
    first, second = spec.sides
    if first.space == second.space:
        raise WorkerError(
            Reason.CONFIG_INVALID, f"both sides are named {first.space!r}; names must differ", subject="sides"
        )
    if first.head.output_dim != second.head.output_dim:
        raise WorkerError(
            Reason.SHAPE_MISMATCH,
            f"the heads end in {first.head.output_dim} and {second.head.output_dim} dimensions; "
            "a joint space has one",
            subject="sides.head.output_dim",
        )
    if spec.batch_norm not in BATCH_NORM_MODES:
        raise unknown_name("batch norm mode", spec.batch_norm, BATCH_NORM_MODES)
    rows = tensors[0].overlap.shape[0]
    for side, data in zip(spec.sides, tensors, strict=True):
        for name, matrix in (("overlap", data.overlap), ("pseudo items", data.pseudo)):
            if matrix is None:
                continue
            label = f"the {name} of {side.space}"
            require_matrix(matrix, label, columns=side.head.input_dim)
            if matrix.shape[0] != rows:
                raise WorkerError(
                    Reason.SHAPE_MISMATCH,
                    f"{label} have {matrix.shape[0]} rows; the first side's overlap has {rows}",
                    subject=label,
                )
