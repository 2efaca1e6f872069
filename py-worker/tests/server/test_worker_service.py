"""The server as a whole: who answers, health, reflection, addresses, sockets."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import grpc
import pytest
import torch
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from served import LIMIT, Served, failure_of, serving, unit_rows

from cmcr.v1 import tensor_pb2, worker_pb2
from cmcr_worker import __version__
from cmcr_worker.connectors.heads import HEADS
from cmcr_worker.connectors.registry import CONNECTORS
from cmcr_worker.encoders.registry import PROVIDERS
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.generators.registry import GENERATORS
from cmcr_worker.server.application import SERVICES, check_address, start_server
from cmcr_worker.server.state import WorkerState, resolve_device

NAMES = [
    "cmcr.v1.ConnectorService",
    "cmcr.v1.EncoderService",
    "cmcr.v1.RetrievalService",
    "cmcr.v1.TensorService",
    "cmcr.v1.WorkerService",
]


def state_of(root: Path) -> WorkerState:
    return WorkerState(device=torch.device("cpu"), threads=1, roots=[root])


def test_information(served: Served) -> None:
    info = served.worker.GetInfo(worker_pb2.GetInfoRequest(), timeout=LIMIT)
    assert info.protocol_version == 1
    assert info.worker_version == __version__
    assert info.torch_version == torch.__version__
    assert info.cuda_version == (torch.version.cuda or "")
    assert (info.device, info.threads, info.pid) == ("cpu", 1, os.getpid())
    assert info.device_name
    assert list(info.encoders) == sorted(PROVIDERS)
    assert list(info.connectors) == sorted(CONNECTORS)
    assert list(info.heads) == sorted(HEADS)
    assert list(info.generators) == sorted(GENERATORS)
    assert list(info.roots) == [str(served.root)]


@pytest.mark.parametrize("service", ["", *NAMES])
def test_health(served: Served, service: str) -> None:
    stub = health_pb2_grpc.HealthStub(served.channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=LIMIT)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_health_of_a_service_that_is_not_there(served: Served) -> None:
    stub = health_pb2_grpc.HealthStub(served.channel)
    got = failure_of(
        lambda: [stub.Check(health_pb2.HealthCheckRequest(service="cmcr.v1.Nothing"), timeout=LIMIT)]
    )
    assert got.code is grpc.StatusCode.NOT_FOUND


def test_reflection_lists_the_services_and_gives_their_files(served: Served) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        *(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in NAMES),
    ]
    listing, *files = stub.ServerReflectionInfo(iter(requests), timeout=LIMIT)
    listed = {service.name for service in listing.list_services_response.service}
    assert listed == {*NAMES, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    for name, answer in zip(NAMES, files, strict=True):
        found = [
            FileDescriptorProto.FromString(data)
            for data in answer.file_descriptor_response.file_descriptor_proto
        ]
        assert name.rpartition(".")[2] in {service.name for file in found for service in file.service}


def test_every_service_of_the_protocol_is_served() -> None:
    assert sorted(service.full_name for service in SERVICES) == NAMES


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0:0",
        "[::]:0",
        "192.168.0.1:50051",
        "example.org:50051",
        "127.0.0.1",
        "127.0.0.1:http",
        ":50051",
        "",
    ],
)
def test_an_address_that_others_can_reach_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(WorkerError) as caught:
        start_server(address=address, state=state_of(tmp_path))
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.subject == "--listen"


@pytest.mark.parametrize(
    "address", ["127.0.0.1:0", "localhost:50051", "[::1]:50051", "unix:/tmp/worker.sock"]
)
def test_an_address_of_this_machine_is_taken(address: str) -> None:
    check_address(address)


def test_a_socket_path_of_more_than_107_bytes_is_refused() -> None:
    check_address("unix:/" + "s" * 106)
    with pytest.raises(WorkerError, match="107"):
        check_address("unix:/" + "é" * 54)


def test_a_loopback_server_says_its_real_port(tmp_path: Path) -> None:
    with serving(tmp_path, "127.0.0.1:0") as served:
        host, _, port = served.running.address.rpartition(":")
        assert host == "127.0.0.1"
        assert int(port) > 0
        assert served.worker.GetInfo(worker_pb2.GetInfoRequest(), timeout=LIMIT).pid == os.getpid()


def test_a_socket_is_its_owners_alone_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    before = os.umask(0o022)
    try:
        with serving(tmp_path, f"unix:{path}"):
            mode = path.stat().st_mode
            assert stat.S_ISSOCK(mode)
            assert stat.S_IMODE(mode) == 0o600
            assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert not path.exists()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    with serving(tmp_path, f"unix:{path}") as served:
        assert served.worker.GetInfo(worker_pb2.GetInfoRequest(), timeout=LIMIT).pid == os.getpid()


def test_a_socket_in_use_is_left_to_its_worker(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/worker.sock"
    with serving(tmp_path, address) as served:
        with pytest.raises(WorkerError) as caught:
            start_server(address=address, state=state_of(tmp_path))
        assert caught.value.reason is Reason.CONFIG_INVALID
        assert "another worker" in caught.value.remedy
        assert served.worker.GetInfo(worker_pb2.GetInfoRequest(), timeout=LIMIT).pid == os.getpid()


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, "127.0.0.1:0") as served, pytest.raises(WorkerError) as caught:
        start_server(address=served.running.address, state=state_of(tmp_path))
    assert caught.value.reason is Reason.CONFIG_INVALID


def test_a_socket_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkerError) as caught:
        start_server(address=f"unix:{tmp_path}/nowhere/worker.sock", state=state_of(tmp_path))
    assert caught.value.reason is Reason.CONFIG_INVALID


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "mps", ""])
def test_a_name_that_is_no_device(device: str) -> None:
    with pytest.raises(WorkerError) as caught:
        resolve_device(device)
    assert caught.value.reason is Reason.CONFIG_INVALID


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto").type == "cuda"
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(WorkerError, match="2 CUDA devices") as caught:
        resolve_device("cuda:2")
    assert caught.value.reason is Reason.DEVICE_UNAVAILABLE
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert resolve_device("auto") == resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(WorkerError) as caught:
        resolve_device("cuda")
    assert caught.value.reason is Reason.DEVICE_UNAVAILABLE


def test_health_answers_while_as_many_calls_wait_as_a_client_may_make(served: Served) -> None:
    """Work runs apart from the threads that answer; uploads that pause keep none of them from health."""
    release = threading.Event()

    def paused() -> object:
        yield tensor_pb2.UploadRequest(header=tensor_pb2.UploadHeader(dtype=2, shape=[2, 3]))
        release.wait(LIMIT)
        yield tensor_pb2.UploadRequest(chunk=unit_rows(1, 2, 3).tobytes())

    calls = [served.tensors.Upload.future(paused(), timeout=LIMIT) for _ in range(8)]
    try:
        stub = health_pb2_grpc.HealthStub(served.channel)
        assert stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=LIMIT).status == 1
    finally:
        release.set()
    assert [list(call.result().tensor.shape) for call in calls] == [[2, 3]] * 8
