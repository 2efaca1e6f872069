"""The worker's errors: one class, and the table from reason to gRPC status.

Nothing here imports gRPC or the generated stubs, so that the numerical modules
can raise these errors wherever they run.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Reason(IntEnum):
    """Mirrors `cmcr.v1.ErrorReason`; a test holds the two against each other."""

    CONFIG_INVALID = 1
    SHAPE_MISMATCH = 2
    DTYPE_MISMATCH = 3
    UNKNOWN_NAME = 4
    CHECKPOINT_MISSING = 5
    DATA_MISSING = 6
    DATA_CORRUPT = 7
    STALE_HANDLE = 8
    PROTOCOL_MISMATCH = 9
    PATH_FORBIDDEN = 10
    OUT_OF_MEMORY = 11
    NON_FINITE = 12
    DEVICE_UNAVAILABLE = 13
    STORAGE_FAILED = 14
    INTERNAL = 15


# Names of grpc.StatusCode members.
STATUS_OF_REASON: dict[Reason, str] = {
    Reason.CONFIG_INVALID: "INVALID_ARGUMENT",
    Reason.SHAPE_MISMATCH: "INVALID_ARGUMENT",
    Reason.DTYPE_MISMATCH: "INVALID_ARGUMENT",
    Reason.UNKNOWN_NAME: "NOT_FOUND",
    Reason.CHECKPOINT_MISSING: "NOT_FOUND",
    Reason.DATA_MISSING: "NOT_FOUND",
    Reason.DATA_CORRUPT: "DATA_LOSS",
    Reason.STALE_HANDLE: "FAILED_PRECONDITION",
    Reason.PROTOCOL_MISMATCH: "FAILED_PRECONDITION",
    Reason.PATH_FORBIDDEN: "PERMISSION_DENIED",
    Reason.OUT_OF_MEMORY: "RESOURCE_EXHAUSTED",
    Reason.NON_FINITE: "FAILED_PRECONDITION",
    Reason.DEVICE_UNAVAILABLE: "FAILED_PRECONDITION",
    Reason.STORAGE_FAILED: "RESOURCE_EXHAUSTED",
    Reason.INTERNAL: "INTERNAL",
}


class WorkerError(ValueError):
    """A failure that the caller can act on.

    `subject` names the place (field, file, row), `remedy` what would mend it.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        subject: str = "",
        remedy: str = "",
        known_names: Iterable[str] = (),
        step: int | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.subject = subject
        self.remedy = remedy
        self.known_names = tuple(known_names)
        self.step = step


def unknown_name(kind: str, name: str, known: Iterable[str]) -> WorkerError:
    """The error for a name that a registry does not have; the nearest known names come first."""
    import difflib

    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    ordered = nearest + [other for other in names if other not in nearest]
    hint = f"Did you mean {nearest[0]!r}?" if nearest else f"Known: {', '.join(ordered)}."
    return WorkerError(
        Reason.UNKNOWN_NAME,
        f"there is no {kind} named {name!r}",
        subject=kind,
        remedy=hint,
        known_names=ordered,
    )
