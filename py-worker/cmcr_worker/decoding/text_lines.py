"""Lines of a text file that a stranger wrote: bounded in length, in number and in time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.errors import WorkerError

MAX_LINE_BYTES = 64 << 10
_CLOCK_EVERY = 4096


class Deadline:
    """The time that one item may take."""

    def __init__(self, source: Encoded, limits: Limits) -> None:
        self._source = source
        self._seconds = limits.work_seconds
        self._end = time.monotonic() + limits.work_seconds
        self._calls = 0

    def check(self) -> None:
        """To be called for each line or face; looks at the clock now and then. Raises DATA_CORRUPT."""
        self._calls += 1
        if self._calls % _CLOCK_EVERY == 0 and time.monotonic() > self._end:
            raise self._source.corrupt(f"takes more than {self._seconds:g} s to read")


def text_lines(source: Encoded, file: BinaryIO, limits: Limits) -> Iterator[str]:
    """The lines, without their ends, blank ones left out.

    Raises:
        WorkerError: DATA_CORRUPT where a line is longer than 64 KiB, holds bytes that are no text, or
            where reading takes longer than the limit.
    """
    deadline = Deadline(source, limits)
    while line := file.readline(MAX_LINE_BYTES + 1):
        deadline.check()
        if len(line) > MAX_LINE_BYTES:
            raise source.corrupt("has a line of more than 64 KiB: it is no text of coordinates")
        try:
            text = line.decode("ascii").strip()
        except UnicodeDecodeError:
            raise source.corrupt("holds bytes that are no text") from None
        if "\0" in text:
            raise source.corrupt("holds bytes that are no text")
        if text:
            yield text


def number_rows(
    source: Encoded,
    lines: Iterator[str],
    *,
    at_most: int,
    delimiter: str | None = None,
    columns: Sequence[int] | None = None,
    dtype: type = np.float64,
    what: str = "points",
) -> npt.NDArray[Any]:
    """The next lines as rows of numbers, (rows, columns); comments after `#` are left out.

    Reads `at_most` rows and leaves the lines after them.

    Raises:
        WorkerError: DATA_CORRUPT for a line that is no row of numbers, with its number.
    """
    first = next(lines, None) if at_most > 0 else None
    if first is None:
        return np.empty((0, len(columns) if columns is not None else 0), dtype)
    try:
        return np.loadtxt(
            chain([first], lines),
            dtype=dtype,
            delimiter=delimiter,
            usecols=columns,
            max_rows=at_most,
            ndmin=2,
        )
    except WorkerError:
        raise
    except (ValueError, OverflowError, MemoryError) as error:
        reason = str(error).partition(";")[0][:120]
        raise source.corrupt(f"has no numbers where its {what} should be ({reason})") from error
