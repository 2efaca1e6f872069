"""From every reason and every kind of exception to what a client gets."""

from __future__ import annotations

import errno
import logging
import re
from pathlib import Path
from typing import Any

import grpc
import pytest
import torch
from served import LIMIT, MEMORY, Failure, Served, failure_of, unit_rows

from cmcr.v1 import connector_pb2, error_pb2, worker_pb2
from cmcr_worker.errors import STATUS_OF_REASON, Reason, WorkerError
from cmcr_worker.server import connectors, information

PROTO = Path(__file__).parents[3] / "proto" / "cmcr" / "v1" / "error.proto"

EXPECTED = {
    Reason.CONFIG_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.SHAPE_MISMATCH: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.DTYPE_MISMATCH: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.UNKNOWN_NAME: grpc.StatusCode.NOT_FOUND,
    Reason.CHECKPOINT_MISSING: grpc.StatusCode.NOT_FOUND,
    Reason.DATA_MISSING: grpc.StatusCode.NOT_FOUND,
    Reason.DATA_CORRUPT: grpc.StatusCode.DATA_LOSS,
    Reason.STALE_HANDLE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.PROTOCOL_MISMATCH: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.PATH_FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Reason.OUT_OF_MEMORY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.NON_FINITE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.DEVICE_UNAVAILABLE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.STORAGE_FAILED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
}


def unary_failure(served: Served, monkeypatch: pytest.MonkeyPatch, error: Exception) -> Failure:
    """What a client gets when a unary call raises `error`."""

    def fail(*_: Any) -> str:
        raise error

    monkeypatch.setattr(information, "device_name", fail)
    return failure_of(lambda: [served.worker.GetInfo(worker_pb2.GetInfoRequest(), timeout=LIMIT)])


def stream_failure(served: Served, monkeypatch: pytest.MonkeyPatch, error: Exception) -> Failure:
    """What a client gets when the work of a streaming call raises `error` on its thread."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(connectors, "attend", fail)
    handle = served.hold(unit_rows(1, 3, 4))
    request = connector_pb2.AttendRequest(queries=handle, memory=handle, temperature=0.1, destination=MEMORY)
    return failure_of(lambda: served.connectors.Attend(request, timeout=LIMIT))


def test_reasons_are_those_of_the_proto() -> None:
    declared = {
        name.removeprefix("ERROR_REASON_"): number
        for name, number in error_pb2.ErrorReason.items()
        if name != "ERROR_REASON_UNSPECIFIED"
    }
    assert {reason.name: int(reason) for reason in Reason} == declared


def test_each_reason_has_a_status_that_is_one() -> None:
    assert set(STATUS_OF_REASON) == set(Reason)
    assert {reason: grpc.StatusCode[name] for reason, name in STATUS_OF_REASON.items()} == EXPECTED


def test_the_proto_documents_the_status_of_each_reason() -> None:
    documented = re.findall(r"([A-Z_]+)\.\n +ERROR_REASON_([A-Z_]+) = ", PROTO.read_text())
    assert {Reason[reason]: grpc.StatusCode[code] for code, reason in documented} == EXPECTED


@pytest.mark.parametrize("fail", [unary_failure, stream_failure])
@pytest.mark.parametrize("reason", Reason)
def test_each_reason_reaches_the_client_with_its_details(
    served: Served, monkeypatch: pytest.MonkeyPatch, reason: Reason, fail: Any
) -> None:
    error = WorkerError(
        reason, "what went wrong", subject="the place", remedy="Mend it.", known_names=["b", "a"], step=3
    )
    got = fail(served, monkeypatch, error)
    assert (got.code, got.message) == (EXPECTED[reason], "what went wrong")
    assert got.detail == error_pb2.ErrorDetail(
        reason=int(reason), subject="the place", remedy="Mend it.", known_names=["b", "a"], step=3
    )
    assert bool(got.traceback) == (reason is Reason.INTERNAL)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), Reason.OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), Reason.OUT_OF_MEMORY),
        (OSError(errno.ENOSPC, "No space left on device", "result.npy"), Reason.STORAGE_FAILED),
        (PermissionError(errno.EACCES, "Permission denied", "result.npy"), Reason.STORAGE_FAILED),
        (KeyError("weights"), Reason.INTERNAL),
        (AssertionError(), Reason.INTERNAL),
    ],
)
@pytest.mark.parametrize("fail", [unary_failure, stream_failure])
def test_other_exceptions_get_a_reason_by_their_kind(
    served: Served, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: Reason, fail: Any
) -> None:
    got = fail(served, monkeypatch, error)
    assert (got.code, got.reason) == (EXPECTED[reason], reason)
    assert got.message
    # A header that ends in a space is dropped by other languages' clients.
    assert got.message == got.message.strip()
    assert got.detail is not None
    assert got.detail.remedy


def test_an_allocation_that_fails_on_the_cpu_is_out_of_memory(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    got = unary_failure(served, monkeypatch, caught.value)
    assert (got.code, got.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.OUT_OF_MEMORY)


def test_a_bug_is_internal_with_its_traceback_apart_from_its_message(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "cmcr_worker"):
        got = unary_failure(
            served, monkeypatch, RuntimeError("no kernel in /srv/secret/libs/k.so\nsecond line")
        )
    assert got.reason is Reason.INTERNAL
    assert got.message == "a bug in the worker: RuntimeError: no kernel in …/k.so"
    trace = "".join(got.traceback)
    assert trace.rstrip().endswith("second line")
    assert "information.py" in trace
    assert "second line" in caplog.text


def test_a_bug_with_a_very_long_text_still_arrives(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All headers of an answer together may have 8 KiB; a client refuses an answer with more."""
    error = RuntimeError("long " * 20_000)
    for depth in range(40):
        error.add_note(f"note {depth} " * 40)
    got = unary_failure(served, monkeypatch, error)
    assert got.reason is Reason.INTERNAL
    assert len(got.message) < 1_000
    assert len(caplog.text) > 100_000


def test_a_bug_deep_in_a_recursion_still_arrives(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def descend(depth: int) -> None:
        if depth == 0:
            raise RuntimeError("the bottom")
        go_on(depth)

    def go_on(depth: int) -> None:
        # Two functions in turn: a traceback leaves out the repeats of one line.
        descend(depth - 1)

    def fail(*_: Any) -> str:
        descend(200)
        return ""

    monkeypatch.setattr(information, "device_name", fail)
    got = failure_of(lambda: [served.worker.GetInfo(worker_pb2.GetInfoRequest(), timeout=LIMIT)])
    assert got.reason is Reason.INTERNAL
    assert "the bottom" in got.traceback[-1]
