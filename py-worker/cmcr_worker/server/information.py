"""WorkerService: who answers."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

import grpc
import torch

from cmcr.v1 import worker_pb2, worker_pb2_grpc
from cmcr_worker import __version__
from cmcr_worker.connectors.heads import HEADS
from cmcr_worker.connectors.registry import CONNECTORS
from cmcr_worker.encoders.registry import PROVIDERS
from cmcr_worker.generators.registry import GENERATORS
from cmcr_worker.server.state import WorkerState
from cmcr_worker.server.status import unary

PROTOCOL_VERSION = 1
"""Raised with every change that an older orchestrator would misunderstand."""


class WorkerInformation(worker_pb2_grpc.WorkerServiceServicer):
    """Answers GetInfo."""

    def __init__(self, state: WorkerState) -> None:
        self._state = state

    @unary
    def GetInfo(
        self, request: worker_pb2.GetInfoRequest, context: grpc.ServicerContext
    ) -> worker_pb2.GetInfoResponse:
        """Versions, device, registered names and roots."""
        state = self._state
        return worker_pb2.GetInfoResponse(
            protocol_version=PROTOCOL_VERSION,
            worker_version=__version__,
            git_revision=git_revision(),
            python_version=platform.python_version(),
            torch_version=torch.__version__,
            cuda_version=torch.version.cuda or "",
            device=str(state.device),
            device_name=device_name(state.device),
            threads=state.threads,
            pid=os.getpid(),
            encoders=sorted(PROVIDERS),
            connectors=sorted(CONNECTORS),
            heads=sorted(HEADS),
            generators=sorted(GENERATORS),
            roots=[str(root) for root in state.roots],
        )


def device_name(device: torch.device) -> str:
    """The card's name, or the processor's."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def git_revision() -> str:
    """Revision of the checkout that this file lies in; empty when it lies in none."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
