"""What a worker and its decoder processes say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cmcr_worker.decoding.encoded import Encoded, Limits, Part
from cmcr_worker.decoding.regions import Box
from cmcr_worker.errors import Reason, WorkerError


@dataclass(frozen=True, slots=True)
class Open:
    """Begins a session: what is done to its items. The preparation comes pickled."""

    session: int
    modality: str
    limits: Limits
    preparation: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Ends a session: its items that wait are not decoded any more."""

    session: int


@dataclass(frozen=True, slots=True)
class Decode:
    """One item of a session; where it has `regions`, these are prepared in its place, as a `Cut`."""

    session: int
    source: Encoded
    part: Part | None
    regions: tuple[Box, ...] | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """Says that the process takes items."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an item, in the order of the requests: its value, or why it has none.

    `fatal`: no item of the session could fare better. `trace` is for the log, where a bug is the cause.
    """

    value: Any = None
    reason: int = 0
    message: str = ""
    subject: str = ""
    remedy: str = ""
    fatal: bool = False
    trace: str = ""

    def error(self) -> WorkerError:
        """The error that it stands for."""
        return WorkerError(Reason(self.reason), self.message, subject=self.subject, remedy=self.remedy)


def failed(error: WorkerError, *, fatal: bool = False, trace: str = "") -> Answer:
    """The answer for an item that has no value."""
    return Answer(
        reason=error.reason,
        message=error.message,
        subject=error.subject,
        remedy=error.remedy,
        fatal=fatal,
        trace=trace,
    )
