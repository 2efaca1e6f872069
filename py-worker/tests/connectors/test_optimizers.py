"""Our calls of PyTorch's update kernels against its optimizer classes, bit by bit, and what they load."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_training import spec

from cmcr_worker.connectors.optimizers import OPTIMIZERS, build_optimizer

WORKER = Path(__file__).resolve().parents[2]
RATES = [(3e-3, 0.01), (1e-3, 0.0), (5e-4, 0.1), (0.0, 0.2)]

REFERENCES: dict[str, Callable[[list[torch.Tensor]], torch.optim.Optimizer]] = {
    "adamw": lambda p: torch.optim.AdamW(p, betas=(0.8, 0.95), eps=1e-7, fused=True),
    "adam": lambda p: torch.optim.Adam(p, betas=(0.8, 0.95), eps=1e-7, fused=True),
    "sgd": lambda p: torch.optim.SGD(p, momentum=0.9, fused=True),
}


def test_every_optimizer_has_a_reference() -> None:
    assert set(REFERENCES) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_the_bits_of_torchs_own_class(name: str) -> None:
    generator = torch.Generator().manual_seed(5)
    starts = [torch.randn(shape, generator=generator) for shape in ((7, 5), (5,), (3, 7))]
    ours = [start.clone().requires_grad_() for start in starts]
    theirs = [start.clone().requires_grad_() for start in starts]
    given = spec(optimizer=name, beta1=0.8, beta2=0.95, epsilon=1e-7, momentum=0.9)
    optimizer, reference = build_optimizer(ours, given), REFERENCES[name](theirs)
    for learning_rate, weight_decay in RATES:
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            other.grad = mine.grad.clone()
        for group in reference.param_groups:
            group["lr"], group["weight_decay"] = learning_rate, weight_decay
        optimizer.step(learning_rate, weight_decay)
        reference.step()
        for mine, other in zip(ours, theirs, strict=True):
            assert torch.equal(mine, other)


def test_descent_without_momentum() -> None:
    parameter = torch.tensor([1.0, -2.0], requires_grad=True)
    parameter.grad = torch.tensor([0.5, 1.0])
    build_optimizer([parameter], spec(optimizer="sgd", momentum=0.0)).step(0.1, 0.2)
    expected = torch.tensor([1.0 - 0.1 * (0.5 + 0.2), -2.0 - 0.1 * (1.0 - 0.4)])
    torch.testing.assert_close(parameter.detach(), expected)


def test_training_does_not_wait_for_the_compiler() -> None:
    program = (
        "import sys; from small_training import spec, train\n"
        "for name in ('adamw', 'adam', 'sgd'):\n"
        "    train(2, spec(optimizer=name, momentum=0.9, max_gradient_norm=0.5))\n"
        "print('torch._dynamo' in sys.modules)"
    )
    path = os.pathsep.join([str(WORKER), str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
