"""The worker's arguments, and what it takes where they say nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from cmcr_worker.server import command
from cmcr_worker.server.state import WorkerState, available_cores


@pytest.fixture
def served_with(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    given: dict[str, Any] = {}
    monkeypatch.setattr("cmcr_worker.server.application.serve", lambda **options: given.update(options) or 0)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    return given


def test_decoders_are_as_many_as_asked_for(served_with: dict[str, Any]) -> None:
    assert command.main(["--listen", "127.0.0.1:0", "--decoders", "3"]) == 0
    assert served_with["decoders"] == 3
    assert command.main(["--listen", "127.0.0.1:0"]) == 0
    assert served_with["decoders"] is None


@pytest.mark.parametrize("name", ["--decoders", "--threads"])
def test_none_at_all_are_refused(name: str, served_with: dict[str, Any], capsys: Any) -> None:
    assert command.main(["--listen", "127.0.0.1:0", name, "0"]) == 2
    assert f"cannot start: {name} must be at least 1" in capsys.readouterr().err
    assert served_with == {}


def test_cores_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = ["max 100000"]
    read = Path.read_text

    def text(path: Path, *arguments: Any, **options: Any) -> str:
        return limits[-1] if str(path) == "/sys/fs/cgroup/cpu.max" else read(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 5, 6, 7, 8}, raising=False)
    assert available_cores() == 6
    for limit, cores in (("250000 100000", 2), ("20000 100000", 1), ("nonsense", 6), ("9900000 100000", 6)):
        limits.append(limit)
        assert available_cores() == cores
    state = WorkerState(device=torch.device("cpu"), threads=1, roots=[])
    assert state.decoders.size == 6
    assert state.decoders.pids() == []
    state.close()
