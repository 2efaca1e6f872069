"""The optimizers that a plan may name: PyTorch's kernels, called as functions.

PyTorch's optimizer classes load its compiler when the first of them is made, which takes seconds
and is of no use here. Their functions run the same kernels and give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from cmcr_worker.connectors.plan import TrainSpec
from cmcr_worker.registry import lookup


class Optimizer(Protocol):
    """Updates the parameters that it was made for."""

    def step(self, learning_rate: float, weight_decay: float) -> None:
        """Takes a step along the gradients, which every parameter must have."""
        ...


class _Adaptive:
    """Adam and AdamW: moving averages of each gradient and of its square."""

    def __init__(self, update: Callable[..., None], parameters: Sequence[Tensor], spec: TrainSpec) -> None:
        self._update = update
        self._spec = spec
        self._parameters = list(parameters)
        self._averages = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]
        # On the device: the kernel counts the steps itself.
        self._steps = [torch.zeros((), dtype=torch.float32, device=p.device) for p in self._parameters]

    @torch.no_grad()
    def step(self, learning_rate: float, weight_decay: float) -> None:
        self._update(
            self._parameters,
            _gradients(self._parameters),
            self._averages,
            self._squares,
            [],
            self._steps,
            # One kernel updates all parameters; PyTorch has it for the CPU and for CUDA.
            fused=True,
            amsgrad=False,
            beta1=self._spec.beta1,
            beta2=self._spec.beta2,
            lr=learning_rate,
            weight_decay=weight_decay,
            eps=self._spec.epsilon,
            maximize=False,
        )


class _Descent:
    """Stochastic gradient descent, with momentum unless that is 0."""

    def __init__(self, parameters: Sequence[Tensor], spec: TrainSpec) -> None:
        self._momentum = spec.momentum
        self._parameters = list(parameters)
        # The first step puts each gradient here.
        self._velocities: list[Tensor | None] = [None] * len(self._parameters) if spec.momentum else []

    @torch.no_grad()
    def step(self, learning_rate: float, weight_decay: float) -> None:
        sgd(
            self._parameters,
            _gradients(self._parameters),
            self._velocities,
            fused=True,
            weight_decay=weight_decay,
            momentum=self._momentum,
            lr=learning_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )


def _gradients(parameters: Sequence[Tensor]) -> list[Tensor]:
    gradients = [p.grad for p in parameters if p.grad is not None]
    assert len(gradients) == len(parameters), "every step projects with every parameter"
    return gradients


OPTIMIZERS: dict[str, Callable[[Sequence[Tensor], TrainSpec], Optimizer]] = {
    "adamw": lambda parameters, spec: _Adaptive(adamw, parameters, spec),
    "adam": lambda parameters, spec: _Adaptive(adam, parameters, spec),
    "sgd": _Descent,
}


def build_optimizer(parameters: Sequence[Tensor], spec: TrainSpec) -> Optimizer:
    """The optimizer that `spec` names; learning rate and weight decay come with every step.

    Raises UNKNOWN_NAME.
    """
    return lookup(OPTIMIZERS, "optimizer", spec.optimizer)(parameters, spec)
