"""The Train call: the same numbers as the trainer by itself, and every way to get it wrong."""

from __future__ import annotations

import hashlib
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from served import (
    LIMIT,
    Served,
    block,
    failure_of,
    start_message,
    train_start,
    train_step,
    uint32,
    unit_rows,
)

from cmcr.v1 import connector_pb2
from cmcr_worker.connectors.heads import HeadSpec
from cmcr_worker.connectors.plan import SideTensors, StepPlan, TrainSideSpec, TrainSpec
from cmcr_worker.connectors.training import ProjectorTrainer
from cmcr_worker.errors import Reason


def train(served: Served, *messages: connector_pb2.TrainRequest) -> list[connector_pb2.TrainResponse]:
    return list(served.connectors.Train(iter(messages), timeout=LIMIT))


def parts(answers: list[connector_pb2.TrainResponse]) -> list[str | None]:
    return [answer.WhichOneof("part") for answer in answers]


def reports(answers: list[connector_pb2.TrainResponse]) -> list[connector_pb2.StepReport]:
    return [step for answer in answers for step in answer.reports.steps]


def projectors(answers: list[connector_pb2.TrainResponse]) -> bytes:
    return b"".join(answer.chunk for answer in answers)


def trained_directly(served: Served, count: int) -> tuple[bytes, list[Any]]:
    """The same training without the wire."""
    start = train_start(served)
    sides = [
        TrainSideSpec(space=space, head=HeadSpec(preset="audio-visual", input_dim=width, output_dim=4))
        for space, width in (("sight", 6), ("hearing", 5))
    ]
    spec = TrainSpec(
        sides=(sides[0], sides[1]),
        initialization="default",
        seed=7,
        batch_norm="together",
        optimizer="adamw",
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        momentum=0.0,
        max_gradient_norm=0.0,
    )
    tensors = [
        SideTensors(
            overlap=served.state.tensors.get(side.overlap), pseudo=served.state.tensors.get(side.pseudo)
        )
        for side in start.sides
    ]
    trainer = ProjectorTrainer(spec, tensors, torch.device("cpu"))
    for number in range(count):
        step = train_step(number)
        trainer.step(
            StepPlan(
                number=number,
                rows=np.frombuffer(step.rows, "<u4"),
                noise_seed=step.noise_seed,
                learning_rate=step.learning_rate,
                weight_decay=step.weight_decay,
                noise_variance=step.noise_variance,
                overlap_weight=step.overlap_weight,
                overlap_temperature=step.overlap_temperature,
                pseudo_weight=step.pseudo_weight,
                pseudo_temperature=step.pseudo_temperature,
                intra_weight=step.intra_weight,
            )
        )
    return trainer.state(), trainer.flush()


@pytest.mark.parametrize("per_message", [1, 5, 12])
def test_the_wire_changes_no_bit(served: Served, per_message: int) -> None:
    steps = [train_step(number) for number in range(12)]
    blocks = [block(*steps[at : at + per_message]) for at in range(0, 12, per_message)]
    answers = train(served, start_message(train_start(served)), *blocks)
    data, expected = trained_directly(served, 12)
    assert projectors(answers) == data
    for got, report in zip(reports(answers), expected, strict=True):
        assert (got.number, got.loss, got.overlap, got.pseudo, got.intra, tuple(got.gradient_norms)) == (
            report.number,
            report.loss,
            report.overlap,
            report.pseudo,
            report.intra,
            report.gradient_norms,
        )
        assert got.seconds > 0


def test_the_order_of_the_answers(served: Served) -> None:
    blocks = [block(train_step(0), train_step(1)), block(), block(train_step(2))]
    answers = train(served, start_message(train_start(served)), *blocks)
    assert parts(answers) == ["started", "reports", "reports", "reports", "finished", "chunk"]
    assert [len(answer.reports.steps) for answer in answers[1:4]] == [2, 0, 1]
    finished, data = answers[4].finished, projectors(answers)
    assert (finished.steps, finished.bytes) == (3, len(data))
    assert finished.sha256 == hashlib.sha256(data).hexdigest()
    # Two linear layers with batch norm each, twice as wide inside.
    weights = sum(w * 2 * w + 2 * w + 2 * 2 * w + 2 * w * 4 + 4 + 2 * 4 for w in (6, 5))
    assert answers[0].started.parameters == weights


