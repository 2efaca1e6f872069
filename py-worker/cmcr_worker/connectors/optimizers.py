"""The optimizers that a plan may name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from cmcr_worker.connectors.plan import TrainSpec
from cmcr_worker.errors import unknown_name

# One kernel updates all parameters; PyTorch has it for the CPU and for CUDA.
_FUSED = True


def _adamw(parameters: Sequence[Tensor], spec: TrainSpec) -> Optimizer:
    return AdamW(parameters, betas=(spec.beta1, spec.beta2), eps=spec.epsilon, fused=_FUSED)


def _adam(parameters: Sequence[Tensor], spec: TrainSpec) -> Optimizer:
    return Adam(parameters, betas=(spec.beta1, spec.beta2), eps=spec.epsilon, fused=_FUSED)


def _sgd(parameters: Sequence[Tensor], spec: TrainSpec) -> Optimizer:
    return SGD(parameters, momentum=spec.momentum, fused=_FUSED)


OPTIMIZERS: dict[str, Callable[[Sequence[Tensor], TrainSpec], Optimizer]] = {
    "adamw": _adamw,
    "adam": _adam,
    "sgd": _sgd,
}


def build_optimizer(parameters: Sequence[Tensor], spec: TrainSpec) -> Optimizer:
    """The optimizer that `spec` names; learning rate and weight decay come with every step.

    Raises UNKNOWN_NAME.
    """
    make = OPTIMIZERS.get(spec.optimizer)
    if make is None:
        raise unknown_name("optimizer", spec.optimizer, OPTIMIZERS)
    return make(parameters, spec)


def set_rates(optimizer: Optimizer, learning_rate: float, weight_decay: float) -> None:
    """Sets this step's learning rate and weight decay for every parameter."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
        group["weight_decay"] = weight_decay
