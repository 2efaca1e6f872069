from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_training import (
    BATCH,
    DIMS,
    GOLDEN,
    OUTPUT_DIM,
    ROWS,
    build,
    curve,
    data,
    head,
    plan,
    spec,
    train,
    unit_rows,
)
from torch import Tensor

from cmcr_worker.connectors.batches import BatchMaker
from cmcr_worker.connectors.checkpoint import from_bytes
from cmcr_worker.connectors.plan import SideTensors, StepPlan, TrainSideSpec, TrainSpec
from cmcr_worker.connectors.training import ProjectorTrainer
from cmcr_worker.errors import Reason, WorkerError

CPU = torch.device("cpu")


def test_recorded_loss_curve() -> None:
    """Equal to the last bit on the build that recorded it; elsewhere rounding may differ."""
    recorded = json.loads(GOLDEN.read_text())
    expected = [[float.fromhex(value) for value in row] for row in recorded["curve"]]
    found = curve()
    if recorded["build"] == build():
        assert found == expected
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    # The curve is that of a training that learns something.
    assert found[-1][0] < 0.75 * found[0][0]


def reference_step(
    given: TrainSpec, heads: list[torch.nn.Module], optimizer: torch.optim.Optimizer, step: StepPlan
) -> dict[str, float]:
    """The step from the paper in plain autograd, with the noise that the trainer draws."""
    rows = torch.from_numpy(step.rows.astype(np.int64))
    batches = BatchMaker(data(), CPU).make(step)
    projected: list[tuple[Tensor, Tensor]] = []
    for module, x in zip(heads, batches, strict=True):
        halves = x.clone().split(len(rows))
        if given.batch_norm == "together":
            first, second = F.normalize(module(torch.cat(halves)), dim=1).chunk(2)
        else:
            first, second = (F.normalize(module(half), dim=1) for half in halves)
        projected.append((first, second))
    (t1, v), (t2, w) = projected

    def info_nce(a: Tensor, b: Tensor, temperature: float) -> Tensor:
        logits = a @ b.t() / temperature
        labels = torch.arange(len(a))
        return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2

    terms = {
        "overlap": info_nce(t1, t2, step.overlap_temperature),
        "pseudo": info_nce(v, w, step.pseudo_temperature),
        "intra": 0.5 * ((t1 - v).square().sum(1) + (t2 - w).square().sum(1)).mean(),
    }
    loss = sum(term * getattr(step, f"{name}_weight") for name, term in terms.items())
    assert isinstance(loss, Tensor)
    for group in optimizer.param_groups:
        group["lr"], group["weight_decay"] = step.learning_rate, step.weight_decay
    optimizer.zero_grad()
    loss.backward()
    if given.max_gradient_norm > 0:
        torch.nn.utils.clip_grad_norm_([p for m in heads for p in m.parameters()], given.max_gradient_norm)
    optimizer.step()
    return {"loss": float(loss.detach()), **{name: float(term.detach()) for name, term in terms.items()}}


@pytest.mark.parametrize("preset", ["audio-visual", "three-d"])
@pytest.mark.parametrize("batch_norm", ["together", "apart"])
@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_against_plain_autograd(preset: str, batch_norm: str, optimizer: str) -> None:
    clip = 0.5 if optimizer == "sgd" else 0.0
    given = spec(preset, batch_norm=batch_norm, optimizer=optimizer, momentum=0.9, max_gradient_norm=clip)
    trainer = ProjectorTrainer(given, data(), "cpu")
    heads = [side.head.train().requires_grad_(True) for side in from_bytes(trainer.state())]
    parameters = [p for module in heads for p in module.parameters()]
    plain: torch.optim.Optimizer = {
        "adamw": lambda: torch.optim.AdamW(parameters, betas=(0.9, 0.999)),
        "adam": lambda: torch.optim.Adam(parameters, betas=(0.9, 0.999)),
        "sgd": lambda: torch.optim.SGD(parameters, lr=1.0, momentum=0.9),
    }[optimizer]()
    steps = [plan(n, learning_rate=1e-2 / (n + 1), overlap_temperature=0.1 + 0.05 * n) for n in range(6)]
    expected = [reference_step(given, heads, plain, step) for step in steps]
    for step in steps:
        trainer.step(step)
    for report, wanted in zip(trainer.flush(), expected, strict=True):
        for name, value in wanted.items():
            assert getattr(report, name) == pytest.approx(value, rel=2e-4), (report.number, name)
    for side, module in zip(from_bytes(trainer.state()), heads, strict=True):
        # Not the biases before batch norm: their true gradient is 0, and Adam scales its rounding up.
        for name in (name for name in side.head.state_dict() if name.endswith(("weight", "running_var"))):
            torch.testing.assert_close(
                side.head.state_dict()[name], module.state_dict()[name], rtol=2e-3, atol=2e-4
            )


