from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cmcr_worker.connectors.losses import intra_loss, normalize, symmetric_info_nce


def rows(count: int, columns: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    drawn = torch.randn(count, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(drawn, dim=1).to(dtype).requires_grad_()


def naive_info_nce(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    logits = a @ b.t() / temperature
    labels = torch.arange(len(a))
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2


# Above and below the temperature at which one exponential serves both directions.
TEMPERATURES = [0.01, 0.035, 0.0361, 0.2, 1.0]


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_uniform_logits_give_ln_b(temperature: float) -> None:
    same = rows(1, 8).detach().expand(16, 8)
    assert float(symmetric_info_nce(same, same, temperature)) == pytest.approx(math.log(16), abs=3e-5)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_identical_orthogonal_pairs(temperature: float) -> None:
    # Diagonal 1 / temperature, all else 0.
    eye = torch.eye(8, dtype=torch.float64)
    expected = math.log1p(7 * math.exp(-1 / temperature))
    assert float(symmetric_info_nce(eye, eye, temperature)) == pytest.approx(expected, abs=1e-12)


def test_two_pairs_by_hand() -> None:
    # Cosines [[1, 0], [0.6, 0.8]] at temperature 1.
    a = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    b = torch.eye(2, dtype=torch.float64)
    e = math.exp
    by_rows = -math.log(e(1) / (e(1) + 1)) - math.log(e(0.8) / (e(0.6) + e(0.8)))
    by_columns = -math.log(e(1) / (e(1) + e(0.6))) - math.log(e(0.8) / (1 + e(0.8)))
    assert float(symmetric_info_nce(a, b, 1.0)) == pytest.approx((by_rows + by_columns) / 4, abs=1e-12)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_gradient_against_the_naive_formula(temperature: float, dtype: torch.dtype) -> None:
    a, b = rows(37, 16, 0, dtype), rows(37, 16, 1, dtype)
    a64, b64 = (x.detach().double().requires_grad_() for x in (a, b))
    found, expected = symmetric_info_nce(a, b, temperature), naive_info_nce(a64, b64, temperature)
    # Not 1, so that the outer gradient is seen to be used.
    (3 * found).backward()
    (3 * expected).backward()
    tolerance = {torch.float32: 2e-5, torch.float64: 1e-12}[dtype]
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)
    for x, x64 in ((a, a64), (b, b64)):
        assert x.grad is not None
        assert x64.grad is not None
        scale = float(x64.grad.abs().max())
        torch.testing.assert_close(x.grad.double(), x64.grad, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("temperature", [0.02, 0.5])
def test_gradcheck(temperature: float) -> None:
    a, b = rows(6, 4, 0, torch.float64), rows(6, 4, 1, torch.float64)
    assert torch.autograd.gradcheck(lambda x, y: symmetric_info_nce(x, y, temperature), (a, b))
    assert torch.autograd.gradcheck(normalize, (3 * a.detach().requires_grad_(),))
    quadruple = [rows(5, 3, seed, torch.float64) for seed in range(4)]
    assert torch.autograd.gradcheck(intra_loss, quadruple)


@pytest.mark.parametrize("temperature", [1e-4, 1e-3, 0.01])
def test_nothing_overflows(temperature: float) -> None:
    a = rows(9, 4)
    for b in (-a.detach(), a.detach(), a.detach().flip(0)):
        a.grad = None
        loss = symmetric_info_nce(a, b, temperature)
        loss.backward()
        assert a.grad is not None
        assert bool(a.grad.isfinite().all())
        expected = naive_info_nce(a.detach().double(), b.double(), temperature)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-5)


def test_a_batch_of_one_has_no_loss() -> None:
    a = rows(1, 4)
    loss = symmetric_info_nce(a, rows(1, 4, 1), 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert a.grad is not None
    torch.testing.assert_close(a.grad, torch.zeros(1, 4))


def test_normalize_is_torch_s() -> None:
    x = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    weights = torch.randn(7, 5, dtype=torch.float64)
    (normalize(x) * weights).sum().backward()
    (F.normalize(y, dim=1) * weights).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, y.grad)
    assert torch.equal(normalize(torch.zeros(1, 3)), torch.zeros(1, 3))


def test_intra_loss_by_hand() -> None:
    x, y = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    # Squared distances: 2 and 0 on one side, 0 on the other; half of the mean of 2 and 0.
    assert float(intra_loss(x, y, x, x)) == pytest.approx(0.5)
    assert float(intra_loss(x, y, x, y)) == pytest.approx(1.0)
    assert float(intra_loss(x, x, y, y)) == 0.0


def test_intra_loss_against_the_naive_formula() -> None:
    t1, v, t2, w = (rows(20, 6, seed, torch.float64) for seed in range(4))
    expected = 0.5 * ((t1 - v).square().sum(1) + (t2 - w).square().sum(1)).mean()
    torch.testing.assert_close(intra_loss(t1, v, t2, w), expected)
