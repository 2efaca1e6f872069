"""What long work tells its caller, and how the caller stops it."""

from __future__ import annotations

from collections.abc import Callable

# Called with (rows done, rows in all).
Progress = Callable[[int, int], None]
# Answers whether the caller has given up.
CancelCheck = Callable[[], bool]


class Cancelled(Exception):
    """Raised from long work once its `cancelled` callback answered true."""


def stop_if(cancelled: CancelCheck | None) -> None:
    """Raises `Cancelled` when the caller has given up."""
    if cancelled is not None and cancelled():
        raise Cancelled()


def report(progress: Progress | None, done: int, total: int) -> None:
    """Tells the caller how far the work is, if it listens."""
    if progress is not None:
        progress(done, total)
