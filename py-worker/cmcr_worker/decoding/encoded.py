"""An item before it is decoded: where its bytes lie, which part of it is meant, and what it may cost."""

from __future__ import annotations

import errno
import io
import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cmcr_worker.errors import Reason, WorkerError

_REMEDY = "Replace the file, or remove the item from the list."


@dataclass(frozen=True, slots=True)
class Limits:
    """What one item may ask for before it counts as unreadable.

    The defaults are the worker's own limits: no request can lift them, only lower them.
    """

    bytes: int = 1 << 30
    pixels: int = 100_000_000
    seconds: float = 3600.0
    points: int = 10_000_000
    work_seconds: float = 120.0

    def lowered(self, *, bytes: int, pixels: int, seconds: float, points: int, work_seconds: float) -> Limits:
        """These limits, or the given ones where they are lower; 0 asks for none.

        Raises:
            WorkerError: CONFIG_INVALID for a limit that is negative or not a number.
        """
        for name, value in (("seconds", seconds), ("work_seconds", work_seconds)):
            if math.isnan(value) or value < 0:
                raise WorkerError(
                    Reason.CONFIG_INVALID,
                    f"{value} is no limit; expected a positive number, or 0 for none",
                    subject=f"limits.{name}",
                )
        return Limits(
            bytes=min(self.bytes, bytes or self.bytes),
            pixels=min(self.pixels, pixels or self.pixels),
            seconds=min(self.seconds, seconds or self.seconds),
            points=min(self.points, points or self.points),
            work_seconds=min(self.work_seconds, work_seconds or self.work_seconds),
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a recording: from `start_seconds` for `duration_seconds`; None: from its start, to its end.

    A frame of a video is the one at `start_seconds`, or at the fraction `position` of its length.
    """

    start_seconds: float | None = None
    duration_seconds: float | None = None
    position: float | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """The bytes of one item: a file, `length` bytes from `offset` on in a file, or `data` itself.

    `name` is what messages call it; its ending tells the format where the bytes do not.
    """

    name: str
    path: Path | None = None
    offset: int = 0
    length: int | None = None
    data: bytes | None = None

    @property
    def ending(self) -> str:
        """Such as `.jpg`, in lower case; empty where the name has none."""
        return Path(self.name).suffix.lower()

    @property
    def whole_file(self) -> Path | None:
        """The file that holds the item and nothing else, or None."""
        return self.path if self.data is None and self.length is None else None

    def size(self) -> int:
        """How many bytes there are.

        Raises:
            WorkerError: DATA_MISSING where there is no such file, DATA_CORRUPT where it is shorter than
                the range that is asked for, or no regular file.
        """
        if self.data is not None:
            return len(self.data)
        assert self.path is not None
        try:
            found = os.stat(self.path)
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error
        return self._size_of(found)

    def open(self, limits: Limits) -> BinaryIO:
        """The bytes as a seekable stream that begins with the item's first; those of a range lie in memory.

        Raises:
            WorkerError: as `size`, and DATA_CORRUPT where the item is empty or larger than its limit.
        """
        # Before the file is opened: to open a device may already do something.
        self._check(self.size(), limits)
        if self.data is not None:
            return io.BytesIO(self.data)
        assert self.path is not None
        try:
            # Not blocking: what was a file a moment ago may be a pipe now, whose opening waits for a writer.
            file = os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error
        try:
            self._check(self._size_of(os.fstat(file.fileno())), limits)
            if self.length is None:
                return file
            file.seek(self.offset)
            content = io.BytesIO(file.read(self.length))
        except OSError as error:
            file.close()
            raise self._unreadable(error) from error
        except BaseException:
            file.close()
            raise
        file.close()
        return content

    def _size_of(self, found: os.stat_result) -> int:
        if not stat.S_ISREG(found.st_mode):
            raise self.corrupt("is a folder" if stat.S_ISDIR(found.st_mode) else "is not a regular file")
        if self.length is None:
            return found.st_size
        if self.offset + self.length > found.st_size:
            raise self.corrupt(
                f"should end at byte {self.offset + self.length} of a file of {found.st_size} bytes"
            )
        return self.length

    def _check(self, size: int, limits: Limits) -> None:
        if size == 0:
            raise self.corrupt("is empty")
        if size > limits.bytes:
            raise self.corrupt(f"has {size} bytes; at most {limits.bytes} are read")

    def _unreadable(self, error: OSError | ValueError) -> WorkerError:
        if isinstance(error, FileNotFoundError) or getattr(error, "errno", None) == errno.ENOTDIR:
            return WorkerError(
                Reason.DATA_MISSING,
                f"{self.name}: there is no such file",
                subject=str(self.path),
                remedy="Check the path, or remove the item from the list.",
            )
        return self.corrupt(f"cannot be read ({getattr(error, 'strerror', None) or error})")

    def corrupt(self, what: str) -> WorkerError:
        """The error for an item that is damaged or not what it should be: `what` follows its name."""
        return WorkerError(
            Reason.DATA_CORRUPT,
            f"{self.name} {what}",
            subject=self.name,
            remedy=_REMEDY,
        )
