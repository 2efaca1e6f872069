"""What the services share: the device, the roots, the matrices and connectors under handles."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from cmcr_worker.decoding.pool import DecoderPool
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.server.encoder_cache import EncoderCache
from cmcr_worker.tensors.holder import Holder, TensorHolder


class HeldConnector(Protocol):
    """A fitted or loaded connector: embeds rows of its spaces into the joint one."""

    @property
    def output_dim(self) -> int:
        """Dimension of the joint space."""
        ...

    def embed(self, space: str, x: Tensor) -> Tensor:
        """(n, d) rows of `space` -> (n, output_dim), rows L2-normalised."""
        ...


class WorkerState:
    """All that outlives a request; lost, without harm, when the worker ends.

    `decoders` is the number of decoder processes; None: as many as there are cores.
    """

    def __init__(
        self, *, device: torch.device, threads: int, roots: Sequence[Path], decoders: int | None = None
    ) -> None:
        self.device = device
        self.threads = threads
        self.roots = tuple(roots)
        self.tensors = TensorHolder()
        self.connectors: Holder[HeldConnector] = Holder("connector")
        self.encoders = EncoderCache(device)
        self.decoders = DecoderPool(decoders if decoders is not None else available_cores())
        self.stopping = threading.Event()

    def close(self) -> None:
        """Ends the decoder processes; the last thing to be done."""
        self.stopping.set()
        self.decoders.close()

    def path(self, text: str, *, field: str) -> Path:
        """The resolved path, which must lie below one of the roots, links included.

        Raises WorkerError PATH_FORBIDDEN, without saying whether the file exists.
        """
        refusal = WorkerError(
            Reason.PATH_FORBIDDEN,
            f"{text!r} is not below a folder that this worker may use",
            subject=field,
            remedy="Start the worker with --root for that folder.",
        )
        given = Path(text)
        try:
            resolved = given.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            # Links in a circle, or a zero byte: no place at all.
            raise refusal from error
        # A root itself is no file, and what is written beside it would lie outside.
        if not given.is_absolute() or not any(root in resolved.parents for root in self.roots):
            raise refusal
        return resolved


def available_cores() -> int:
    """Cores that this process may use, by its affinity and its control group; at least 1."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):
        # No control group, or none with a limit.
        pass
    return max(1, cores)


def resolve_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. A named device must be there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    index = name.removeprefix("cuda").removeprefix(":") if name.startswith("cuda") else "x"
    if name == "cuda" or (name.startswith("cuda:") and index.isdigit()):
        number = int(index or 0)
        if not torch.cuda.is_available() or number >= torch.cuda.device_count():
            raise WorkerError(
                Reason.DEVICE_UNAVAILABLE,
                f"the device {name} is not on this machine ({torch.cuda.device_count()} CUDA devices found)",
                subject="worker.device",
                remedy="Use device: auto or device: cpu.",
            )
        return torch.device("cuda", number)
    raise WorkerError(
        Reason.CONFIG_INVALID,
        f"{name!r} is not a device",
        subject="worker.device",
        remedy="Use auto, cpu, cuda or cuda:N.",
    )
