"""Pickles that are larger than memory: the numbers of their arrays stay in the file."""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, cast

from cmcr_worker.decoding.pickled_arrays import INSTRUCTIONS, run_instructions
from cmcr_worker.decoding.pickled_values import RefusedPickle
from cmcr_worker.decoding.stored_arrays import StoredBytes

MAX_INSTRUCTIONS = 5_000_000
"""Of a whole file: an array takes about forty."""

SMALL_BYTES = 4096
"""Shorter texts and bytes are read at once."""

MAX_SMALL_BYTES = 256 << 20
"""Of all those together."""

_CODES = {code.code: code for code in pickletools.opcodes}
# Name to the bytes that say the length, and whether the content is a text.
_LONG = {
    "BINBYTES": (4, False),
    "BINBYTES8": (8, False),
    "BYTEARRAY8": (8, False),
    "BINUNICODE": (4, True),
    "BINUNICODE8": (8, True),
}
_LINE_BYTES = 1000


def read_pickle_file(file: BinaryIO, size: int) -> object:
    """What the pickle holds that begins where `file` stands, whose end is at byte `size`.

    As `read_pickle` has it, but that arrays of more than a few kilobytes are `StoredArray`s of the file:
    memory stays small however large it is. Nothing of it is run.

    Raises:
        RefusedPickle: where it asks for anything but arrays and plain values, or is damaged or cut off.
    """
    return run_instructions(_instructions(file, size), MAX_INSTRUCTIONS)


def _instructions(file: BinaryIO, size: int) -> Iterator[tuple[str, Any]]:
    arguments = _Arguments(file)
    left = MAX_SMALL_BYTES
    while True:
        letter = file.read(1)
        if not letter:
            raise RefusedPickle(f"is cut off: its pickle has no end, at byte {size}")
        code = _CODES.get(letter.decode("latin1"))
        if code is None:
            raise RefusedPickle(f"is a damaged pickle (byte {file.tell() - 1} is no instruction)")
        if code.name not in INSTRUCTIONS:
            raise RefusedPickle(f"uses the pickle instruction {code.name}, which no array needs")
        if code.name not in _LONG:
            yield code.name, None if code.arg is None else code.arg.reader(cast(IO[bytes], arguments))
        else:
            digits, text = _LONG[code.name]
            length = int.from_bytes(arguments.read(digits), "little")
            start = file.tell()
            if start + length > size:
                raise RefusedPickle(f"is cut off: it has {size} bytes, and needs at least {start + length}")
            if length > SMALL_BYTES:
                file.seek(length, 1)
                yield code.name, StoredBytes(start, length, text=text)
                continue
            left -= length
            if left < 0:
                raise RefusedPickle(f"has more than {MAX_SMALL_BYTES} bytes that are no arrays")
            content = file.read(length)
            yield code.name, content.decode("utf-8", "surrogatepass") if text else content


class _Arguments:
    """What pickletools reads arguments from: short reads are errors, lines have an end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, count: int) -> bytes:
        content = self._file.read(count)
        if len(content) < count:
            raise RefusedPickle(f"is cut off: it ends at byte {self._file.tell()}")
        return content

    def readline(self) -> bytes:
        return self._file.readline(_LINE_BYTES)