def test_same_inputs_same_bits() -> None:
    torch.manual_seed(1)
    first = train(8)[0].state()
    torch.manual_seed(2)
    assert train(8)[0].state() == first
    assert train(8, spec(seed=4))[0].state() != first
    assert train(8, change=lambda n: {"noise_seed": n})[0].state() != first


def test_global_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_flushing_more_often_changes_nothing() -> None:
    whole, reports = train(6)
    trainer = ProjectorTrainer(spec(), data(), "cpu")
    pieces = []
    for number in range(6):
        trainer.step(plan(number))
        pieces += trainer.flush()
    assert trainer.flush() == []
    assert [replace(r, seconds=0) for r in pieces] == [replace(r, seconds=0) for r in reports]
    assert trainer.state() == whole.state()


def test_the_data_stay_as_they_are() -> None:
    sides = data()
    trainer = ProjectorTrainer(spec(), sides, "cpu")
    trainer.step(plan(0))
    trainer.flush()
    for side, fresh in zip(sides, data(), strict=True):
        np.testing.assert_array_equal(side.overlap, fresh.overlap)
        np.testing.assert_array_equal(side.pseudo, fresh.pseudo)


@pytest.mark.parametrize(
    ("weights", "terms"),
    [
        ((1.0, 0.0, 0.0), {"overlap"}),
        ((0.0, 2.0, 0.0), {"pseudo"}),
        ((0.0, 0.0, 0.5), {"intra"}),
        ((1.0, 0.0, 0.1), {"overlap", "intra"}),
    ],
)
def test_a_weight_of_zero_leaves_the_term_out(weights: tuple[float, float, float], terms: set[str]) -> None:
    names = ("overlap", "pseudo", "intra")
    changes: dict[str, object] = {
        f"{name}_weight": weight for name, weight in zip(names, weights, strict=True)
    }
    _, (report,) = train(1, change=lambda _: changes)
    present = {name for name in names if getattr(report, name) is not None}
    assert present == terms
    total = sum(getattr(report, name) * weight for name, weight in zip(names, weights, strict=True) if weight)
    assert report.loss == pytest.approx(total, rel=1e-6)


def test_terms_may_come_and_go() -> None:
    _, reports = train(4, change=lambda n: {"intra_weight": 0.1 * (n % 2)})
    assert [report.intra is None for report in reports] == [True, False, True, False]
    assert [report.number for report in reports] == [0, 1, 2, 3]


def test_without_pseudo_items() -> None:
    sides = [SideTensors(overlap=side.overlap) for side in data()]
    trainer = ProjectorTrainer(spec(), sides, "cpu")
    trainer.step(plan(0, pseudo_weight=0.0, intra_weight=0.0))
    assert trainer.flush()[0].pseudo is None
    with pytest.raises(WorkerError, match="step 1: a loss term uses the pseudo pairs") as caught:
        trainer.step(plan(1))
    assert caught.value.reason is Reason.CONFIG_INVALID


def test_batch_norm_apart_is_not_together() -> None:
    together = train(1)[1][0].loss
    apart_trainer, apart = train(1, spec(batch_norm="apart"))
    assert apart[0].loss != pytest.approx(together, rel=1e-4)
    # Two passes a step: the authors' counter counts both.
    assert int(from_bytes(apart_trainer.state())[0].head.state_dict()["net1.1.num_batches_tracked"]) == 2


def test_noise() -> None:
    quiet = BatchMaker(data(), CPU).make(plan(0, noise_variance=0.0))
    rows = plan(0).rows
    for x, side in zip(quiet, data(), strict=True):
        assert side.pseudo is not None
        torch.testing.assert_close(
            x, torch.from_numpy(np.concatenate([side.overlap[rows], side.pseudo[rows]]))
        )
    maker = BatchMaker(data(), CPU)
    loud = [x.clone() for x in maker.make(plan(0))]
    for x, calm in zip(loud, quiet, strict=True):
        torch.testing.assert_close(x.norm(dim=1), torch.ones(len(x)))
        assert not torch.equal(x, calm)
    again = maker.make(plan(0))
    assert all(torch.equal(x, y) for x, y in zip(loud, again, strict=True))
    other = maker.make(plan(0, noise_seed=7))
    assert not torch.equal(loud[0], other[0])