def test_no_step_at_all_gives_the_initial_weights(served: Served) -> None:
    answers = train(served, start_message(train_start(served)))
    assert parts(answers) == ["started", "finished", "chunk"]
    assert projectors(answers) == trained_directly(served, 0)[0]


def test_terms_that_are_left_out_are_absent(served: Served) -> None:
    steps = [
        train_step(0, pseudo_weight=0, intra_weight=0),
        train_step(1, overlap_weight=0, intra_weight=0),
        train_step(2, overlap_weight=0, pseudo_weight=0),
    ]
    answers = train(served, start_message(train_start(served)), block(*steps))
    present = [
        [name for name in ("overlap", "pseudo", "intra") if report.HasField(name)]
        for report in reports(answers)
    ]
    assert present == [["overlap"], ["pseudo"], ["intra"]]


def test_explicit_layers_and_other_settings(served: Served) -> None:
    layers = [
        connector_pb2.Layer(linear=8),
        connector_pb2.Layer(batch_norm=connector_pb2.BatchNormLayer()),
        connector_pb2.Layer(gelu=connector_pb2.GeluLayer()),
        connector_pb2.Layer(linear=4),
    ]
    start = train_start(
        served,
        initialization=connector_pb2.INITIALIZATION_XAVIER,
        batch_norm=connector_pb2.BATCH_NORM_MODE_APART,
        optimizer=connector_pb2.OPTIMIZER_KIND_SGD,
        momentum=0.9,
        max_gradient_norm=1.0,
    )
    for side in start.sides:
        side.head.preset = "layers"
        side.head.layers.extend(layers)
    answers = train(served, start_message(start), block(train_step(0)))
    assert answers[-2].finished.steps == 1


def mistaken_start(served: Served, change: str) -> connector_pb2.TrainStart:
    start = train_start(served)
    if change == "no sides":
        del start.sides[:]
    if change == "one side":
        del start.sides[1]
    if change == "three sides":
        start.sides.append(start.sides[0])
    if change == "same space":
        start.sides[1].space = start.sides[0].space
    if change == "no initialization":
        start.initialization = 0
    if change == "unknown batch norm":
        start.batch_norm = 9
    if change == "no optimizer":
        start.optimizer = 0
    if change == "unknown handle":
        start.sides[1].overlap = "matrix-0-0"
    if change == "unknown preset":
        start.sides[0].head.preset = "audiovisual"
    if change == "layer of no kind":
        start.sides[0].head.preset = "layers"
        start.sides[0].head.layers.append(connector_pb2.Layer())
    if change == "other width":
        start.sides[0].head.input_dim = 7
    if change == "other joint space":
        start.sides[0].head.output_dim = 5
    if change == "other rows":
        start.sides[1].overlap = served.hold(unit_rows(1, 39, 5))
    return start


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("no sides", Reason.CONFIG_INVALID),
        ("one side", Reason.CONFIG_INVALID),
        ("three sides", Reason.CONFIG_INVALID),
        ("same space", Reason.CONFIG_INVALID),
        ("no initialization", Reason.CONFIG_INVALID),
        ("unknown batch norm", Reason.CONFIG_INVALID),
        ("no optimizer", Reason.CONFIG_INVALID),
        ("layer of no kind", Reason.CONFIG_INVALID),
        ("unknown handle", Reason.STALE_HANDLE),
        ("unknown preset", Reason.UNKNOWN_NAME),
        ("other width", Reason.SHAPE_MISMATCH),
        ("other joint space", Reason.SHAPE_MISMATCH),
        ("other rows", Reason.SHAPE_MISMATCH),
    ],
)
def test_a_start_that_cannot_be(served: Served, change: str, reason: Reason) -> None:
    start = mistaken_start(served, change)
    assert failure_of(lambda: train(served, start_message(start))).reason is reason


@pytest.mark.parametrize("first", ["nothing", "empty", "block"])
def test_a_call_that_does_not_begin_with_its_start(served: Served, first: str) -> None:
    messages = {"nothing": [], "empty": [connector_pb2.TrainRequest()], "block": [block(train_step(0))]}[
        first
    ]
    got = failure_of(lambda: train(served, *messages))
    assert (got.reason, got.detail and got.detail.subject) == (Reason.CONFIG_INVALID, "part")


