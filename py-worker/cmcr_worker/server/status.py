"""From a WorkerError to a gRPC status with details, in one place for every call."""

from __future__ import annotations

import functools
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

import grpc
import torch
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from cmcr.v1 import error_pb2
from cmcr_worker.errors import STATUS_OF_REASON, Reason, WorkerError
from cmcr_worker.tensors.progress import Cancelled

DETAILS_KEY = "grpc-status-details-bin"

DEBUG_BYTES = 3 * 1024
"""Of the traceback in a status: all headers together may have 8 KiB, and base64 adds a third."""

MESSAGE_CHARACTERS = 500

FOLDERS = re.compile(r"(?:/[^\s/'\"]+)+/")
LOG = logging.getLogger("cmcr_worker")

Method = TypeVar("Method", bound=Callable[..., Any])


def unary(method: Method) -> Method:
    """Turns what a unary method raises into a status with details."""

    @functools.wraps(method)
    def wrapped(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except Exception as error:
            abort(context, error)

    return wrapped  # type: ignore[return-value]


def streaming(method: Method) -> Method:
    """The same for a method that yields its responses."""

    @functools.wraps(method)
    def wrapped(self: Any, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        try:
            yield from method(self, request, context)
        except GeneratorExit:
            raise
        except Exception as error:
            abort(context, error)

    return wrapped  # type: ignore[return-value]


def as_worker_error(error: Exception) -> WorkerError:
    """Every exception as a WorkerError: those of memory and disk by their kind, the rest INTERNAL."""
    if isinstance(error, WorkerError):
        return error
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or _is_cpu_allocation(error):
        what = _without_folders(error) or "allocation failed"
        return WorkerError(
            Reason.OUT_OF_MEMORY,
            f"the device has too little memory: {what}",
            remedy="Use a smaller batch.",
        )
    if isinstance(error, OSError):
        return WorkerError(
            Reason.STORAGE_FAILED,
            f"{error.strerror or error}: {error.filename or 'a file'}",
            subject=str(error.filename or ""),
            remedy="Check the free space and the permissions of that folder.",
        )
    return WorkerError(
        Reason.INTERNAL,
        f"a bug in the worker: {type(error).__name__}: {_without_folders(error)}",
        remedy="Please report it with the traceback in the log.",
    )


def abort(context: grpc.ServicerContext, error: Exception) -> NoReturn:
    """Ends the call with the error's status; always raises."""
    if isinstance(error, Cancelled) or not context.is_active():
        context.abort(grpc.StatusCode.CANCELLED, "cancelled")
        raise AssertionError  # abort raises; this line is for the type checker
    worker_error = as_worker_error(error)
    code: grpc.StatusCode = getattr(grpc.StatusCode, STATUS_OF_REASON[worker_error.reason])
    detail = error_pb2.ErrorDetail(
        reason=f"ERROR_REASON_{worker_error.reason.name}",
        subject=worker_error.subject,
        remedy=worker_error.remedy,
        known_names=worker_error.known_names,
        step=worker_error.step,
    )
    status = status_pb2.Status(code=code.value[0], message=worker_error.message)
    status.details.append(_packed(detail))
    if worker_error.reason is Reason.INTERNAL:
        lines = traceback.format_exception(error)
        LOG.error("%s", "".join(lines))
        status.details.append(_packed(error_details_pb2.DebugInfo(stack_entries=_last(lines))))
    context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
    context.abort(code, worker_error.message)
    raise AssertionError


def _is_cpu_allocation(error: Exception) -> bool:
    # The CPU's allocator raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def _without_folders(error: Exception) -> str:
    """The first line of the error's text, its paths cut to their last part, and not too long for a header."""
    text = str(error).strip().partition("\n")[0]
    return FOLDERS.sub("…/", text)[:MESSAGE_CHARACTERS]


def _last(lines: list[str]) -> list[str]:
    """As many of the last entries as a header has room for; the log has all."""
    kept: list[str] = []
    room = DEBUG_BYTES
    for line in reversed(lines):
        room -= len(line.encode())
        if room < 0:
            break
        kept.insert(0, line)
    return kept


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
