"""An item before it is decoded: where its bytes lie, which part of it is meant, and what it may cost."""

from __future__ import annotations

import io
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
        if not self.path.exists():
            raise WorkerError(
                Reason.DATA_MISSING,
                f"{self.name}: there is no such file",
                subject=str(self.path),
                remedy="Check the path, or remove the item from the list.",
            )
        if not self.path.is_file():
            raise self.corrupt("is not a regular file")
        whole = self.path.stat().st_size
        if self.length is None:
            return whole
        if self.offset + self.length > whole:
            raise self.corrupt(f"should end at byte {self.offset + self.length} of a file of {whole} bytes")
        return self.length

    def open(self, limits: Limits) -> BinaryIO:
        """The bytes as a seekable stream that begins with the item's first; those of a range lie in memory.

        Raises:
            WorkerError: as `size`, and DATA_CORRUPT where the item is empty or larger than its limit.
        """
        size = self.size()
        if size == 0:
            raise self.corrupt("is empty")
        if size > limits.bytes:
            raise self.corrupt(f"has {size} bytes; at most {limits.bytes} are read")
        if self.data is not None:
            return io.BytesIO(self.data)
        assert self.path is not None
        try:
            file = self.path.open("rb")
            if self.length is None:
                return file
            with file:
                file.seek(self.offset)
                return io.BytesIO(file.read(self.length))
        except OSError as error:
            raise self.corrupt(f"cannot be read ({error.strerror or error})") from error

    def corrupt(self, what: str) -> WorkerError:
        """The error for an item that is damaged or not what it should be: `what` follows its name."""
        return WorkerError(
            Reason.DATA_CORRUPT,
            f"{self.name} {what}",
            subject=self.name,
            remedy=_REMEDY,
        )
