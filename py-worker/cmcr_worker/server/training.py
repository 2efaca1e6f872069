"""The Train call: a reader takes in steps, a trainer runs them, the call's own thread reports."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from cmcr.v1 import connector_pb2
from cmcr_worker.connectors.heads import HeadSpec, LayerSpec
from cmcr_worker.connectors.plan import SideTensors, StepPlan, StepReport, TrainSideSpec, TrainSpec
from cmcr_worker.connectors.training import ProjectorTrainer
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.server.flow import Call, read_ahead, spawn
from cmcr_worker.server.state import WorkerState
from cmcr_worker.server.wire import CHUNK_BYTES, uint32

BLOCKS_AHEAD = 4
"""Blocks of steps that wait for the trainer, so that it never waits for the network."""

REPORTS_AHEAD = 64

Number = TypeVar("Number", bound=int)

INITIALIZATIONS: dict[int, str] = {
    connector_pb2.INITIALIZATION_DEFAULT: "default",
    connector_pb2.INITIALIZATION_EYE: "eye",
    connector_pb2.INITIALIZATION_XAVIER: "xavier",
}
BATCH_NORM_MODES: dict[int, str] = {
    connector_pb2.BATCH_NORM_MODE_TOGETHER: "together",
    connector_pb2.BATCH_NORM_MODE_APART: "apart",
}
OPTIMIZERS: dict[int, str] = {
    connector_pb2.OPTIMIZER_KIND_ADAMW: "adamw",
    connector_pb2.OPTIMIZER_KIND_ADAM: "adam",
    connector_pb2.OPTIMIZER_KIND_SGD: "sgd",
}


def train(
    state: WorkerState, call: Call, messages: Iterator[connector_pb2.TrainRequest]
) -> Iterator[connector_pb2.TrainResponse]:
    """Answers one Train call. Raises WorkerError as the trainer does."""
    first = next(messages, None)
    if first is None or first.WhichOneof("part") != "start":
        raise WorkerError(Reason.CONFIG_INVALID, "training begins with its start message", subject="part")
    trainer = build_trainer(state, first.start)
    yield connector_pb2.TrainResponse(started=connector_pb2.TrainStarted(parameters=trainer.parameters))

    results: queue.Queue[Any] = queue.Queue(maxsize=REPORTS_AHEAD)

    def run() -> None:
        for block in read_ahead(call, messages, BLOCKS_AHEAD, _plans):
            for plan in block:
                call.check()
                trainer.step(plan)
            call.put(results, trainer.flush())
        call.put(results, trainer.state())

    spawn(call, results, "trainer", run)
    steps = 0
    while isinstance(result := call.take(results), list):
        steps += len(result)
        yield connector_pb2.TrainResponse(
            reports=connector_pb2.StepReports(steps=[_report(report) for report in result])
        )
    data: bytes = result
    yield connector_pb2.TrainResponse(
        finished=connector_pb2.TrainFinished(
            steps=steps, bytes=len(data), sha256=hashlib.sha256(data).hexdigest()
        )
    )
    for start in range(0, len(data), CHUNK_BYTES):
        yield connector_pb2.TrainResponse(chunk=data[start : start + CHUNK_BYTES])


def build_trainer(state: WorkerState, start: connector_pb2.TrainStart) -> ProjectorTrainer:
    """The trainer that a start message describes."""
    if len(start.sides) != 2:
        raise WorkerError(
            Reason.CONFIG_INVALID, f"training needs two sides; {len(start.sides)} came", subject="start.sides"
        )
    spec = TrainSpec(
        sides=(_side(start.sides[0]), _side(start.sides[1])),
        initialization=_named(INITIALIZATIONS, start.initialization, "start.initialization"),
        seed=start.seed,
        batch_norm=_named(BATCH_NORM_MODES, start.batch_norm, "start.batch_norm"),
        optimizer=_named(OPTIMIZERS, start.optimizer, "start.optimizer"),
        beta1=start.beta1,
        beta2=start.beta2,
        epsilon=start.epsilon,
        momentum=start.momentum,
        max_gradient_norm=start.max_gradient_norm,
    )
    tensors = [
        SideTensors(
            overlap=state.tensors.get(side.overlap, field="start.sides.overlap"),
            pseudo=state.tensors.get(side.pseudo, field="start.sides.pseudo") if side.pseudo else None,
        )
        for side in start.sides
    ]
    return ProjectorTrainer(spec, tensors, state.device)


def _plans(message: connector_pb2.TrainRequest) -> list[StepPlan]:
    if message.WhichOneof("part") != "block":
        raise WorkerError(
            Reason.CONFIG_INVALID, "after the start message only step blocks may come", subject="part"
        )
    return [
        StepPlan(
            number=step.number,
            rows=uint32(step.rows, field=f"step {step.number}, rows"),
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
        for step in message.block.steps
    ]


def _side(side: connector_pb2.TrainSide) -> TrainSideSpec:
    head = side.head
    return TrainSideSpec(
        space=side.space,
        head=HeadSpec(
            preset=head.preset,
            input_dim=head.input_dim,
            output_dim=head.output_dim,
            layers=tuple(_layer(layer) for layer in head.layers),
        ),
    )


def _layer(layer: connector_pb2.Layer) -> LayerSpec:
    kind = layer.WhichOneof("kind")
    if kind is None:
        raise WorkerError(Reason.CONFIG_INVALID, "a layer has no kind", subject="start.sides.head.layers")
    if kind == "linear":
        return LayerSpec(kind="linear", outputs=layer.linear)
    return LayerSpec(kind=kind.replace("_", ""))


def _named(names: Mapping[Number, str], number: Number, field: str) -> str:
    name = names.get(number)
    if name is None:
        raise WorkerError(Reason.CONFIG_INVALID, f"{number} is not a value of {field}", subject=field)
    return name


def _report(report: StepReport) -> connector_pb2.StepReport:
    return connector_pb2.StepReport(
        number=report.number,
        loss=report.loss,
        overlap=report.overlap,
        pseudo=report.pseudo,
        intra=report.intra,
        gradient_norms=report.gradient_norms,
        seconds=report.seconds,
    )