@pytest.mark.parametrize("second", ["start", "empty"])
def test_after_the_start_only_steps_may_come(served: Served, second: str) -> None:
    start = start_message(train_start(served))
    message = {"start": start, "empty": connector_pb2.TrainRequest()}[second]
    got = failure_of(lambda: train(served, start, block(train_step(0)), message))
    assert (got.reason, got.detail and got.detail.subject) == (Reason.CONFIG_INVALID, "part")


@pytest.mark.parametrize("numbers", [[1], [0, 0], [0, 2], [0, 1, 0], [2**32 - 1]])
def test_a_step_that_is_not_the_next_is_not_applied(served: Served, numbers: list[int]) -> None:
    got = failure_of(
        lambda: train(served, start_message(train_start(served)), *(block(train_step(n)) for n in numbers))
    )
    assert (got.code, got.reason) == (grpc.StatusCode.INVALID_ARGUMENT, Reason.CONFIG_INVALID)
    assert f"step {numbers[-1]} came" in got.message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rows": uint32(range(16))[:-1]}, Reason.SHAPE_MISMATCH),
        ({"rows": b""}, Reason.CONFIG_INVALID),
        ({"rows": uint32([3])}, Reason.CONFIG_INVALID),
        ({"rows": uint32([3, 40])}, Reason.CONFIG_INVALID),
        ({"rows": uint32([3, 2**32 - 1])}, Reason.CONFIG_INVALID),
        ({"learning_rate": float("nan")}, Reason.CONFIG_INVALID),
        ({"learning_rate": -1.0}, Reason.CONFIG_INVALID),
        ({"weight_decay": float("inf")}, Reason.CONFIG_INVALID),
        ({"noise_variance": -0.1}, Reason.CONFIG_INVALID),
        ({"overlap_temperature": 0.0}, Reason.CONFIG_INVALID),
        ({"pseudo_weight": float("nan")}, Reason.CONFIG_INVALID),
        ({"overlap_weight": 0, "pseudo_weight": 0, "intra_weight": 0}, Reason.CONFIG_INVALID),
    ],
)
def test_a_step_that_cannot_be_taken(served: Served, changes: dict[str, Any], reason: Reason) -> None:
    messages = [start_message(train_start(served)), block(train_step(0), train_step(1, **changes))]
    got = failure_of(lambda: train(served, *messages))
    assert got.reason is reason
    assert "step 1" in (got.detail.subject if got.detail else "")


def test_pseudo_pairs_that_the_start_did_not_name(served: Served) -> None:
    start = train_start(served)
    start.sides[1].pseudo = ""
    got = failure_of(lambda: train(served, start_message(start), block(train_step(0))))
    assert got.reason is Reason.CONFIG_INVALID


@pytest.mark.parametrize("seed", [0, 2**53 - 1, 2**63, 2**64 - 1])
def test_seeds_of_any_size(served: Served, seed: int) -> None:
    answers = train(
        served, start_message(train_start(served, seed=seed)), block(train_step(0, noise_seed=seed))
    )
    assert answers[-2].finished.steps == 1


def test_a_loss_that_is_not_finite_names_its_step(served: Served) -> None:
    start = train_start(served)
    poisoned = unit_rows(10, 40, 6)
    poisoned[39] = np.nan
    start.sides[0].overlap = served.hold(poisoned)
    # The poisoned row comes first in step 4, in the middle of a message.
    steps = [train_step(number, rows=uint32(range(24 if number < 4 else 40))) for number in range(8)]
    got = failure_of(lambda: train(served, start_message(start), block(*steps[:2]), block(*steps[2:])))
    assert (got.code, got.reason) == (grpc.StatusCode.FAILED_PRECONDITION, Reason.NON_FINITE)
    assert got.detail is not None
    assert got.detail.step == 4
    assert got.message.count("step 4") == 1


def test_a_learning_rate_that_diverges_ends_in_non_finite(served: Served) -> None:
    """Steps of 1e30 in a stack without batch norm overflow within a few steps."""
    start = train_start(served, optimizer=connector_pb2.OPTIMIZER_KIND_SGD)
    for side in start.sides:
        side.head.preset = "layers"
        side.head.layers.append(connector_pb2.Layer(linear=4))
    steps = [train_step(number, learning_rate=1e38) for number in range(20)]
    got = failure_of(lambda: train(served, start_message(start), *(block(step) for step in steps)))
    assert got.reason is Reason.NON_FINITE
    assert got.detail is not None
    assert got.detail.remedy
