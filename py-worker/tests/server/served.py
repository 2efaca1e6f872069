"""A worker that serves in this process, and what its calls fail with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
import torch
from google.rpc import error_details_pb2, status_pb2

from cmcr.v1 import (
    connector_pb2,
    connector_pb2_grpc,
    encoder_pb2_grpc,
    error_pb2,
    retrieval_pb2_grpc,
    tensor_pb2,
    tensor_pb2_grpc,
    worker_pb2_grpc,
)
from cmcr_worker.errors import Reason
from cmcr_worker.server.application import MESSAGE_LIMIT, RunningServer, start_server
from cmcr_worker.server.state import WorkerState

MEMORY = tensor_pb2.Destination(memory=True)
FLOAT16 = tensor_pb2.ELEMENT_TYPE_FLOAT16
FLOAT32 = tensor_pb2.ELEMENT_TYPE_FLOAT32

# A call that takes longer is stuck.
LIMIT = 20.0


@dataclass(frozen=True)
class Failure:
    """What a failed call told its client."""

    code: grpc.StatusCode
    message: str
    detail: error_pb2.ErrorDetail | None
    traceback: tuple[str, ...]

    @property
    def reason(self) -> Reason | None:
        return None if self.detail is None else Reason(self.detail.reason)


def failure_of(call: Any) -> Failure:
    """Runs `call`, which must fail; a stream is read until it does."""
    with pytest.raises(grpc.RpcError) as caught:
        for _ in call():
            pass
    return failure(caught.value)


def failure(error: Any) -> Failure:
    """What the client's exception carries."""
    metadata = dict(error.trailing_metadata() or ())
    detail, traceback = None, ()
    raw = metadata.get("grpc-status-details-bin")
    if raw is not None:
        status = status_pb2.Status.FromString(raw)
        assert status.code == error.code().value[0]
        assert status.message == error.details()
        for packed in status.details:
            if packed.Is(error_pb2.ErrorDetail.DESCRIPTOR):
                detail = error_pb2.ErrorDetail()
                packed.Unpack(detail)
            if packed.Is(error_details_pb2.DebugInfo.DESCRIPTOR):
                debug = error_details_pb2.DebugInfo()
                packed.Unpack(debug)
                traceback = tuple(debug.stack_entries)
    return Failure(error.code(), error.details(), detail, traceback)


class Served:
    """A running server, its folder, and a client of each of its services."""

    def __init__(self, running: RunningServer, channel: grpc.Channel, root: Path) -> None:
        self.running = running
        self.state = running.state
        self.channel = channel
        self.root = root
        self.worker = worker_pb2_grpc.WorkerServiceStub(channel)
        self.tensors = tensor_pb2_grpc.TensorServiceStub(channel)
        self.encoders = encoder_pb2_grpc.EncoderServiceStub(channel)
        self.connectors = connector_pb2_grpc.ConnectorServiceStub(channel)
        self.retrieval = retrieval_pb2_grpc.RetrievalServiceStub(channel)

    def hold(self, matrix: npt.NDArray[Any]) -> str:
        """The handle of a matrix that the worker holds from now on."""
        return self.state.tensors.put(np.ascontiguousarray(matrix))

    def values(self, handle: str) -> npt.NDArray[np.float32]:
        """The matrix under a handle, over the wire."""
        header, *rest = self.tensors.Download(tensor_pb2.DownloadRequest(handle=handle), timeout=LIMIT)
        data = b"".join(message.chunk for message in rest)
        return np.frombuffer(data, dtype="<f4").reshape(tuple(header.header.shape))

    def at(self, name: str) -> tensor_pb2.Destination:
        """A file of the worker's root as a destination."""
        return tensor_pb2.Destination(path=str(self.root / name))


@contextmanager
def serving(root: Path, address: str | None = None) -> Iterator[Served]:
    """Serves `root` on a unix socket of its own, or at `address`."""
    with TemporaryDirectory(prefix="cmcr-test-") as folder:
        state = WorkerState(device=torch.device("cpu"), threads=1, roots=[root.resolve()])
        running = start_server(address=address or f"unix:{folder}/worker.sock", state=state)
        options = [("grpc.max_receive_message_length", MESSAGE_LIMIT)]
        try:
            with grpc.insecure_channel(running.address, options) as channel:
                yield Served(running, channel, root.resolve())
        finally:
            running.stop(grace=0)


def unit_rows(seed: int, rows: int, columns: int) -> npt.NDArray[np.float32]:
    """Random rows of length one, (rows, columns)."""
    x = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    return normalized(x).astype(np.float32)


def normalized(x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Rows divided by their L2 norm, in float64."""
    y = np.asarray(x, dtype=np.float64)
    return y / np.linalg.norm(y, axis=1, keepdims=True)


def uint32(values: Iterable[int]) -> bytes:
    """Little-endian uint32."""
    return np.fromiter(values, dtype="<u4").tobytes()


def train_start(served: Served, **changes: Any) -> connector_pb2.TrainStart:
    """The start of a small training on random data of the seed 1."""
    sides = []
    for number, (space, width) in enumerate((("sight", 6), ("hearing", 5))):
        head = connector_pb2.Head(preset="audio-visual", input_dim=width, output_dim=4)
        overlap = served.hold(unit_rows(10 + number, 40, width))
        pseudo = served.hold(unit_rows(20 + number, 40, width))
        sides.append(connector_pb2.TrainSide(space=space, head=head, overlap=overlap, pseudo=pseudo))
    fields: dict[str, Any] = {
        "run_id": "test",
        "sides": sides,
        "initialization": connector_pb2.INITIALIZATION_DEFAULT,
        "seed": 7,
        "batch_norm": connector_pb2.BATCH_NORM_MODE_TOGETHER,
        "optimizer": connector_pb2.OPTIMIZER_KIND_ADAMW,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
    }
    return connector_pb2.TrainStart(**{**fields, **changes})


def train_step(number: int, **changes: Any) -> connector_pb2.Step:
    """Step `number` of a small training: 16 rows drawn from the step's number."""
    rows = np.random.default_rng(number).permutation(40)[:16]
    fields: dict[str, Any] = {
        "number": number,
        "rows": uint32(rows),
        "noise_seed": 1000 + number,
        "learning_rate": 1e-2,
        "weight_decay": 1e-2,
        "noise_variance": 0.004,
        "overlap_weight": 1.0,
        "overlap_temperature": 0.1,
        "pseudo_weight": 1.0,
        "pseudo_temperature": 0.1,
        "intra_weight": 0.1,
    }
    return connector_pb2.Step(**{**fields, **changes})


def start_message(start: connector_pb2.TrainStart) -> connector_pb2.TrainRequest:
    """A start as a message."""
    return connector_pb2.TrainRequest(start=start)


def block(*steps: connector_pb2.Step) -> connector_pb2.TrainRequest:
    """Steps as one message."""
    return connector_pb2.TrainRequest(block=connector_pb2.StepBlock(steps=steps))
