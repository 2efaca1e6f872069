"""What becomes of the work when nobody waits for it any more."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import grpc
import numpy as np
import pytest
from served import (
    FLOAT32,
    LIMIT,
    Served,
    block,
    failure_of,
    start_message,
    train_start,
    train_step,
    unit_rows,
)

from cmcr.v1 import connector_pb2, encoder_pb2, tensor_pb2
from cmcr_worker.connectors.training import ProjectorTrainer
from cmcr_worker.server import connectors as connector_service
from cmcr_worker.server import tensors as tensor_service
from cmcr_worker.server import training
from cmcr_worker.server.flow import Call

WORK_THREADS = ("trainer", "reader", "work")


def work_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name in WORK_THREADS]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"{what} did not come about in {LIMIT} s"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    wait_until(lambda: not work_threads(), "the end of every work thread")


class Gate:
    """Stands in for long work: says when it begins, and goes on, bit by bit, until it is told to stop."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.stopped = threading.Event()

    def work(self, *_: Any, progress: Any = None, cancelled: Any = None, **__: Any) -> None:
        self.begun.set()
        end = time.monotonic() + LIMIT
        try:
            while time.monotonic() < end:
                if cancelled():
                    return
                time.sleep(0.005)
        finally:
            self.stopped.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(connector_service, "attend", gate.work)
    monkeypatch.setattr(
        tensor_service,
        "import_rows",
        lambda _source, _sink, progress, cancelled, **_: gate.work(progress=progress, cancelled=cancelled),
    )
    return gate


def attend_request(served: Served) -> connector_pb2.AttendRequest:
    handle = served.hold(unit_rows(1, 4, 3))
    return connector_pb2.AttendRequest(
        queries=handle, memory=handle, temperature=0.1, destination=served.at("v.npy")
    )


def test_cancelled_attention_stops_and_leaves_no_file(served: Served, gate: Gate) -> None:
    call = served.connectors.Attend(attend_request(served), timeout=LIMIT)
    assert gate.begun.wait(LIMIT)
    assert os.listdir(served.root) != []
    call.cancel()
    assert gate.stopped.wait(LIMIT)
    assert call.code() is grpc.StatusCode.CANCELLED
    wait_until(lambda: os.listdir(served.root) == [], "an empty folder")


def test_cancelled_import_stops(served: Served, gate: Gate) -> None:
    request = tensor_pb2.ImportRequest(handle=served.hold(unit_rows(1, 4, 3)), destination=served.at("i.npy"))
    call = served.tensors.Import(request, timeout=LIMIT)
    assert gate.begun.wait(LIMIT)
    call.cancel()
    assert gate.stopped.wait(LIMIT)
    wait_until(lambda: os.listdir(served.root) == [], "an empty folder")


def test_a_deadline_stops_the_work_too(served: Served, gate: Gate) -> None:
    got = failure_of(lambda: served.connectors.Attend(attend_request(served), timeout=0.3))
    assert got.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert gate.stopped.wait(LIMIT)


def test_a_server_that_is_told_to_stop_stops_the_work(served: Served, gate: Gate) -> None:
    call = served.connectors.Attend(attend_request(served), timeout=LIMIT)
    assert gate.begun.wait(LIMIT)
    served.running.stop(grace=1.0)
    assert gate.stopped.is_set()
    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    assert caught.value.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)


def test_attention_itself_looks_at_the_cancellation(served: Served) -> None:
    """Enough memory rows for seconds; a cancelled call ends after a tile of them."""
    queries, memory = served.hold(unit_rows(1, 4096, 8)), served.hold(unit_rows(2, 200_000, 8))
    request = connector_pb2.AttendRequest(
        queries=queries, memory=memory, temperature=0.1, destination=served.at("v.npy")
    )
    call = served.connectors.Attend(request, timeout=LIMIT)
    first = next(call)
    assert not first.HasField("tensor")
    call.cancel()
    wait_until(lambda: not work_threads(), "the end of the attention")
    assert os.listdir(served.root) == []


def steps_without_end(
    start: connector_pb2.TrainStart, sent: list[int], room: threading.Semaphore | None = None
) -> Iterator[Any]:
    yield start_message(start)
    number = 0
    while room is None or room.acquire(timeout=LIMIT):
        sent.append(number)
        yield block(train_step(number))
        number += 1


