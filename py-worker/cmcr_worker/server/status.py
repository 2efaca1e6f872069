"""From a WorkerError to a gRPC status with details, in one place for every call."""

from __future__ import annotations

import functools
import logging
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeVar

import grpc
import torch
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from cmcr.v1 import error_pb2
from cmcr_worker.errors import STATUS_OF_REASON, Reason, WorkerError
from cmcr_worker.tensors.progress import Cancelled

DETAILS_KEY = "grpc-status-details-bin"

# All headers of an answer together may have 8 KiB, or its client refuses it whole. The details are
# in base64, which adds a third; the message comes once more by itself, each odd byte as three.
TEXT_BYTES = 600
"""Of the message, the subject and the remedy each."""

NAMES_BYTES = 800
DEBUG_BYTES = 2 * 1024

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
    if is_out_of_memory(error):
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
    what = _without_folders(error)
    return WorkerError(
        Reason.INTERNAL,
        f"a bug in the worker: {type(error).__name__}{': ' if what else ''}{what}",
        remedy="Please report it with the traceback in the log.",
    )


def abort(context: grpc.ServicerContext, error: Exception) -> NoReturn:
    """Ends the call with the error's status; always raises."""
    if isinstance(error, Cancelled) or not context.is_active():
        context.abort(grpc.StatusCode.CANCELLED, "cancelled")
        raise AssertionError  # abort raises; this line is for the type checker
    worker_error = as_worker_error(error)
    code: grpc.StatusCode = getattr(grpc.StatusCode, STATUS_OF_REASON[worker_error.reason])
    message = _shortened(worker_error.message)
    detail = error_pb2.ErrorDetail(
        reason=f"ERROR_REASON_{worker_error.reason.name}",
        subject=_shortened(worker_error.subject),
        remedy=_shortened(worker_error.remedy),
        known_names=_within(NAMES_BYTES, worker_error.known_names),
        step=worker_error.step,
    )
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.append(_packed(detail))
    if worker_error.reason is Reason.INTERNAL:
        lines = traceback.format_exception(error)
        LOG.error("%s", "".join(lines))
        last = _within(DEBUG_BYTES, reversed(lines))[::-1]
        status.details.append(_packed(error_details_pb2.DebugInfo(stack_entries=last)))
    context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
    context.abort(code, message)
    raise AssertionError


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device, or the CPU, has no memory left for what was asked of it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU's allocator raises a plain RuntimeError, and so do NVIDIA's libraries for their own work space.
    return isinstance(error, RuntimeError) and any(
        mark in str(error) for mark in ("DefaultCPUAllocator", "STATUS_ALLOC_FAILED", "CUDA out of memory")
    )


def _without_folders(error: Exception) -> str:
    """The first line of the error's text, its paths cut to their last part."""
    return FOLDERS.sub("…/", str(error).strip().partition("\n")[0])


def _shortened(text: str) -> str:
    """The text, its middle left out where it is too long for a header.

    HTTP/2 has no header that ends in a space: a client of another language would see none at all.
    """
    data = text.strip().encode(errors="replace")
    if len(data) <= TEXT_BYTES:
        return text.strip()
    half = TEXT_BYTES // 2 - 4
    return f"{data[:half].decode(errors='ignore')} … {data[-half:].decode(errors='ignore')}"


def _within(room: int, texts: Iterable[str]) -> list[str]:
    """As many of the first texts as have together at most `room` bytes."""
    kept: list[str] = []
    for text in texts:
        room -= len(text.encode(errors="replace"))
        if room < 0:
            break
        kept.append(text)
    return kept


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