def test_noise_has_the_variance_that_was_asked_for() -> None:
    # In 400 dimensions the noise is nearly orthogonal to a row: |x + e|^2 = 1 + 400 variance.
    matrix = unit_rows(2000, 400, 0)
    maker = BatchMaker([SideTensors(overlap=matrix), SideTensors(overlap=matrix)], CPU)
    step = plan(0, rows=np.arange(2000), noise_variance=0.01, pseudo_weight=0.0, intra_weight=0.0)
    x, y = maker.make(step)
    cosines = (x * torch.from_numpy(matrix)).sum(1)
    assert float(cosines.mean()) == pytest.approx((1 + 400 * 0.01) ** -0.5, rel=0.01)
    assert not torch.equal(x, y)


def test_gradient_norms_are_of_each_side_before_clipping() -> None:
    free = train(1)[1][0].gradient_norms
    assert train(1, spec(max_gradient_norm=1e-3))[1][0].gradient_norms == free
    assert free[0] != free[1]


def test_clipping_bounds_the_step() -> None:
    given = spec(optimizer="sgd", max_gradient_norm=0.01)
    before = from_bytes(ProjectorTrainer(given, data(), "cpu").state())
    after = from_bytes(
        train(1, given, change=lambda _: {"learning_rate": 1.0, "weight_decay": 0.0})[0].state()
    )
    moved = [
        (a - b).square().sum()
        for one, two in zip(before, after, strict=True)
        for a, b in zip(one.head.parameters(), two.head.parameters(), strict=True)
    ]
    assert float(torch.stack(moved).sum().sqrt()) == pytest.approx(0.01, rel=1e-3)


def test_a_rate_of_zero_moves_no_parameter() -> None:
    before = from_bytes(ProjectorTrainer(spec(), data(), "cpu").state())
    after = from_bytes(train(2, change=lambda _: {"learning_rate": 0.0})[0].state())
    for one, two in zip(before, after, strict=True):
        for a, b in zip(one.head.parameters(), two.head.parameters(), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("change", "step", "words"),
    [
        ({"learning_rate": 1e38}, 3, "weight|loss|gradient"),
        ({"overlap_weight": 3e38, "pseudo_weight": 3e38}, 2, "the loss is not finite"),
    ],
)
def test_says_when_it_diverges(change: dict[str, object], step: int, words: str) -> None:
    trainer = ProjectorTrainer(spec(optimizer="sgd"), data(), "cpu")
    for number in range(5):
        trainer.step(plan(number, **(change if number == 2 else {})))
    with pytest.raises(WorkerError, match=words) as caught:
        trainer.flush()
    assert caught.value.reason is Reason.NON_FINITE
    assert caught.value.step == step
    assert f"at step {step}" in caught.value.message


def test_says_when_weights_are_lost_in_the_last_step() -> None:
    trainer = ProjectorTrainer(spec(optimizer="sgd"), data(), "cpu")
    trainer.step(plan(0, learning_rate=3e38, weight_decay=10.0))
    with pytest.raises(WorkerError, match=r"the weight left\.net1\.0\.weight is not finite") as caught:
        trainer.flush()
    assert caught.value.step == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": np.array([0, ROWS])}, f"row {ROWS} is not in the overlap"),
        ({"rows": np.array([0, -1])}, "row -1"),
        ({"rows": np.array([3])}, "1 rows"),
        ({"rows": np.array([0.5, 1.0])}, "row numbers"),
        ({"overlap_temperature": 0.0}, "overlap_temperature is 0"),
        ({"pseudo_temperature": float("nan")}, "pseudo_temperature is nan"),
        ({"intra_weight": -1.0}, "intra_weight is -1"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"noise_variance": -0.1}, "noise_variance"),
        ({"overlap_weight": 0.0, "pseudo_weight": 0.0, "intra_weight": 0.0}, "every loss term"),
        ({"number": 5}, "step 5 came where step 0 was due"),
    ],
)
def test_refuses_steps(change: dict[str, object], words: str) -> None:
    trainer = ProjectorTrainer(spec(), data(), "cpu")
    with pytest.raises(WorkerError, match=words) as caught:
        trainer.step(plan(0, **change) if "number" not in change else plan(5))
    assert caught.value.reason is Reason.CONFIG_INVALID
    # A refused step leaves the trainer as it was.
    trainer.step(plan(0))
    assert replace(trainer.flush()[0], seconds=0) == replace(train(1)[1][0], seconds=0)


