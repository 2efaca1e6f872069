"""Builds the server from its services and runs it until it is told to end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import torch
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from cmcr.v1 import (
    connector_pb2,
    connector_pb2_grpc,
    encoder_pb2,
    encoder_pb2_grpc,
    retrieval_pb2,
    retrieval_pb2_grpc,
    tensor_pb2,
    tensor_pb2_grpc,
    worker_pb2,
    worker_pb2_grpc,
)
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.server.connectors import ConnectorService
from cmcr_worker.server.encoders import EncoderService
from cmcr_worker.server.information import WorkerInformation
from cmcr_worker.server.retrieval import RetrievalService
from cmcr_worker.server.state import WorkerState, resolve_device
from cmcr_worker.server.tensors import TensorService

MESSAGE_LIMIT = 64 * 1024 * 1024
"""Bytes of one message, both ways; the default of 4 MiB counts its framing too."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
CALL_THREADS = 16
"""Calls under way at once; health and cancellation never wait for torch."""

SERVICES = (
    worker_pb2.DESCRIPTOR.services_by_name["WorkerService"],
    tensor_pb2.DESCRIPTOR.services_by_name["TensorService"],
    encoder_pb2.DESCRIPTOR.services_by_name["EncoderService"],
    connector_pb2.DESCRIPTOR.services_by_name["ConnectorService"],
    retrieval_pb2.DESCRIPTOR.services_by_name["RetrievalService"],
)


@dataclass(frozen=True)
class RunningServer:
    """A started server, and the address that it listens on (with the real port)."""

    server: grpc.Server
    state: WorkerState
    address: str

    def stop(self, grace: float) -> None:
        """Ends every call within `grace` seconds and closes the socket."""
        self.state.stopping.set()
        self.server.stop(grace).wait(grace + 1.0)
        self.state.close()
        if self.address.startswith("unix:"):
            Path(self.address.removeprefix("unix:")).unlink(missing_ok=True)

    def remove_folder(self) -> None:
        """Removes the socket's folder if it is empty: the parent that made it for us is gone."""
        if self.address.startswith("unix:"):
            with contextlib.suppress(OSError):
                Path(self.address.removeprefix("unix:")).parent.rmdir()


def start_server(*, address: str, state: WorkerState) -> RunningServer:
    """Starts serving on `unix:/path` or on a loopback `host:port` (port 0: any)."""
    check_address(address)
    _check_unused(address)
    server = grpc.server(
        ThreadPoolExecutor(max_workers=CALL_THREADS, thread_name_prefix="call"),
        options=[
            ("grpc.max_receive_message_length", MESSAGE_LIMIT),
            ("grpc.max_send_message_length", MESSAGE_LIMIT),
            ("grpc.so_reuseport", 0),
        ],
    )
    worker_pb2_grpc.add_WorkerServiceServicer_to_server(WorkerInformation(state), server)
    tensor_pb2_grpc.add_TensorServiceServicer_to_server(TensorService(state), server)
    encoder_pb2_grpc.add_EncoderServiceServicer_to_server(EncoderService(state), server)
    connector_pb2_grpc.add_ConnectorServiceServicer_to_server(ConnectorService(state), server)
    retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server(RetrievalService(state), server)

    health_service = health.HealthServicer()
    names = [service.full_name for service in SERVICES]
    for name in ["", *names]:
        health_service.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)

    try:
        # The folder of a socket is its owner's alone, and so is the socket.
        previous = os.umask(0o177) if address.startswith("unix:") else None
        try:
            port = server.add_insecure_port(address)
        finally:
            if previous is not None:
                os.umask(previous)
    except RuntimeError as error:
        raise _cannot_listen(address) from error
    server.start()
    bound = address if address.startswith("unix:") else f"{address.rsplit(':', 1)[0]}:{port}"
    return RunningServer(server=server, state=state, address=bound)


def check_address(address: str) -> None:
    """Refuses addresses that other machines can reach: this server speaks without TLS."""
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        if len(os.fsencode(path)) >= 108:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"the socket's path has {len(os.fsencode(path))} bytes, and a socket's path may have 107",
                subject="--listen",
                remedy="Use a shorter temporary folder.",
            )
        return
    host, _, port = address.rpartition(":")
    if host not in LOOPBACK or not port.isdigit():
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"cannot listen on {address!r}: only unix:/path and loopback addresses are served without TLS",
            subject="--listen",
            remedy="Use unix:/path or 127.0.0.1:PORT.",
        )


def _check_unused(address: str) -> None:
    """Refuses a socket that another worker answers on: gRPC would take it away from that one."""
    if not address.startswith("unix:"):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address.removeprefix("unix:"))
        except OSError:
            return
    raise _cannot_listen(address)


def _cannot_listen(address: str) -> WorkerError:
    return WorkerError(
        Reason.CONFIG_INVALID,
        f"cannot listen on {address}",
        subject="--listen",
        remedy="Is another worker using it, or does its folder not exist?",
    )


def serve(
    *,
    address: str,
    device: str,
    threads: int,
    decoders: int | None,
    roots: Sequence[Path],
    exit_with_stdin: bool,
) -> int:
    """Serves until a signal, or until standard input closes when that is asked for. Returns 0."""
    torch.set_num_threads(threads)
    state = WorkerState(device=resolve_device(device), threads=threads, roots=tuple(roots), decoders=decoders)
    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ended.set())
    if exit_with_stdin:
        threading.Thread(target=_end_with_stdin, args=(ended,), daemon=True).start()
    running = start_server(address=address, state=state)
    print(
        f"cmcr_worker: listening on {running.address}, device {state.device}, {threads} thread(s), "
        f"{state.decoders.size} decoder(s)",
        flush=True,
    )
    ended.wait()
    running.stop(grace=1.0)
    if exit_with_stdin:
        running.remove_folder()
    # A trainer thread in the middle of a long operation must not keep the process.
    sys.stdout.flush()
    os._exit(0)


def _end_with_stdin(ended: threading.Event) -> None:
    with contextlib.suppress(OSError, ValueError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    ended.set()