def test_cancelled_training_stops(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    step = ProjectorTrainer.step

    def counted(trainer: ProjectorTrainer, plan: Any) -> None:
        taken.append(plan.number)
        step(trainer, plan)

    monkeypatch.setattr(ProjectorTrainer, "step", counted)
    room = threading.Semaphore(8)
    call = served.connectors.Train(steps_without_end(train_start(served), [], room), timeout=LIMIT)
    for answer in call:
        room.release()
        if len(answer.reports.steps) > 0 and answer.reports.steps[-1].number >= 5:
            break
    call.cancel()
    wait_until(lambda: not work_threads(), "the end of the training")
    count = len(taken)
    time.sleep(0.1)
    assert len(taken) == count
    room.release(8)


class OpenContext:
    """A call that is never cancelled."""

    def add_callback(self, _: Callable[[], None]) -> bool:
        return True


def test_a_client_that_does_not_read_holds_the_steps_back(served: Served) -> None:
    """Queues are bounded: what is taken in ahead of a slow reader does not grow with the plan."""
    stopping = threading.Event()
    taken: list[int] = []
    answers = training.train(
        served.state,
        Call(cast(grpc.ServicerContext, OpenContext()), stopping),
        steps_without_end(train_start(served), taken),
    )
    assert next(answers).WhichOneof("part") == "started"
    first = next(answers)
    # One message each is with the reader, the trainer and the results that wait for room.
    ahead = training.REPORTS_AHEAD + training.BLOCKS_AHEAD + 3
    wait_until(lambda: len(taken) >= ahead, "a full queue")
    time.sleep(0.3)
    assert len(taken) <= ahead + 1
    assert first.reports.steps[0].number == 0
    for number in range(1, ahead + 5):
        assert next(answers).reports.steps[0].number == number
    stopping.set()


def test_a_client_that_breaks_off_an_upload_leaves_no_matrix(served: Served) -> None:
    sent = threading.Event()
    never = threading.Event()

    def messages() -> Iterator[tensor_pb2.UploadRequest]:
        yield tensor_pb2.UploadRequest(header=tensor_pb2.UploadHeader(dtype=FLOAT32, shape=[4, 3]))
        sent.set()
        never.wait(LIMIT)

    call = served.tensors.Upload.future(messages(), timeout=LIMIT)
    assert sent.wait(LIMIT)
    call.cancel()
    never.set()
    assert served.values(served.hold(unit_rows(1, 2, 3))).shape == (2, 3)
    assert len(served.state.tensors) == 1


def test_a_client_that_breaks_off_an_encoding_leaves_no_file(served: Served) -> None:
    never = threading.Event()
    spec = encoder_pb2.EncoderSpec(provider="builtin", model="scenes-image-text")
    texts = encoder_pb2.ItemBatch(texts=encoder_pb2.TextItems(texts=["a red circle"]))

    def messages() -> Iterator[encoder_pb2.EncodeRequest]:
        start = encoder_pb2.EncodeStart(encoder=spec, modality=1, total=9, destination=served.at("e.npy"))
        yield encoder_pb2.EncodeRequest(start=start)
        yield encoder_pb2.EncodeRequest(batch=texts)
        never.wait(LIMIT)

    call = served.encoders.Encode(messages(), timeout=LIMIT)
    assert next(call).rows_done == 1
    assert os.listdir(served.root) != []
    call.cancel()
    never.set()
    wait_until(lambda: os.listdir(served.root) == [], "an empty folder")


CLIENT = """
import sys
import grpc
import numpy as np
sys.path.insert(0, sys.argv[2])
from cmcr.v1 import connector_pb2, connector_pb2_grpc
start = connector_pb2.TrainStart.FromString(bytes.fromhex(sys.argv[3]))
step = connector_pb2.Step.FromString(bytes.fromhex(sys.argv[4]))

def messages():
    yield connector_pb2.TrainRequest(start=start)
    while True:
        yield connector_pb2.TrainRequest(block=connector_pb2.StepBlock(steps=[step]))
        step.number += 1

stub = connector_pb2_grpc.ConnectorServiceStub(grpc.insecure_channel(sys.argv[1]))
for answer in stub.Train(messages()):
    print(answer.WhichOneof("part"), flush=True)
"""


def test_a_client_that_dies_in_mid_training(served: Served) -> None:
    arguments = [
        served.running.address,
        str(Path(connector_pb2.__file__).parents[2]),
        train_start(served).SerializeToString().hex(),
        train_step(0).SerializeToString().hex(),
    ]
    with subprocess.Popen([sys.executable, "-c", CLIENT, *arguments], stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        while client.stdout.readline().strip() != b"reports":
            assert client.poll() is None
        assert work_threads() != []
        client.kill()
    wait_until(lambda: not work_threads(), "the end of the training")
    # The server serves on.
    matrix = unit_rows(1, 2, 3)
    np.testing.assert_array_equal(served.values(served.hold(matrix)), matrix)