def test_refuses_starts() -> None:
    good = spec()
    left, right = good.sides
    short = [data()[0], SideTensors(overlap=unit_rows(ROWS - 1, DIMS[1], 9))]
    wide = [data()[0], SideTensors(overlap=unit_rows(ROWS, DIMS[1] + 1, 9))]
    other = TrainSideSpec(space="right", head=replace(head("three-d", DIMS[1]), output_dim=OUTPUT_DIM + 1))
    cases: list[tuple[TrainSpec, list[SideTensors], Reason, str]] = [
        (replace(good, sides=(left, left)), data(), Reason.CONFIG_INVALID, "names must differ"),
        (replace(good, sides=(left, other)), data(), Reason.SHAPE_MISMATCH, "8 and 9 dimensions"),
        (good, short, Reason.SHAPE_MISMATCH, "have 95 rows"),
        (good, wide, Reason.SHAPE_MISMATCH, "11 columns, expected 10"),
        (good, data()[:1], Reason.CONFIG_INVALID, "exactly two sides"),
        (spec(optimizer="adamm"), data(), Reason.UNKNOWN_NAME, "adamm"),
        (spec(batch_norm="both"), data(), Reason.UNKNOWN_NAME, "both"),
        (spec(initialization="he"), data(), Reason.UNKNOWN_NAME, "he"),
    ]
    for given, sides, reason, words in cases:
        with pytest.raises(WorkerError, match=words) as caught:
            ProjectorTrainer(given, sides, "cpu")
        assert caught.value.reason is reason
    assert right.space == "right"


def test_counts_its_parameters_and_its_time() -> None:
    trainer, reports = train(2)
    hidden = [2 * dim for dim in DIMS]
    layers = sum(h * d + 3 * h + OUTPUT_DIM * h + 3 * OUTPUT_DIM for h, d in zip(hidden, DIMS, strict=True))
    assert trainer.parameters == layers
    assert all(report.seconds > 0 for report in reports)
    assert len(plan(0).rows) == BATCH


def test_the_step_benchmark_compares_equal_mathematics() -> None:
    script = Path(__file__).resolve().parents[2] / "bench" / "step_vs_plain.py"
    options = ["--batch", "32", "--dims", "8", "6", "--output-dim", "4", "--items", "64"]
    done = subprocess.run(
        [sys.executable, script, *options, "--steps", "5", "--repeats", "2"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = json.loads(done.stdout)
    assert found["lossDifferenceFirstBlock"] < 1e-4
    assert found["ratio"] > 0


@pytest.mark.cuda
def test_cuda_trains_as_the_cpu_does() -> None:
    # The devices draw other noise, so there is none here.
    quiet: dict[str, object] = {"noise_variance": 0.0}
    cpu_trainer, cpu = train(20, change=lambda _: quiet)
    cuda_trainer, cuda = train(20, change=lambda _: quiet, device="cuda")
    for one, two in zip(cpu, cuda, strict=True):
        assert two.loss == pytest.approx(one.loss, rel=1e-3)
        assert two.gradient_norms == pytest.approx(one.gradient_norms, rel=2e-2)
    for one_side, two_side in zip(
        from_bytes(cpu_trainer.state()), from_bytes(cuda_trainer.state()), strict=True
    ):
        # Not the biases before batch norm: their true gradient is 0, and Adam scales its rounding up.
        for name in (name for name in one_side.head.state_dict() if name.endswith(("weight", "running_var"))):
            torch.testing.assert_close(
                one_side.head.state_dict()[name], two_side.head.state_dict()[name], rtol=5e-2, atol=5e-3
            )


@pytest.mark.cuda
def test_cuda_learns_with_noise_and_tells_of_divergence() -> None:
    found = curve("cuda")
    assert found[-1][0] < 0.75 * found[0][0]
    trainer = ProjectorTrainer(spec(optimizer="sgd"), data(), "cuda")
    for number in range(4):
        trainer.step(plan(number, learning_rate=1e38))
    with pytest.raises(WorkerError) as caught:
        trainer.flush()
    assert caught.value.reason is Reason.NON_FINITE
